//! Management controllers that do not do what they are for. Each time the machine is held with a reason, and the lease
//! that it was to be part of gets another.

use hostler_e2e::stage::account::check;
use hostler_e2e::stage::witness::Starts;
use hostler_e2e::stage::{IMPATIENT, Setup, Stage, is_ready};
use hostler_fleet::bmc::Faults;
use serde_json::Value;
use std::time::Duration;

const BROKEN: &str = "r1-n01";
const OTHER: &str = "r1-n02";

/// Two machines that are ready and off. The first one has been so for longer, and is chosen for the next lease.
async fn room() -> anyhow::Result<Stage> {
    let stage = Setup::of(2).impatient().set().await?;
    let mut registration = stage.room().registration();
    registration.node.truncate(1);
    stage.register(&registration).await?;
    stage.node_until(BROKEN, "ready", is_ready).await?;
    stage.register_all().await?;
    stage.admin.ok("pool set default --idle-off 1s").await?;
    for name in [BROKEN, OTHER] {
        stage
            .node_until(name, "off", |node| node["standby"] == "off" && node["deadline_ms"] == Value::Null)
            .await?;
    }
    stage.admin.ok("pool set default --idle-off never").await?;
    Ok(stage)
}

/// Asks for one x86-64 machine, and gets the other one. Returns the broken node as it is in the end.
async fn lease_in_spite_of_it(stage: &Stage) -> anyhow::Result<Value> {
    let lease = stage.ci.lease("1:x86_64").await?;
    assert_eq!(lease["state"], "active");
    assert_eq!(lease["nodes"][0]["name"], OTHER);

    let replaced = stage.event_of(OTHER, "member-replaced").await?;
    assert_eq!(replaced["message"], format!("{OTHER} takes the place of {BROKEN}"));
    // One failed deployment is not enough to judge by; where the BMC is to blame, the proof fails as well.
    let broken = stage.node_until(BROKEN, "given up", |node| node["state"] == "failed").await?;
    assert_eq!(broken["holds"][0]["kind"], "quarantine");
    Ok(broken)
}

fn break_bmc(stage: &Stage, fault: impl FnOnce(&mut Faults)) -> anyhow::Result<()> {
    stage.machine(BROKEN)?.bmc().faults().change(fault);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_bmc_ends_in_a_hold_and_the_lease_gets_another_machine() -> anyhow::Result<()> {
    let stage = room().await?;
    let starts = stage.machine(BROKEN)?.bmc().journal().read().starts();
    break_bmc(&stage, |faults| faults.dead = true)?;
    let broken = lease_in_spite_of_it(&stage).await?;
    let reason = broken["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("no sign of the machine's firmware"), "{reason}");
    assert!(reason.contains("last of all BMC cold reset and power cycle: the BMC: "), "{reason}");
    assert!(reason.contains("did not answer"), "{reason}");
    assert_eq!(stage.machine(BROKEN)?.bmc().journal().read().starts(), starts);
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_says_ok_and_does_nothing_is_found_out() -> anyhow::Result<()> {
    let stage = room().await?;
    let before = stage.machine(BROKEN)?.bmc().journal().read();
    break_bmc(&stage, |faults| faults.ignores_power = true)?;
    let broken = lease_in_spite_of_it(&stage).await?;
    let reason = broken["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("no sign of the machine's firmware"), "{reason}");
    assert!(reason.contains("of the machine was seen: nothing"), "{reason}");
    let after = stage.machine(BROKEN)?.bmc().journal().read();
    assert_eq!((after.starts(), after.cold_resets), (before.starts(), 2), "the whole ladder, twice");
    let steps: Vec<_> = broken["failures"].as_array().into_iter().flatten().map(|f| &f["step"]).collect();
    assert_eq!(steps, ["deployment", "boot"]);
    stage.end().await
}

/// A wrong password that is tried again and again locks accounts.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_refused_is_tried_once() -> anyhow::Result<()> {
    let stage = room().await?;
    let mut registration = stage.room().registration();
    registration.node[0].bmc.password = "not the password".to_owned();
    stage.register(&registration).await?;
    let before = stage.machine(BROKEN)?.bmc().journal().read();
    let broken = lease_in_spite_of_it(&stage).await?;
    let reason = broken["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("power: the BMC refused the account"), "{reason}");
    let after = stage.machine(BROKEN)?.bmc().journal().read();
    assert_eq!(after.session_attempts - before.session_attempts, 1);
    assert_eq!(after.failed_authentications - before.failed_authentications, 1);
    assert_eq!(after.starts(), before.starts());

    // With the right one an administrator can have it back.
    stage.register(&stage.room().registration()).await?;
    stage.admin.ok(&format!("node repair {BROKEN}")).await?;
    let proved = stage.node_until(BROKEN, "ready again", is_ready).await?;
    let checks = proved["proof"]["checks"].as_array().cloned().unwrap_or_default();
    let parts: Vec<_> = checks.iter().map(|check| (&check["part"], &check["passed"])).collect();
    let all = ["memory", "processors", "disks"].map(|part| (part.into(), true.into()));
    assert_eq!(parts, all.each_ref().map(|(part, passed)| (part, passed)), "{proved}");
    stage.end().await
}

/// Answers that come late or not at all make requests come twice; the machine is started once all the same.
#[tokio::test(flavor = "multi_thread")]
async fn slow_lossy_and_busy_bmcs_start_each_machine_once_for_each_boot() -> anyhow::Result<()> {
    let stage = Setup::of(4).with_witness().set().await?;
    let starts = Starts::of(stage.room());
    for (number, machine) in stage.room().machines().iter().enumerate() {
        let loses_every = u32::try_from(number)? + 2;
        let delay = Duration::from_millis(40);
        machine
            .bmc()
            .faults()
            .change(|faults| *faults = Faults { delay, loses_every, busy: 2, ..Faults::default() });
    }
    stage.register_all().await?;
    let lease = stage.ci.lease("2:x86_64 arm=1:aarch64 power=1:ppc64le").await?;
    stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    stage.all_ready().await?;
    check(&stage, &starts, &[], IMPATIENT.firmware_ms)?;
    for machine in stage.room().machines() {
        let record = machine.bmc().journal().read();
        // For the lease it is deployed where it was wiped.
        assert_eq!(record.power_actions, 2, "{}: {record:?}", machine.plan().name);
    }
    stage.end().await
}
