//! Where secrets must not be.

use anyhow::Context as _;
use hostler_agent::BootParams;
use hostler_e2e::stage::residue::contains;
use hostler_e2e::stage::{Setup, Stage};
use std::path::{Path, PathBuf};

/// A secret, and what it is.
type Secret = (String, Vec<u8>);

/// The part of a PEM text that no other one has.
fn body(pem: &str) -> Vec<u8> {
    pem.lines().filter(|line| !line.starts_with("-----")).nth(1).unwrap_or_default().as_bytes().to_vec()
}

fn secrets_of_machines(stage: &Stage) -> anyhow::Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    for machine in stage.room().machines() {
        let plan = machine.plan();
        secrets.push((format!("BMC password of {}", plan.name), plan.password.clone().into_bytes()));
        let stolen = machine.stolen_command_line().context("a machine never booted")?;
        let token = BootParams::parse(&stolen)?.token.expose().as_bytes().to_vec();
        secrets.push((format!("token of {}", plan.name), token));
        if let Some(identity) = machine.host().installed()? {
            secrets.push((format!("agent's key on {}", plan.name), body(identity.key.expose())));
        }
    }
    Ok(secrets)
}

fn secrets_of_controller(stage: &Stage) -> anyhow::Result<Vec<Secret>> {
    let dir = stage.installation().dir().to_owned();
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).with_context(|| name.to_owned());
    Ok(vec![
        ("seal key".to_owned(), read("seal.key")?.trim().as_bytes().to_vec()),
        ("token key".to_owned(), read("token.key")?.trim().as_bytes().to_vec()),
        ("CA key".to_owned(), body(&read("ca.key")?)),
        ("administrator's key".to_owned(), body(&stage.admin.identity()?.key)),
        ("tenant's key".to_owned(), body(&stage.ci.identity()?.key)),
    ])
}

/// Everything that the controller writes but the files that are there to hold secrets.
fn files(stage: &Stage) -> anyhow::Result<Vec<PathBuf>> {
    const SECRET: [&str; 5] = ["seal.key", "token.key", "ca.key", "admin.toml", "boot"];
    fn below(dir: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if SECRET.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() { below(&path, files)? } else { files.push(path) }
        }
        Ok(())
    }
    let mut found = Vec::new();
    below(stage.installation().dir(), &mut found)?;
    Ok(found)
}

/// With everything logged that there is, after everything was done that there is to do.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_no_secret_is_logged_stored_in_the_clear_or_shown() -> anyhow::Result<()> {
    let setup = Setup::of(3);
    let stage = Setup { log_filter: "trace", ..setup }.set().await?;
    stage.register_all().await?;
    let lease = stage.ci.lease("2:x86_64 arm=1:aarch64").await?;
    let id = &lease["id"];
    stage.ci.ok(&format!("run {id} -- true")).await?;
    let mut secrets = secrets_of_machines(&stage)?;
    assert_eq!(secrets.len(), 9, "three of each machine");
    stage.ci.ok(&format!("lease release {id}")).await?;
    stage.all_ready().await?;
    secrets.extend(secrets_of_machines(&stage)?);
    secrets.extend(secrets_of_controller(&stage)?);

    let mut shown = String::new();
    for line in ["node list", "node show r1-n01", "lease list --all", "tenant list", "image list"] {
        shown.push_str(&stage.admin.ok(&format!("{line} --output json")).await?);
        shown.push_str(&stage.admin.ok(line).await?);
    }
    shown.push_str(&stage.admin.ok("events --output json").await?);
    stage.kill()?;
    let files = files(&stage)?;
    for name in ["hostlerd.log", "state.db"] {
        assert!(files.iter().any(|file| file.ends_with(name)), "{name} is looked at");
    }
    for (what, secret) in &secrets {
        assert!(secret.len() >= 16, "{what} would be found anywhere");
        assert!(!contains_bytes(shown.as_bytes(), secret), "the {what} is shown");
        for file in &files {
            assert!(!contains(file, secret)?, "the {what} is in {}", file.display());
        }
    }
    stage.start()?;
    stage.admin.ok("node list").await?;
    stage.end().await
}

fn contains_bytes(text: &[u8], pattern: &[u8]) -> bool {
    text.windows(pattern.len()).any(|window| window == pattern)
}
