//! A host becomes another controller: it is invited, and fetches the keys.

use crate::another_leads;
use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hostler_e2e::stage::{Engine, Setup, Stage};
use hostler_proto::controller::v1::JoinCode;
use prost::Message as _;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::sleep;

const KEYS: [&str; 4] = ["ca.pem", "ca.key", "seal.key", "token.key"];

/// `hostlerd join` in this directory.
fn join(stage: &Stage, dir: &Path, code: &str) -> anyhow::Result<Output> {
    let file = stage.directory().join("code");
    std::fs::write(&file, code)?;
    let hostlerd = stage.installation().binaries().path("hostlerd");
    let mut join = std::process::Command::new(hostlerd);
    join.args([
        "join",
        "--output",
        "json",
        "--listen",
        "127.0.0.3:1",
        "--boot-server",
        "127.0.0.3",
        "--file",
    ]);
    join.arg(&file).arg("--config").arg(dir.join("hostlerd.toml"));
    Ok(block_in_place(|| join.output())?)
}

/// The same, refused for this reason with this exit code. Nothing is written.
fn refused(stage: &Stage, code: &str, exit: i32, why: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir_in(stage.directory())?;
    let output = join(stage, dir.path(), code)?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(exit) && told.contains(why), "{}: {told}", output.status);
    ensure!(!told.contains(code.trim()), "the code is repeated: {told}");
    let written: Vec<_> = std::fs::read_dir(dir.path())?.collect();
    ensure!(written.is_empty(), "something was written: {written:?}");
    Ok(())
}

async fn invite(stage: &Stage, words: &str) -> anyhow::Result<String> {
    let invitation = stage.admin.json(&format!("controller invite {words}")).await?;
    let code = invitation["code"].as_str().context("no code")?;
    Ok(code.to_owned())
}

async fn kinds(stage: &Stage) -> anyhow::Result<Vec<String>> {
    let of = |event: &Value| event["kind"].as_str().unwrap_or_default().to_owned();
    Ok(stage.events().await?.iter().map(of).collect())
}

/// The code with something else in it.
fn changed(code: &str, change: impl FnOnce(&mut JoinCode)) -> anyhow::Result<String> {
    let (prefix, body) = code.rsplit_once("join-").context("no code")?;
    let mut decoded = JoinCode::decode(BASE64.decode(body)?.as_slice())?;
    change(&mut decoded);
    Ok(format!("{prefix}join-{}", BASE64.encode(decoded.encode_to_vec())))
}

fn same_keys(stage: &Stage, dir: &Path) -> anyhow::Result<()> {
    for key in KEYS {
        let (ours, theirs) = (stage.installation().dir().join(key), dir.join(key));
        ensure!(std::fs::read(ours)? == std::fs::read(&theirs)?, "{key} is another one");
        let mode = theirs.metadata()?.permissions().mode() & 0o777;
        ensure!(mode == if key == "ca.pem" { 0o644 } else { 0o600 }, "{key} has mode {mode:o}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_invited_leads_when_the_leader_is_gone_and_its_code_is_used_up() -> anyhow::Result<()> {
    let test = "one_that_was_invited_leads_when_the_leader_is_gone_and_its_code_is_used_up";
    if !Engine::Postgres.is_there(test) {
        return Ok(());
    }
    let stage = Setup::of(1).with_joined_replica().with_witness().set().await?;
    let code = std::fs::read_to_string(stage.directory().join("replica.code"))?;
    same_keys(&stage, stage.replica()?.dir())?;
    stage.register_all().await?;
    let lease = stage.ci.lease("1").await?;
    refused(&stage, &code, 3, "the code is not good: it was used from 127.0.0.1")?;
    stage.kill()?;
    another_leads(&stage.admin, "at-127.0.0.1").await?;
    // It was made when there was one controller.
    let new = stage.replica()?.url();
    let code = changed(code.trim(), |code| code.addresses = vec![new])?;
    refused(&stage, &code, 3, "the code is not good: it was used from 127.0.0.1")?;
    let id = &lease["id"];
    stage.ci.ok(&format!("run {id} -- true")).await?;
    stage.ci.ok(&format!("lease release {id}")).await?;
    stage.all_ready().await?;
    stage.replica()?.kill()?;
    stage.replica()?.start()?;
    refused(&stage, &code, 3, "the code is not good: it was used from 127.0.0.1")?;
    let kinds = kinds(&stage).await?;
    let count = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
    assert_eq!((count("controller-invited"), count("controller-joined"), count("join-refused")), (1, 1, 3));
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_nothing_of_an_invitation_is_logged_or_stored() -> anyhow::Result<()> {
    let test = "invariant_9_nothing_of_an_invitation_is_logged_or_stored";
    if !Engine::Postgres.is_there(test) {
        return Ok(());
    }
    let setup = Setup { log_filter: "trace", ..Setup::of(0).with_joined_replica() };
    let stage = setup.set().await?;
    let code = std::fs::read_to_string(stage.directory().join("replica.code"))?;
    let mut secrets = vec![code.trim().to_owned()];
    changed(code.trim(), |decoded| secrets.push(BASE64.encode(&decoded.proof)))?;
    for key in &KEYS[1..] {
        let text = std::fs::read_to_string(stage.installation().dir().join(key))?;
        secrets.extend(text.lines().filter(|line| !line.starts_with("--")).map(str::to_owned));
    }
    let backup = stage.directory().join("backup");
    let copied = block_in_place(|| stage.installation().hostlerd("backup").arg(&backup).output())?;
    ensure!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let (ours, theirs) = (stage.installation().log(), stage.replica()?.log());
    for (file, known) in [(ours, "TRACE"), (theirs, "TRACE"), (backup, "controller at-127.0.0.2 may join")] {
        let text = std::fs::read_to_string(&file)?;
        ensure!(text.contains(known), "{} has nothing in it", file.display());
        let told = secrets.iter().find(|secret| text.contains(*secret));
        ensure!(told.is_none(), "{} has a secret in it", file.display());
    }
    stage.end().await
}

/// A controller alone, on a database that others could share.
async fn alone(test: &str) -> anyhow::Result<Option<Stage>> {
    if !Engine::Postgres.is_there(test) {
        return Ok(None);
    }
    Setup::of(0).on(Engine::Postgres).set().await.map(Some)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_wrong_expired_or_of_somebody_else_is_refused() -> anyhow::Result<()> {
    let test = "a_code_that_is_wrong_expired_or_of_somebody_else_is_refused";
    let Some(stage) = alone(test).await? else { return Ok(()) };
    let code = invite(&stage, "lab-b").await?;
    refused(&stage, "lab-b", 2, "this is no code of `hostler controller invite`")?;
    refused(&stage, &code[..code.len() - 1], 2, "the code is damaged: copy all of it")?;
    let forged = changed(&code, |code| code.proof[0] ^= 1)?;
    refused(&stage, &forged, 3, "the code is not one of this controller's")?;
    let longer = changed(&code, |code| code.expires_ms += 3_600_000)?;
    refused(&stage, &longer, 3, "the code is not one of this controller's")?;
    // Whom it speaks to is known before it says anything.
    let before = kinds(&stage).await?;
    let elsewhere = changed(&code, |code| code.ca_sha256[0] ^= 1)?;
    refused(&stage, &elsewhere, 4, "it does not have the certificate authority that the code names")?;
    assert_eq!(kinds(&stage).await?, before);
    let late = invite(&stage, "lab-b --valid 1s").await?;
    sleep(Duration::from_millis(1_100)).await;
    refused(&stage, &late, 3, "the code is not good: it has expired")?;
    assert_eq!(kinds(&stage).await?.iter().filter(|kind| *kind == "join-refused").count(), 3);

    // Nobody else may invite, nobody is invited twice under one name, and it is good for a while.
    for (cli, words, why) in [
        (&stage.ci, "lab-c", "tenant ci is no administrator"),
        (&stage.admin, "at-127.0.0.1", "a controller is called at-127.0.0.1"),
        (&stage.admin, "lab-c --valid 2d", "good for one second to one day"),
        (&stage.admin, "lab-c --with-store-password", "there is no password in store.url"),
    ] {
        let answer = cli.say(&format!("controller invite {words}")).await?;
        ensure!(answer.code != Some(0) && answer.stderr.contains(why), "{words}: {answer:?}");
    }
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_outlives_a_restart_and_keys_of_others_are_not_overwritten() -> anyhow::Result<()> {
    let test = "a_code_outlives_a_restart_and_keys_of_others_are_not_overwritten";
    let Some(stage) = alone(test).await? else { return Ok(()) };
    let code = invite(&stage, "lab-b").await?;
    stage.kill()?;
    stage.start()?;
    stage.admin.ok("controller list").await?;

    let dir: PathBuf = stage.directory().join("other");
    let hostlerd = stage.installation().binaries().path("hostlerd");
    let init = block_in_place(|| std::process::Command::new(hostlerd).arg("init").arg(&dir).output())?;
    ensure!(init.status.success(), "{init:?}");
    let config = dir.join("hostlerd.toml");
    let made = std::fs::read_to_string(&config)?;
    let output = join(&stage, &dir, &code)?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(3) && told.contains("set name = \"lab-b\" in [api]"), "{told}");
    std::fs::write(&config, made.replace("[api]", "[api]\nname = \"lab-b\""))?;
    let seal = std::fs::read(dir.join("seal.key"))?;
    let output = join(&stage, &dir, &code)?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(3) && told.contains("is of another installation"), "{told}");
    ensure!(std::fs::read(dir.join("seal.key"))? == seal, "a key was overwritten");

    // The code was not used by that. What is different in a configuration that is there is told.
    KEYS.iter().try_for_each(|key| std::fs::remove_file(dir.join(key)))?;
    let output = join(&stage, &dir, &code)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same_keys(&stage, &dir)?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let differences = report["differences"].as_array().context("no differences")?;
    let firmware =
        |line: &Value| line.as_str().is_some_and(|line| line.starts_with("timing.firmware_ms is 600000"));
    ensure!(differences.iter().any(firmware), "{report}");
    refused(&stage, &code, 3, "the code is not good: it was used")?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_share_a_file() -> anyhow::Result<()> {
    let stage = Setup::of(0).set().await?;
    let answer = stage.admin.say("controller invite lab-b").await?;
    ensure!(answer.code == Some(3) && answer.stderr.contains("hostlerd migrate"), "{answer:?}");
    stage.end().await
}
