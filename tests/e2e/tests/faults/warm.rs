//! Machines that wait for a lease: in the ramdisk in which they were wiped, or powered off.

use hostler_e2e::stage::{Nodes, Setup, is_ready};
use hostler_fleet::machine::Stage as MachineStage;
use serde_json::{Value, json};

fn is(node: &Value, standby: &str) -> bool {
    is_ready(node) && node["standby"] == standby && node["deadline_ms"] == Value::Null
}

/// The machine of these that is so; there is one.
fn the(nodes: &Nodes, standby: &str) -> String {
    let mut names = nodes.iter().filter(|(_, node)| is(node, standby)).map(|(name, _)| name.clone());
    match (names.next(), names.next()) {
        (Some(name), None) => name,
        _ => panic!("not one of them is {standby}: {nodes:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_needed_goes_off_and_a_lease_gets_the_one_that_is_warm() -> anyhow::Result<()> {
    let stage = Setup::of(2).set().await?;
    stage.register_all().await?;
    stage.admin.ok("pool set default --warm 1 --idle-off 1s").await?;
    let one_is_off = |nodes: &Nodes| nodes.values().filter(|node| is(node, "off")).count() == 1;
    let nodes = stage.nodes_until("one is off", one_is_off).await?;
    let (warm, off) = (the(&nodes, "warm"), the(&nodes, "off"));
    stage.stage_of(stage.machine(&off)?, |stage| *stage == MachineStage::Off).await?;
    let why = nodes[&off]["reason"].to_string();
    assert!(why.contains("wiped and free; powered off: unused for 1 s"), "{why}");
    let pool = stage.admin.json("pool show default").await?;
    assert_eq!([&pool["warm"], &pool["off"], &pool["keep"]["spared"]], [1, 1, 1]);

    let power = stage.machine(&warm)?.bmc().journal().read();
    let lease = stage.ci.lease("1:x86_64").await?;
    assert_eq!(lease["nodes"][0]["name"], *warm);
    assert_eq!(stage.machine(&warm)?.bmc().journal().read(), power, "nobody touched its power");
    stage.ci.ok(&format!("run {} -- uname", lease["id"])).await?;
    let phases = stage.node(&warm).await?["phases"].clone();
    let phases: Vec<_> = phases.as_array().into_iter().flatten().map(|phase| &phase["phase"]).collect();
    assert_eq!(phases, ["inspect", "image", "deployed"]);

    // Another one takes its place, and two leases are possible all the same.
    stage.node_until(&off, "warm", |node| is(node, "warm")).await?;
    assert_eq!(stage.machine(&off)?.bmc().journal().read().starts(), 2);
    let other = stage.ci.lease("1:x86_64").await?;
    for lease in [lease, other] {
        stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    }
    stage.all_ready().await?;
    stage.end().await
}

/// It died while it waited, and nobody has noticed: the lease waits for it no longer than for an inspection.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_answer_is_booted() -> anyhow::Result<()> {
    let stage = Setup::of(1).impatient().set().await?;
    stage.register_all().await?;
    let machine = stage.machine("r1-n01")?;
    let starts = machine.bmc().journal().read().starts();
    machine.cut_network();
    let request = stage.ci.json("lease request 1 --image demo").await?;
    let rung = stage.event_of("r1-n01", "ladder").await?;
    assert!(rung["message"].to_string().contains("next: power on from the network"), "{rung}");
    machine.mend_network();
    let (code, lines) = stage.ci.follow(&format!("lease wait {}", request["id"]))?.end().await?;
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(machine.bmc().journal().read().starts() > starts);
    stage.end().await
}

/// What leases ask for is written to a machine that waits. Its lease fetches nothing: there is nothing to be fetched.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_a_machine_with_its_image_fetches_nothing() -> anyhow::Result<()> {
    let stage = Setup::of(2).set().await?;
    stage.register_all().await?;
    stage.admin.ok("pool set default --ahead 1").await?;
    let first = stage.ci.lease("1:x86_64").await?;
    let other = if first["nodes"][0]["name"] == "r1-n01" { "r1-n02" } else { "r1-n01" };
    let written = stage.node_until(other, "has the image", |node| node["image_ahead"] == "demo").await?;
    assert_eq!(written["reason"], "wiped and free; warm, with image demo written");
    let told = stage.event_of(other, "image-ahead").await?;
    assert_eq!(told["message"], format!("{other}: image demo is written ahead"));
    let pool = stage.admin.json("pool show default").await?;
    let image = json!({ "name": "demo", "arch": "x86_64", "asked": 1, "written": 1, "writing": 0 });
    assert_eq!((&pool["keep"]["ahead"], &pool["images"]), (&1.into(), &json!([image])));

    let images = stage.installation().dir().join("data/images");
    let away = images.with_extension("away");
    stage.kill()?;
    std::fs::rename(&images, &away)?;
    stage.start()?;
    let second = stage.ci.lease("1:x86_64").await?;
    assert_eq!(second["nodes"][0]["name"], *other);
    stage.ci.ok(&format!("run {} -- uname", second["id"])).await?;
    assert_eq!(stage.machine(other)?.bmc().journal().read().starts(), 1, "no firmware ran");
    std::fs::remove_dir_all(&images)?;
    std::fs::rename(&away, &images)?;
    for lease in [first, second] {
        stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    }
    stage
        .nodes_until("one has the image", |nodes| nodes.values().any(|node| node["image_ahead"] == "demo"))
        .await?;
    stage.all_ready().await?;
    stage.end().await
}
