//! A leader is killed while many ask: no answer is lost, and nothing is granted twice.

use crate::{another_leads, leader, two_controllers};
use anyhow::{Context as _, ensure};
use hostler_e2e::stage::account::{check, check_leases};
use hostler_e2e::stage::witness::{Starts, now_ms};
use hostler_e2e::stage::{Cli, Stage, is_ready};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Who asks, each for one lease after the other.
const CLIENTS: usize = 3;

/// Leases of one client.
const LEASES: usize = 4;

/// Asks for leases, waits for them and gives them back. What it was told once has to stay so.
async fn client(ci: Cli, number: usize) -> anyhow::Result<Vec<(String, Value)>> {
    let mut told = Vec::new();
    for round in 0..LEASES {
        let key = format!("{number}-{round}");
        let request = format!("lease request 1 --image demo --idempotency-key {key}");
        let lease = ci.json(&request).await?;
        let again = ci.json(&request).await?;
        ensure!(again["id"] == lease["id"], "one request became two leases: {lease} {again}");
        ci.ok(&format!("lease wait {}", lease["id"])).await?;
        ci.ok(&format!("lease release {}", lease["id"])).await?;
        told.push((key, lease["id"].clone()));
    }
    Ok(told)
}

/// All that was answered is so, under the controller that leads now.
async fn check_answers(stage: &Stage, told: &[(String, Value)]) -> anyhow::Result<()> {
    let mut leases = BTreeMap::new();
    for (key, id) in told {
        ensure!(leases.insert(id.to_string(), key).is_none(), "two requests have the lease {id}");
        let lease = stage.ci.json(&format!("lease show {id}")).await?;
        ensure!(lease["close_reason"] == "released", "what was given back is not: {lease}");
    }
    ensure!(leases.len() == CLIENTS * LEASES, "{leases:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_no_answer_is_lost_when_the_leader_is_killed_under_load() -> anyhow::Result<()> {
    let test = "invariant_5_no_answer_is_lost_when_the_leader_is_killed_under_load";
    let Some(stage) = two_controllers(test, 4).await? else { return Ok(()) };
    let starts = Starts::of(stage.room());
    stage.register_all().await?;
    let kept = stage.ci.lease("1").await?;
    let clients: Vec<_> = (0..CLIENTS).map(|number| tokio::spawn(client(stage.ci.clone(), number))).collect();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let killed = now_ms();
    stage.kill()?;
    another_leads(&stage.admin, "at-127.0.0.1").await?;
    stage.start()?;
    let mut told = Vec::new();
    for client in clients {
        told.extend(client.await.context("a client panicked")??);
    }
    check_answers(&stage, &told).await?;
    check_leases(&stage).await?;
    // Its machine did not notice, and obeys the new leader.
    let id = &kept["id"];
    assert_eq!(stage.ci.json(&format!("lease show {id}")).await?["state"], "active");
    stage.ci.ok(&format!("run {id} -- true")).await?;
    stage.ci.ok(&format!("lease release {id}")).await?;
    stage.all_ready().await?;
    check(&stage, &starts, &[killed], 30_000)?;
    stage.end().await
}

/// There and back: the one that was killed stands by, and takes over when the other one is killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_asked_for_before_is_active_after_each_change() -> anyhow::Result<()> {
    let test = "a_lease_that_was_asked_for_before_is_active_after_each_change";
    let Some(stage) = two_controllers(test, 1).await? else { return Ok(()) };
    stage.register_all().await?;
    let lease = stage.ci.json("lease request 1 --image demo").await?;
    let began = Instant::now();
    stage.kill()?;
    another_leads(&stage.admin, "at-127.0.0.1").await?;
    println!("measured: killed, and led by the other one, in {} ms", began.elapsed().as_millis());
    stage.ci.ok(&format!("lease wait {}", lease["id"])).await?;
    println!("measured: the lease is active {} ms after the kill", began.elapsed().as_millis());
    stage.start()?;
    stage.ci.ok(&format!("run {} -- true", lease["id"])).await?;
    stage.replica()?.kill()?;
    another_leads(&stage.admin, "at-127.0.0.2").await?;
    stage.ci.ok(&format!("run {} -- true", lease["id"])).await?;
    stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    let nodes = stage.all_ready().await?;
    assert!(nodes.values().all(is_ready));
    stage.replica()?.start()?;
    assert_eq!(leader(&stage.admin.json("controller list").await?), Some("at-127.0.0.1"));
    stage.end().await
}
