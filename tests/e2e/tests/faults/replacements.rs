//! Machines that die in use, and those that come in their places.

use anyhow::Context as _;
use hostler_e2e::stage::{Cli, Setup};
use serde_json::Value;

/// The machines that a run printed something on.
async fn run_on(cli: &Cli, lease: &Value) -> anyhow::Result<Vec<String>> {
    let lines = cli.documents(&format!("run {lease} -- uname")).await?;
    let ended = lines.iter().filter(|line| line["task"]["state"] == "finished");
    let mut nodes: Vec<_> =
        ended.filter_map(|line| line["task"]["node"].as_str()).map(str::to_owned).collect();
    nodes.sort();
    Ok(nodes)
}

const NAMES: [&str; 5] = ["r1-n01", "r1-n02", "r1-n03", "r1-n04", "r1-n05"];

/// The lease goes on with another machine, and ends when it would have. The one that died proves itself when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_dies_in_use_is_replaced() -> anyhow::Result<()> {
    let stage = Setup::of(5).set().await?;
    stage.register_all().await?;
    let lease = stage.ci.lease("server=1:x86_64 arm=1:aarch64").await?;
    let id = &lease["id"];
    let nodes = lease["nodes"].as_array().context("no nodes")?;
    let [server, arm] = ["server", "arm"].map(|role| nodes.iter().find(|node| node["role"] == role));
    let dead = server.and_then(|node| node["name"].as_str()).context("no server")?;
    let alive = arm.and_then(|node| node["name"].as_str()).context("no arm")?;
    stage.machine(dead)?.cut_network();

    // Of the other there is no second one.
    let none = stage.ci.say(&format!("lease replace {id} {alive}")).await?;
    assert_eq!(none.code, Some(3), "{none:?}");
    assert!(none.stderr.contains("there is no other that suits"), "{none:?}");
    let other = stage.tenant("other").await?;
    assert_eq!(other.say(&format!("lease replace {id} {dead}")).await?.code, Some(3));

    // Whoever comes is not there before it is heard.
    let spare: Vec<_> = NAMES.into_iter().filter(|name| ![dead, alive].contains(name)).collect();
    for name in &spare {
        stage.machine(name)?.cut_network();
    }
    let line = format!("lease replace {id} {dead} --reason dead --idempotency-key once");
    let first = stage.ci.json(&line).await?;
    let substitute = first["substitute"].as_str().context("no substitute")?;
    stage.machine(dead)?.mend_network();
    let coming = stage.ci.say(&format!("run {id} -- uname")).await?;
    assert_eq!(coming.code, Some(3), "{coming:?}");
    assert!(coming.stderr.contains(&format!("{substitute} is not there yet")), "{coming:?}");
    for name in &spare {
        stage.machine(name)?.mend_network();
    }
    stage.kill()?;
    stage.start()?;
    let there = stage.ci.json(&format!("{line} --wait")).await?;
    assert_eq!(there["substitute"], first["substitute"]);
    assert_eq!(there["lease"]["expires_ms"], lease["expires_ms"], "it lasts as long as before");
    let mut expected = vec![alive.to_owned(), substitute.to_owned()];
    expected.sort();
    assert_eq!(run_on(&stage.ci, id).await?, expected);

    stage.ci.ok(&format!("lease release {id}")).await?;
    let nodes = stage.all_ready().await?;
    let record = stage.node(dead).await?.to_string();
    assert!(record.contains(&format!("given back as broken by tenant ci from lease {id}: dead")), "{record}");
    assert!(nodes.contains_key(dead), "and it is free for others");
    let accounts = stage.ci.json("account --by lease").await?;
    assert_eq!(accounts[0]["part_time"].as_array().map(Vec::len), Some(2), "{accounts}");
    stage.end().await
}
