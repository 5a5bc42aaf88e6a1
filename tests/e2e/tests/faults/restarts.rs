//! Machines that restart, switch themselves off or stand still without having been told to.

use hostler_e2e::stage::{Setup, is_held};
use hostler_fleet::bmc::Record;
use hostler_fleet::machine::Stage as MachineStage;
use serde_json::Value;

/// How the task of a run ended on a node.
fn task<'r>(run: &'r [Value], node: &str) -> &'r Value {
    let finished = run.iter().find(|line| line["event"] == "finished").unwrap_or(&Value::Null);
    let tasks = finished["run"]["tasks"].as_array();
    tasks.into_iter().flatten().find(|task| task["node"] == node).unwrap_or(&Value::Null)
}

/// The tenant is root. What happens to the machines of a lease is the tenant's business until it ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_tenants_do_to_their_machines_touches_no_power_and_ends_with_the_lease() -> anyhow::Result<()> {
    let stage = Setup::of(3).set().await?;
    stage.register_all().await?;
    let lease = stage.ci.lease("reboots=1,nodes=r1-n01 goes=1,nodes=r1-n02 panics=1,nodes=r1-n03").await?;
    let id = &lease["id"];
    let before: Vec<Record> = stage.room().machines().iter().map(|m| m.bmc().journal().read()).collect();

    let script = stage.directory().join("orders.sh");
    std::fs::write(
        &script,
        "case $HOSTLER_ROLE in reboots) reboot;; goes) poweroff;; *) panic;; esac; sleep 1000\n",
    )?;
    let run = stage.ci.json(&format!("run {id} --detach --script {}", script.display())).await?;
    let run = run["id"].clone();
    stage.stage_of(stage.machine("r1-n02")?, |stage| *stage == MachineStage::Off).await?;
    stage.stage_of(stage.machine("r1-n03")?, |stage| matches!(stage, MachineStage::Dead { .. })).await?;
    stage.event_of("r1-n01", "restart").await?;

    // The machine that restarted is there again, and works.
    let follow = stage.ci.follow(&format!("run {id} --role reboots -- uname"))?;
    let (code, lines) = follow.end().await?;
    assert_eq!(code, Some(0), "{lines:?}");
    let lease = stage.ci.json(&format!("lease show {id}")).await?;
    assert_eq!(lease["state"], "active");
    let after: Vec<Record> = stage.room().machines().iter().map(|m| m.bmc().journal().read()).collect();
    assert_eq!(after, before, "nobody touched their power");

    stage.ci.ok(&format!("lease release {id}")).await?;
    stage.all_ready().await?;
    let (code, lines) = stage.ci.follow(&format!("run --attach {run}"))?.end().await?;
    assert_eq!(code, Some(5), "the machines were lost under it");
    for (node, reason) in
        [("r1-n01", "restarted while the payload ran"), ("r1-n02", "lease ended"), ("r1-n03", "lease ended")]
    {
        let task = task(&lines, node);
        let told = format!("{} {}", task["state"], task["reason"]);
        assert!(told.contains(reason), "{node}: {told}");
    }
    stage.end().await
}

/// What is asked for while nobody hears the machine was never sent: it waits for the agent that comes, whoever is
/// restarted meanwhile. What was sent before is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_a_machine_that_is_away() -> anyhow::Result<()> {
    let stage = Setup::of(1).impatient().set().await?;
    stage.register_all().await?;
    let lease = stage.ci.lease("1").await?;
    let id = &lease["id"];
    let script = stage.directory().join("away.sh");
    std::fs::write(&script, "poweroff; sleep 1000\n")?;
    let sent = stage.ci.json(&format!("run {id} --detach --script {}", script.display())).await?;
    stage.stage_of(stage.machine("r1-n01")?, |stage| *stage == MachineStage::Off).await?;
    stage.event_of("r1-n01", "agent-lost").await?;

    let waiting = stage.ci.json(&format!("run {id} --detach -- uname")).await?;
    assert_eq!(waiting["tasks"][0]["state"], "pending");
    stage.kill()?;
    stage.start()?;
    let before_it_is_back = stage.ci.json(&format!("run {id} --detach -- uname")).await?;
    stage.machine("r1-n01")?.chassis().on();
    for run in [waiting, before_it_is_back] {
        let (code, lines) = stage.ci.follow(&format!("run --attach {}", run["id"]))?.end().await?;
        assert_eq!(code, Some(0), "{lines:?}");
    }
    let (code, lines) = stage.ci.follow(&format!("run --attach {}", sent["id"]))?.end().await?;
    assert_eq!(code, Some(5), "{lines:?}");
    assert_eq!(task(&lines, "r1-n01")["state"], "lost");
    stage.end().await
}

/// Its token is used up, and its agent gone: it is started anew, in a boot of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_restarts_while_it_is_looked_at_is_started_anew() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.soil("r1-n01", 0, b"something")?;
    stage.register(&stage.room().registration()).await?;
    let waits = |node: &Value| is_held(node) && node["agent_connected"] == true;
    let held = stage.node_until("r1-n01", "held", waits).await?;
    let machine = stage.machine("r1-n01")?;
    let first = machine.stolen_command_line();
    machine.chassis().restart();
    let rung = stage.event_of("r1-n01", "ladder").await?;
    assert!(rung["message"].to_string().contains("restarted by itself"), "{rung}");
    let again = stage.node_until("r1-n01", "held in a newer boot", |node| {
        waits(node) && node["boot"]["id"] != held["boot"]["id"]
    });
    assert_eq!(again.await?["boot"]["rung"], 1);
    assert_ne!(machine.stolen_command_line(), first);
    assert!(stage.is_on_disk("r1-n01", b"something")?, "nobody has agreed yet");
    assert_eq!(machine.bmc().journal().read().starts(), 2);
    stage.end().await
}
