//! The whole network of a room goes down while a tenant works.

use hostler_e2e::stage::{Setup, Stage, is_held};
use hostler_fleet::bmc::Record;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use xtask::installation::Waits;

/// What silence counts as: soon.
const WAITS: Waits = Waits { firmware_ms: 30_000, step_ms: 30_000, silence_ms: 3_000, bmc_ms: 6_000 };

/// What each machine writes: half of it before the network is back, and waits for a file in between.
fn script(go: &str) -> String {
    format!(
        "for i in 1 2 3; do echo \"$HOSTLER_NODE says $i\"; done\n\
         while [ ! -e {go} ]; do sleep 0.05; done\n\
         for i in 4 5 6; do echo \"$HOSTLER_NODE says $i\"; done\n"
    )
}

fn output_of(node: &str) -> String {
    (1..=6).map(|i| format!("{node} says {i}\n")).collect()
}

fn records(stage: &Stage) -> Vec<Record> {
    stage.room().machines().iter().map(|machine| machine.bmc().journal().read()).collect()
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["kind"] == kind).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_cut_is_one_incident_and_touches_no_power() -> anyhow::Result<()> {
    let stage = Setup { waits: WAITS, ..Setup::of(6) }.set().await?;
    stage.register_all().await?;
    let lease = stage.ci.lease("4:x86_64 arm=1:aarch64 power=1:ppc64le").await?;
    let id = &lease["id"];

    let (go, file) = (stage.directory().join("go"), stage.directory().join("payload.sh"));
    std::fs::write(&file, script(&go.to_string_lossy()))?;
    let results = stage.directory().join("results");
    let run = format!("run {id} --script {} --results {}", file.display(), results.display());
    let mut run = stage.ci.follow(&run)?;
    let mut heard = BTreeSet::new();
    let all_speak = run.until("the first half from all", |line| {
        if line["text"].as_str().is_some_and(|text| text.ends_with("says 3")) {
            heard.insert(line["node"].to_string());
        }
        heard.len() == 6
    });
    all_speak.await?;

    let before = records(&stage);
    for machine in stage.room().machines() {
        machine.cut_network();
    }
    stage.event("the incident", |event| event["kind"] == "pool-silent").await?;
    std::fs::write(&go, "")?;
    for machine in stage.room().machines() {
        machine.mend_network();
    }
    let (code, _) = run.end().await?;
    assert_eq!(code, Some(0));
    for machine in stage.room().machines() {
        let name = &machine.plan().name;
        stage.event_of(name, "agent-back").await?;
        assert_eq!(std::fs::read_to_string(results.join(name).join("output.log"))?, output_of(name));
    }

    let events = stage.events().await?;
    assert_eq!((count(&events, "pool-silent"), count(&events, "pool-back")), (1, 1));
    assert_eq!(count(&events, "agent-lost"), 6);
    assert_eq!(count(&events, "ladder"), 0);
    assert_eq!(records(&stage), before, "nobody spoke to a BMC, let alone touched the power");
    let lease = stage.ci.json(&format!("lease show {id}")).await?;
    assert_eq!((lease["state"].as_str(), lease["nodes"].as_array().map(Vec::len)), (Some("active"), Some(6)));
    stage.end().await
}

/// Machines that wait for their first wipe: their agents are connected, and the ladder watches over them.
async fn waiting(machines: usize) -> anyhow::Result<Stage> {
    let stage = Setup { waits: WAITS, ..Setup::of(machines) }.set().await?;
    for machine in stage.room().machines() {
        stage.soil(&machine.plan().name, 0, b"something")?;
    }
    stage.register(&stage.room().registration()).await?;
    all_wait(&stage).await?;
    Ok(stage)
}

async fn all_wait(stage: &Stage) -> anyhow::Result<()> {
    let machines = stage.room().machines().len();
    let waits = |node: &Value| is_held(node) && node["agent_connected"] == true;
    stage
        .nodes_until("all held", |nodes| nodes.len() == machines && nodes.values().all(waits))
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ladder_stops_when_all_are_silent_also_for_a_controller_that_was_restarted() -> anyhow::Result<()>
{
    let stage = waiting(6).await?;
    let before = records(&stage);
    for machine in stage.room().machines() {
        machine.cut_network();
    }
    stage.event("the incident", |event| event["kind"] == "pool-silent").await?;
    stage.kill()?;
    stage.start()?;
    // Longer than what would send a single machine up the ladder.
    let windows = Duration::from_millis(WAITS.silence_ms * 3);
    let patience = tokio::time::timeout(windows, stage.event("a rung", |event| event["kind"] == "ladder"));
    assert!(patience.await.is_err(), "the ladder was climbed");
    for machine in stage.room().machines() {
        machine.mend_network();
    }
    stage.event("the end of it", |event| event["kind"] == "pool-back").await?;
    all_wait(&stage).await?;
    for machine in stage.room().machines() {
        stage.admin.ok(&format!("node approve-wipe {} --yes", machine.plan().name)).await?;
    }
    stage.all_ready().await?;
    assert_eq!(count(&stage.events().await?, "pool-silent"), 1);
    assert_eq!(records(&stage), before);
    stage.end().await
}

/// And the ladder is there for a machine that is silent alone.
#[tokio::test(flavor = "multi_thread")]
async fn one_silent_machine_among_many_is_started_anew() -> anyhow::Result<()> {
    let stage = waiting(6).await?;
    let machine = stage.machine("r1-n06")?;
    let before = machine.bmc().journal().read().starts();
    machine.cut_network();
    let rung = stage.event_of("r1-n06", "ladder").await?;
    assert!(rung["message"].to_string().contains("the agent went silent"), "{rung}");
    machine.mend_network();
    all_wait(&stage).await?;
    assert!(machine.bmc().journal().read().starts() > before);
    assert_eq!(count(&stage.events().await?, "pool-silent"), 0);
    for other in &stage.room().machines()[..5] {
        assert_eq!(other.bmc().journal().read().starts(), 1, "{}", other.plan().name);
    }
    stage.end().await
}
