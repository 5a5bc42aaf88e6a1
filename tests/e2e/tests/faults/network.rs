//! The whole network of a room goes down while a tenant works.

use hostler_e2e::stage::{Setup, Stage};
use hostler_fleet::bmc::Record;
use serde_json::Value;
use std::collections::BTreeSet;
use xtask::installation::Waits;

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
    let setup = Setup::of(6);
    let waits = Waits { silence_ms: 3_000, ..Waits::default() };
    let stage = Setup { waits, ..setup }.set().await?;
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
