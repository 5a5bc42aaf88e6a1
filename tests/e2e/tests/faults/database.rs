//! A database on a server: it goes away, comes back, is asked for by two, and is copied.

use anyhow::{Context as _, ensure};
use hostler_e2e::stage::{Database, Engine, Setup, Stage, is_ready};
use hostler_proto::lease::v1::lease_service_client::LeaseServiceClient;
use hostler_proto::lease::v1::{MemberRequest, RequestLeaseRequest};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};
use tokio::task::block_in_place;
use tonic::Code;

const NODE: &str = "r1-n01";

async fn one_machine(test: &str) -> anyhow::Result<Option<Stage>> {
    if !Engine::Postgres.is_there(test) {
        return Ok(None);
    }
    let stage = Setup::of(1).on(Engine::Postgres).set().await?;
    stage.register_all().await?;
    Ok(Some(stage))
}

fn request(key: &str) -> RequestLeaseRequest {
    RequestLeaseRequest {
        idempotency_key: key.into(),
        members: vec![MemberRequest { count: 1, image: "demo".into(), ..MemberRequest::default() }],
        ..RequestLeaseRequest::default()
    }
}

/// Clients are told while it is away, nothing that was answered is lost, and nobody has to restart anything.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_a_database_that_goes_away_and_comes_back_loses_nothing() -> anyhow::Result<()> {
    let test = "invariant_5_a_database_that_goes_away_and_comes_back_loses_nothing";
    let Some(stage) = one_machine(test).await? else { return Ok(()) };
    let connection = stage.controller()?.connect(Ipv4Addr::LOCALHOST, Some(&stage.ci.identity()?)).await?;
    let mut client = LeaseServiceClient::new(connection.channel.clone());
    let first = client.request_lease(request("first")).await?.into_inner();

    let database = stage.database();
    block_in_place(|| database.server().map(|server| server.stop()))?;
    let told = client.request_lease(request("second")).await;
    let status = told.err().context("it was answered without a database")?;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("ask again"), "{status:?}");
    let shown = stage.ci.json("lease list").await?;
    assert_eq!(shown.as_array().map(Vec::len), Some(1), "what is known is shown: {shown}");

    block_in_place(|| database.server()?.start_again())?;
    // The command line asks again by itself, with the same key.
    let second = stage.ci.json("lease request 1 --image demo --idempotency-key second").await?;
    let again = client.request_lease(request("first")).await?.into_inner();
    assert_eq!(again.id, first.id, "what was answered is as it was");
    assert_ne!(second["id"].as_u64(), Some(u64::from(first.id)));
    stage.ci.ok(&format!("lease wait {}", first.id)).await?;
    stage.event("the outage", |event| event["kind"] == "store-away").await?;
    for id in [second["id"].to_string(), first.id.to_string()] {
        stage.ci.ok(&format!("lease release {id}")).await?;
    }
    stage.all_ready().await?;
    stage.end().await
}

/// What a command of `hostlerd` prints as JSON.
fn printed(output: &Output) -> anyhow::Result<Value> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("no JSON")
}

fn run(command: &mut Command) -> anyhow::Result<Output> {
    block_in_place(|| command.output()).context("cannot start hostlerd")
}

/// A backup while it runs, a move to a file, a restore to another database: machines work after each.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_backed_up_moved_and_restored() -> anyhow::Result<()> {
    let Some(stage) = one_machine("a_store_is_backed_up_moved_and_restored").await? else { return Ok(()) };
    let backup = stage.directory().join("backup");
    let mut command = stage.installation().hostlerd("backup");
    let report = printed(&run(command.arg(&backup).args(["--output", "json"]))?)?;
    assert_eq!(report["tables"]["node"], 1, "{report}");

    let moved = format!("sqlite://{}", stage.directory().join("moved.db").display());
    let migrate = |stage: &Stage| {
        let (hostlerd, from) = (stage.installation().binaries().path("hostlerd"), stage.database().url());
        run(Command::new(hostlerd).args(["migrate", "--from", &from, "--to", &moved, "--output", "json"]))
    };
    let refused = migrate(&stage)?;
    assert_eq!(refused.status.code(), Some(3), "it runs: {refused:?}");
    block_in_place(|| stage.installation().stop())?;
    let report = printed(&migrate(&stage)?)?;
    assert!(report["next"][0].to_string().contains("moved.db"), "{report}");
    stage.installation().use_store(&moved)?;
    stage.start()?;
    let lease = stage.ci.lease("1").await?;
    stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    stage.all_ready().await?;

    block_in_place(|| stage.installation().stop())?;
    let restore = |stage: &Stage, backup: &Path| {
        run(stage.installation().hostlerd("restore").arg(backup).args(["--output", "json"]))
    };
    let refused = restore(&stage, &backup)?;
    assert_eq!(refused.status.code(), Some(3), "it is not empty: {refused:?}");
    let Database::Postgres(server, _) = stage.database() else { anyhow::bail!("not PostgreSQL") };
    stage.installation().use_store(&block_in_place(|| server.database())?.url)?;
    let report = printed(&restore(&stage, &backup)?)?;
    assert_eq!(report["held"], 1, "{report}");
    stage.start()?;
    let node = stage.node(NODE).await?;
    assert!(!is_ready(&node) && node.to_string().contains("restored from a backup"), "{node}");
    stage.admin.ok(&format!("node repair {NODE}")).await?;
    stage.all_ready().await?;
    let lease = stage.ci.lease("1").await?;
    assert!(lease["id"].as_u64() > Some(1_000_000), "its number was never given out: {lease}");
    stage.ci.ok(&format!("lease release {}", lease["id"])).await?;
    stage.all_ready().await?;
    stage.end().await
}

/// With everything logged that there is.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_the_password_of_the_database_is_not_logged_or_shown() -> anyhow::Result<()> {
    const PASSWORD: &str = "correct-horse-battery-staple";
    if !Engine::Postgres.is_there("invariant_9_the_password_of_the_database_is_not_logged_or_shown") {
        return Ok(());
    }
    let setup = Setup::of(1);
    let stage = Setup { log_filter: "trace", ..setup }.on(Engine::Postgres).set().await?;
    block_in_place(|| stage.installation().stop())?;
    let with_password = stage.database().url().replacen("hostler@", &format!("hostler:{PASSWORD}@"), 1);
    stage.installation().use_store(&with_password)?;
    stage.start()?;
    stage.register_all().await?;
    let mut told = std::fs::read_to_string(stage.installation().log())?;
    assert!(told.contains("the store is postgres://hostler@/"), "the store is named");
    for command in ["serve", "check-config"] {
        let mut hostlerd = stage.installation().hostlerd(command);
        let output = run(hostlerd.env("HOSTLERD_LOG", "trace"))?;
        for bytes in [output.stdout, output.stderr] {
            told.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert!(!told.contains(PASSWORD), "the password is told");
    stage.end().await
}
