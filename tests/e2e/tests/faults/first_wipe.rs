//! The first wipe of a machine takes an agreement, unless its disks are empty.

use hostler_e2e::stage::{Setup, is_held, is_ready};
use hostler_fleet::host::Faults;

const DATA: &[u8] = b"ten years of photographs";

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_with_data_waits_for_an_administrator() -> anyhow::Result<()> {
    let stage = Setup::of(2).set().await?;
    stage.soil("r1-n01", 300 << 20, b"in the middle")?;
    stage.soil("r1-n01", 0, DATA)?;
    stage.register(&stage.room().registration()).await?;
    stage.node_until("r1-n02", "ready, with a blank disk", is_ready).await?;
    let held = stage.node_until("r1-n01", "held", is_held).await?;
    assert_eq!(held["state"], "cleaning");
    assert_eq!(held["holds"][0]["kind"], "awaiting first wipe");
    let reason = held["holds"][0]["reason"].as_str().unwrap_or_default();
    let disk = &stage.machine("r1-n01")?.plan().serial;
    assert!(reason.contains("0.disk") && reason.contains(&format!("serial \"{disk}-D0\"")), "{reason}");
    assert!(stage.is_on_disk("r1-n01", DATA)?);

    // Nobody gets it, however long the queue is.
    let refused = stage.ci.say("lease request 1,nodes=r1-n01 --image demo --max-wait 1s --wait").await?;
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(stage.is_on_disk("r1-n01", DATA)?);
    assert_eq!(stage.machine("r1-n01")?.bmc().journal().read().starts(), 1, "and nothing is done meanwhile");

    stage.admin.ok("node approve-wipe r1-n01 --yes").await?;
    stage.node_until("r1-n01", "ready", is_ready).await?;
    assert!(!stage.is_on_disk("r1-n01", DATA)? && !stage.is_on_disk("r1-n01", b"in the middle")?);
    assert_eq!(stage.machine("r1-n01")?.bmc().journal().read().starts(), 1, "in the boot that waited");
    stage.end().await
}

/// Whoever agreed has not seen it in the list.
#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_is_not_for_a_disk_that_appears_before_the_wipe() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.soil("r1-n01", 0, DATA)?;
    let disk = stage.machine("r1-n01")?.host().sim_disks()[0].clone();
    disk.set_faults(Faults { absent: true, ..Faults::default() });
    let mut registration = stage.room().registration();
    // Nothing tells that this is the machine, so that it waits without having a disk.
    registration.node[0].serial.clear();
    registration.node[0].uuid.clear();
    stage.register(&registration).await?;
    stage.node_until("r1-n01", "held", is_held).await?;
    disk.set_faults(Faults::default());

    stage.admin.ok("node approve-wipe r1-n01 --yes").await?;
    let told = "-D0\", 1073741824 bytes) appeared after the inspection, so nothing was written";
    let said = |event: &serde_json::Value| event["message"].as_str().is_some_and(|m| m.contains(told));
    stage.event("the refusal to wipe it", said).await?;
    stage.end().await
}
