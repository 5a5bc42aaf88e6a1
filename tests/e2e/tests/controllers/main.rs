//! Two controllers on one PostgreSQL: one leads, the other one stands by, and takes over whatever happens.

mod artefacts;
mod boot;
mod fencing;
mod joining;
mod load;
mod outages;
mod partitions;
mod standby;

use anyhow::Context as _;
use hostler_e2e::stage::PATIENCE;
use hostler_e2e::stage::{Cli, Engine, Setup, Stage};
use serde_json::Value;
use std::time::Instant;
use tokio::time::timeout;

/// So many machines, with two controllers; none after the skip of `test` was recorded.
async fn two_controllers(test: &str, machines: usize) -> anyhow::Result<Option<Stage>> {
    if !Engine::Postgres.is_there(test) {
        return Ok(None);
    }
    Setup::of(machines).with_replica().with_witness().set().await.map(Some)
}

/// Who leads, as `hostler controller list` has it.
fn leader(controllers: &Value) -> Option<&str> {
    let all = controllers["controllers"].as_array()?;
    all.iter().find(|controller| controller["role"] == "leads")?["name"].as_str()
}

/// Waits until another controller leads than `before`, and prints how long that took.
async fn another_leads(admin: &Cli, before: &str) -> anyhow::Result<Value> {
    let began = Instant::now();
    let found = timeout(PATIENCE, async {
        loop {
            let controllers = admin.json("controller list").await?;
            if leader(&controllers).is_some_and(|name| name != before) {
                return anyhow::Ok(controllers);
            }
        }
    });
    let controllers = found.await.context("nobody takes over")??;
    println!("measured: another controller leads {} ms after it was looked for", began.elapsed().as_millis());
    Ok(controllers)
}
