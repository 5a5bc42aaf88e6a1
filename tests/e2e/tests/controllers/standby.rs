//! What a controller does that stands by.

use crate::{another_leads, leader, two_controllers};
use anyhow::ensure;
use tokio::task::block_in_place;

/// `hostler` that knows the second controller only.
fn at_replica(stage: &hostler_e2e::stage::Stage) -> anyhow::Result<hostler_e2e::stage::Cli> {
    let (first, second) = (stage.installation().url(), stage.replica()?.url());
    let credential = std::fs::read_to_string(stage.installation().admin())?;
    let of_second: Vec<_> = credential
        .lines()
        .filter(|line| !line.starts_with("addresses"))
        .map(|line| line.replace(&first, &second))
        .collect();
    let path = stage.directory().join("at-replica.toml");
    std::fs::write(&path, of_second.join("\n"))?;
    Ok(stage.admin.with_credential(&path))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_what_reads_and_says_where_to_ask_for_the_rest() -> anyhow::Result<()> {
    let test = "it_answers_what_reads_and_says_where_to_ask_for_the_rest";
    let Some(stage) = two_controllers(test, 1).await? else { return Ok(()) };
    let admin = at_replica(&stage)?;
    let controllers = admin.json("controller list").await?;
    assert_eq!(controllers["answered_by"], "at-127.0.0.2", "{controllers}");
    assert_eq!(leader(&controllers), Some("at-127.0.0.1"), "{controllers}");
    assert!(controllers["renewed_ms_ago"].as_u64() < Some(60_000), "{controllers}");

    // What was answered by the leader is known to the other one at once.
    for number in 0..5 {
        stage.admin.ok(&format!("tenant add t{number}")).await?;
        let tenants = admin.ok("--retry-for 5s tenant list").await?;
        assert!(tenants.contains(&format!("t{number}")), "{tenants}");
    }
    // What changes something is done by the leader, wherever it is asked for first.
    stage.register_all().await?;
    let lease = admin.json("lease request 1 --image demo --wait").await?;
    admin.ok(&format!("lease release {}", lease["id"])).await?;
    stage.all_ready().await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_stop_hands_over() -> anyhow::Result<()> {
    let Some(stage) = two_controllers("a_leader_that_is_told_to_stop_hands_over", 1).await? else {
        return Ok(());
    };
    let epoch = stage.admin.json("controller list").await?["epoch"].as_u64();
    let stopped = block_in_place(|| stage.installation().stop())?;
    ensure!(stopped.is_some_and(|status| status.success()), "{stopped:?}");
    let controllers = another_leads(&stage.admin, "at-127.0.0.1").await?;
    assert_eq!(controllers["epoch"].as_u64(), epoch.map(|epoch| epoch + 1), "{controllers}");
    assert_eq!(
        controllers["controllers"].as_array().map(Vec::len),
        Some(1),
        "the other one is gone: {controllers}"
    );
    stage.start()?;
    stage.register_all().await?;
    assert_eq!(
        leader(&stage.admin.json("controller list").await?),
        Some("at-127.0.0.2"),
        "it stays where it is"
    );
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_of_one_controller_and_one_with_other_keys_are_refused() -> anyhow::Result<()> {
    let test = "a_second_process_of_one_controller_and_one_with_other_keys_are_refused";
    let Some(stage) = two_controllers(test, 0).await? else { return Ok(()) };
    let refused = block_in_place(|| stage.installation().hostlerd("serve").output())?;
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{told}");
    assert!(told.contains("hostlerd.lock is in use by another hostlerd"), "{told}");

    block_in_place(|| stage.replica()?.stop())?;
    let token = stage.replica()?.dir().join("token.key");
    std::fs::copy(stage.installation().dir().join("seal.key"), token)?;
    let refused =
        block_in_place(|| stage.replica()?.hostlerd("serve").output().map_err(anyhow::Error::from))?;
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("other keys than at-127.0.0.1") && told.contains("give it those of that one"),
        "{told}"
    );
    stage.end().await
}
