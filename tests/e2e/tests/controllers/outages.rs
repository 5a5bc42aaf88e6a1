//! The database goes away for both.

use crate::{leader, two_controllers};
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::sleep;

/// Longer than a lease of the leadership.
const OUTAGE: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_goes_on_when_the_database_is_back() -> anyhow::Result<()> {
    let Some(stage) = two_controllers("the_leader_goes_on_when_the_database_is_back", 1).await? else {
        return Ok(());
    };
    stage.register_all().await?;
    let lease = stage.ci.lease("1").await?;
    block_in_place(|| stage.database().server().map(hostler_checkout::postgres::Server::stop))?;
    sleep(OUTAGE).await;
    let refused = stage.admin.say("--retry-for 1s tenant add late").await?;
    assert_eq!(refused.code, Some(5), "{refused:?}");
    block_in_place(|| stage.database().server()?.start_again())?;
    let id = &lease["id"];
    stage.ci.ok(&format!("run {id} -- true")).await?;
    stage.ci.ok(&format!("lease release {id}")).await?;
    stage.all_ready().await?;
    let controllers = stage.admin.json("controller list").await?;
    assert_eq!(
        leader(&controllers),
        Some("at-127.0.0.1"),
        "nobody is replaced for what the database did: {controllers}"
    );
    stage.end().await
}
