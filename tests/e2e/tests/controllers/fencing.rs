//! A leader that was stopped and goes on, and does not know what happened meanwhile.

use crate::{another_leads, leader, two_controllers};
use anyhow::Context as _;
use hostler_e2e::stage::PATIENCE;
use hostler_e2e::stage::account::{check, check_leases};
use hostler_e2e::stage::witness::{Starts, now_ms};
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread")]
async fn invariant_6_a_leader_that_was_paused_commands_nothing_when_it_wakes() -> anyhow::Result<()> {
    let test = "invariant_6_a_leader_that_was_paused_commands_nothing_when_it_wakes";
    let Some(stage) = two_controllers(test, 2).await? else { return Ok(()) };
    let starts = Starts::of(stage.room());
    let nodes = stage.register_all().await?;
    let (first, second) = (nodes.keys().next().context("a node")?, nodes.keys().nth(1).context("a node")?);
    // It is stopped in the midst of a power attempt: the BMC takes its time for each answer.
    for machine in stage.room().machines() {
        machine.bmc().faults().change(|faults| faults.delay = Duration::from_millis(200));
    }
    stage.admin.ok(&format!("node repair {first}")).await?;
    let paused = now_ms();
    stage.installation().signal(Signal::STOP)?;
    another_leads(&stage.admin, "at-127.0.0.1").await?;
    stage.admin.ok(&format!("node repair {second}")).await?;
    stage.all_ready().await?;
    let before: Vec<_> = stage.room().machines().iter().map(|m| m.bmc().journal().read().starts()).collect();
    stage.installation().signal(Signal::CONT)?;
    let log = stage.installation().log();
    let told = timeout(PATIENCE, async {
        while !std::fs::read_to_string(&log)?.contains("stands by from now on")
            && !std::fs::read_to_string(&log)?.contains("leads no more, and stands by")
        {
            sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    });
    told.await.context("it does not notice")??;
    let after: Vec<_> = stage.room().machines().iter().map(|m| m.bmc().journal().read().starts()).collect();
    assert_eq!(before, after, "no machine was started");
    assert_eq!(leader(&stage.admin.json("controller list").await?), Some("at-127.0.0.2"));
    stage.all_ready().await?;
    check_leases(&stage).await?;
    check(&stage, &starts, &[paused], 30_000)?;
    // And it is of use again.
    stage.replica()?.kill()?;
    another_leads(&stage.admin, "at-127.0.0.2").await?;
    let lease = stage.ci.lease("1").await?;
    stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    stage.all_ready().await?;
    stage.end().await
}
