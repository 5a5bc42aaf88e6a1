//! Machines that are not all started at once.

use hostler_e2e::stage::{Setup, is_ready};

#[tokio::test(flavor = "multi_thread")]
async fn machines_start_one_after_the_other_also_across_a_restart() -> anyhow::Result<()> {
    let stage = Setup::of(3).set().await?;
    stage.admin.ok("pool set default --max-booting 1").await?;
    stage.register(&stage.room().registration()).await?;
    let why = "waits to be powered on: 1 of 1 machines of pool default are starting";
    stage.node_until("r1-n03", "waits its turn", |node| node["reason"] == why).await?;
    stage.kill()?;
    stage.start()?;
    let all = stage.all_ready().await?;
    assert!(all.values().all(is_ready));

    // Each power order came after the agent of the machine before had enrolled.
    let mut spans = Vec::new();
    for name in all.keys() {
        let boot = stage.node(name).await?["boot"].clone();
        let evidence = boot["evidence"].as_array().cloned().unwrap_or_default();
        let enrolled = evidence.iter().find(|e| e["kind"] == "enrolled").and_then(|e| e["at_ms"].as_u64());
        spans.push((boot["ordered_ms"].as_u64(), enrolled));
    }
    spans.sort_unstable();
    assert!(spans.iter().all(|(ordered, enrolled)| ordered.is_some() && ordered < enrolled), "{spans:?}");
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");

    let pool = stage.admin.json("pool show default").await?;
    assert_eq!([&pool["machines"], &pool["starting"], &pool["waiting"]], [3, 0, 0]);
    let refused = stage.ci.say("pool set default --max-booting unlimited").await?;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    stage.end().await
}
