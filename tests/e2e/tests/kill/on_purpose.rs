//! Kills at the moments where a power command or a boot could be lost or doubled.

use anyhow::Context as _;
use hostler_e2e::stage::account::check;
use hostler_e2e::stage::witness::{Starts, ordered_boots};
use hostler_e2e::stage::{Engine, PATIENCE, Setup, Stage};
use hostler_fleet::bmc::Record;
use hostler_fleet::machine::{SimMachine, Stage as MachineStage};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;
use xtask::installation::Waits;

const NODE: &str = "r1-n01";

/// Long enough that nothing is ordered anew but for a reason.
const WAITS: Waits = Waits { firmware_ms: 8_000, step_ms: 15_000, silence_ms: 15_000, bmc_ms: 3_000 };

/// Real firmware takes longer. A kill and a new start have to fit into it: a machine whose download they cut short is
/// dead, and powered again, rightly.
const SELF_TEST: Duration = Duration::from_secs(2);

/// How long the BMC takes for each answer: the pause in which the controller is killed.
const SLOW: Duration = Duration::from_millis(250);

on_every_engine! {
    invariant_6_killed_between_the_acknowledgement_of_a_bmc_and_the_commit
    invariant_6_killed_between_a_power_command_and_its_acknowledgement
    invariant_6_killed_before_the_bmc_heard_anything
    invariant_5_killed_between_dhcp_and_enrolment
    what_came_due_while_the_controller_was_down_happens_when_it_is_back
}

async fn one_machine(engine: Engine) -> anyhow::Result<Stage> {
    let setup = Setup { waits: WAITS, self_test: SELF_TEST, ..Setup::of(1) };
    let stage = setup.on(engine).with_witness().set().await?;
    Ok(stage)
}

/// The present boot of the node, as it was committed.
fn committed_boot(stage: &Stage) -> anyhow::Result<Value> {
    let rows = stage.database().rows("SELECT body FROM node")?;
    let node: Value = serde_json::from_str(&rows.concat().concat())?;
    let state = node["state"].as_object().and_then(|state| state.values().next());
    Ok(state.context("the node has no boot")?["boot"].clone())
}

fn seen(boot: &Value) -> Vec<&str> {
    boot["evidence"].as_array().into_iter().flatten().filter_map(|e| e["kind"].as_str()).collect()
}

/// Waits until the BMC has written down what is wanted.
async fn journal_of(machine: &SimMachine, wanted: impl FnMut(&Record) -> bool) -> anyhow::Result<()> {
    let mut journal = machine.bmc().journal().watch();
    timeout(PATIENCE, journal.wait_for(wanted)).await.context("the BMC is not asked")??;
    Ok(())
}

/// Everything ends well after the kill: in the boot that was under way when it came.
async fn same_boot_goes_on(stage: Stage, starts: &Starts, killed: &Value) -> anyhow::Result<()> {
    stage.all_ready().await?;
    let boots = ordered_boots(&stage.database())?.remove(NODE).unwrap_or_default();
    assert_eq!(boots.len(), 2, "none but the first and the one that was killed: {boots:?}");
    assert_eq!(killed["id"], boots[1].boot);
    assert_eq!(starts.of_machine(NODE).len(), 2);
    assert_eq!(stage.machine(NODE)?.bmc().journal().read().starts(), 2);
    check(&stage, starts, &[], WAITS.firmware_ms)?;
    stage.end().await
}

async fn invariant_6_killed_between_the_acknowledgement_of_a_bmc_and_the_commit(
    engine: Engine,
) -> anyhow::Result<()> {
    let stage = one_machine(engine).await?;
    let starts = Starts::of(stage.room());
    stage.register_all().await?;
    let machine = stage.machine(NODE)?;
    machine.bmc().faults().change(|faults| faults.delay = SLOW);
    let closed = machine.bmc().journal().read().closed_sessions;
    stage.admin.ok(&format!("node repair {NODE}")).await?;
    // The controller has all answers but the one to its goodbye: it knows that it is done, and has told nobody.
    journal_of(machine, |record| record.closed_sessions > closed).await?;
    stage.kill()?;
    let boot = committed_boot(&stage)?;
    assert_eq!(boot["power"], "Outstanding", "the answer was not committed");
    assert_eq!(machine.bmc().journal().read().starts(), 2, "but carried out");
    machine.bmc().faults().change(|faults| faults.delay = Duration::ZERO);
    stage.start()?;
    same_boot_goes_on(stage, &starts, &boot).await
}

async fn invariant_6_killed_between_a_power_command_and_its_acknowledgement(
    engine: Engine,
) -> anyhow::Result<()> {
    let stage = one_machine(engine).await?;
    let starts = Starts::of(stage.room());
    stage.register_all().await?;
    let machine = stage.machine(NODE)?;
    machine.bmc().faults().change(|faults| faults.delay = SLOW);
    stage.admin.ok(&format!("node repair {NODE}")).await?;
    journal_of(machine, |record| record.starts() == 2).await?;
    stage.kill()?;
    let boot = committed_boot(&stage)?;
    assert_eq!(boot["power"], "Outstanding");
    machine.bmc().faults().change(|faults| faults.delay = Duration::ZERO);
    stage.start()?;
    same_boot_goes_on(stage, &starts, &boot).await
}

/// The attempt is stored, and not a packet of it was heard. Nobody can know that: its window has to pass.
async fn invariant_6_killed_before_the_bmc_heard_anything(engine: Engine) -> anyhow::Result<()> {
    let stage = one_machine(engine).await?;
    let starts = Starts::of(stage.room());
    stage.register_all().await?;
    let machine = stage.machine(NODE)?;
    machine.bmc().faults().change(|faults| faults.dead = true);
    stage.admin.ok(&format!("node repair {NODE}")).await?;
    stage.kill()?;
    let boot = committed_boot(&stage)?;
    assert_eq!(boot["power"], "Outstanding");
    machine.bmc().faults().change(|faults| faults.dead = false);
    let killed = hostler_e2e::stage::witness::now_ms();
    stage.start()?;
    stage.all_ready().await?;
    let boots = ordered_boots(&stage.database())?.remove(NODE).unwrap_or_default();
    assert_eq!(boots.len(), 3, "one attempt more: {boots:?}");
    assert_eq!(
        (boots[1].boot, boots[2].rung.as_str()),
        (u32::try_from(boot["id"].as_u64().unwrap_or(0))?, "Repeat")
    );
    assert!(boots[2].ordered_ms >= killed + WAITS.firmware_ms, "{boots:?}");
    assert_eq!(starts.of_machine(NODE).len(), 2);
    check(&stage, &starts, &[killed], WAITS.firmware_ms)?;
    stage.end().await
}

/// The machine has its address, kernel and token, and its agent has not used the token yet. The moment is found by
/// pulling the machine's cable; when the agent was quicker, the machine is looked at anew.
async fn invariant_5_killed_between_dhcp_and_enrolment(engine: Engine) -> anyhow::Result<()> {
    const TRIES: usize = 10;
    let stage = one_machine(engine).await?;
    let starts = Starts::of(stage.room());
    stage.register_all().await?;
    let machine = stage.machine(NODE)?;
    for number in 1..=TRIES {
        stage.admin.ok(&format!("node repair {NODE}")).await?;
        stage.stage_of(machine, |stage| *stage == MachineStage::Firmware).await?;
        stage.stage_of(machine, |stage| *stage == MachineStage::Ramdisk).await?;
        machine.cut_network();
        stage.kill()?;
        let boot = committed_boot(&stage)?;
        let evidence = seen(&boot).join(" ");
        stage.start()?;
        stage.admin.ok("node list").await?;
        machine.mend_network();
        stage.all_ready().await?;
        let boots = ordered_boots(&stage.database())?.remove(NODE).unwrap_or_default();
        assert_eq!(
            boots.last().map(|boot| boot.boot),
            boot["id"].as_u64().and_then(|id| u32::try_from(id).ok())
        );
        assert_eq!(starts.of_machine(NODE).len(), number + 1, "{boots:?}");
        check(&stage, &starts, &[], WAITS.firmware_ms)?;
        if evidence.contains("Dhcp") && !evidence.contains("Enrolled") {
            return stage.end().await;
        }
    }
    anyhow::bail!("the agent was quicker {TRIES} times")
}

/// A lease that comes to its end while nobody is there to end it.
async fn what_came_due_while_the_controller_was_down_happens_when_it_is_back(
    engine: Engine,
) -> anyhow::Result<()> {
    const DURATION: Duration = Duration::from_secs(3);
    let stage = one_machine(engine).await?;
    let starts = Starts::of(stage.room());
    stage.register_all().await?;
    let lease = stage.ci.lease(&format!("1 --duration {}s", DURATION.as_secs())).await?;
    stage.kill()?;
    // The lease began where the machine was wiped, without a start of its own.
    assert_eq!(starts.of_machine(NODE).len(), 1);
    tokio::time::sleep(DURATION).await;
    assert_eq!(starts.of_machine(NODE).len(), 1, "nobody ended it");
    stage.start()?;
    stage.all_ready().await?;
    let lease = stage.ci.json(&format!("lease show {}", lease["id"])).await?;
    assert_eq!((lease["state"].as_str(), lease["close_reason"].as_str()), (Some("closed"), Some("expired")));
    check(&stage, &starts, &[], WAITS.firmware_ms)?;
    stage.end().await
}
