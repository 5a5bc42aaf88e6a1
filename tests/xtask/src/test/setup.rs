//! `--setup`: installs what the tests need, on Debian and Ubuntu, as root.

use crate::agent;
use anyhow::{Context as _, bail};
use hostler_checkout::{debian, postgres};
use hostler_lab::layout::Layout;
use hostler_lab::room::Arch;
use hostler_lab::setup::foreign::Foreign;
use hostler_lab::setup::tools;
use std::process::Command;

/// The version that the configuration in `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

pub(super) fn install() -> anyhow::Result<()> {
    tools::install()?;
    debian::install(&postgres::PACKAGES)?;
    Foreign::new(&Layout::new()).fetch(&Arch::ALL)?;
    agent::install()?;
    cargo_deny()
}

/// Asks for it as the step will call it: cargo finds its subcommands also where `PATH` does not lead. What is there in
/// another version, or does not answer, is replaced.
fn cargo_deny() -> anyhow::Result<()> {
    let version = Command::new("cargo").args(["deny", "--version"]).output();
    if version.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains(CARGO_DENY)) {
        return Ok(());
    }
    eprintln!("==> setup: cargo-deny {CARGO_DENY}");
    let mut install = Command::new("cargo");
    install.args([
        "install",
        "--locked",
        "--quiet",
        "--force",
        "--debug",
        "cargo-deny",
        "--version",
        CARGO_DENY,
    ]);
    run(&mut install)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
