//! `cargo xtask agent`: the static agent of each architecture, for ramdisks and deployed systems.

mod setup;
mod target;

use anyhow::{Context as _, bail};
use clap::Parser;
use hostler_checkout::{agents, target_directory, workspace};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use target::Target;

/// What a ramdisk has room for: it is sent to every machine at every boot.
const MOST_BYTES: u64 = 8 << 20;

#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Install on Debian or Ubuntu, as root, what the builds need.
    #[arg(long)]
    setup: bool,
    /// Only for these; all by default.
    #[arg(value_name = "ARCH", value_parser = clap::builder::PossibleValuesParser::new(target::NAMES))]
    arches: Vec<String>,
}

/// Builds them; true if all were built.
pub(crate) fn run(args: &Args) -> anyhow::Result<bool> {
    let wanted = |target: &&Target| args.arches.is_empty() || args.arches.iter().any(|a| a == target.arch);
    let targets: Vec<&Target> = target::ALL.iter().filter(wanted).collect();
    setup::require(&targets, args.setup)?;
    let began = Instant::now();
    build(&targets)?;
    for target in &targets {
        let (file, bytes) = publish(target)?;
        println!("{:<8} {:>5.1} MiB  {}", target.arch, bytes as f64 / f64::from(1 << 20), file.display());
    }
    println!("built in {} s", began.elapsed().as_secs());
    Ok(true)
}

/// Installs what the builds of all agents need.
pub(crate) fn install() -> anyhow::Result<()> {
    setup::require(&all(), true)
}

/// Why not all agents can be built here, if they cannot.
pub(crate) fn missing() -> Option<String> {
    setup::require(&all(), false).err().map(|error| format!("{error:#}"))
}

fn all() -> Vec<&'static Target> {
    target::ALL.iter().collect()
}

/// All at once, so that no processor waits while one of them is linked.
fn build(targets: &[&Target]) -> anyhow::Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo.args(["build", "--locked", "--profile", "agent", "-p", "hostler-agent"]);
    for target in targets {
        // A target even for this computer's own architecture, and its own variable instead of RUSTFLAGS: what runs
        // while the agent is built, proc macros above all, must not be static.
        cargo.args(["--target", target.triple]);
        cargo.env(target.cargo_variable("RUSTFLAGS"), "-C target-feature=+crt-static");
        if let Some(gcc) = target.cross_gcc() {
            cargo.env(target.cargo_variable("LINKER"), &gcc);
            cargo.env(format!("CC_{}", target.triple.replace('-', "_")), &gcc);
        }
    }
    if cargo.status().context("cannot start cargo")?.success() {
        return Ok(());
    }
    bail!("the agent could not be built")
}

/// Copies what was built, if it is right, to where it is looked for; returns where that is and its size.
fn publish(target: &Target) -> anyhow::Result<(PathBuf, u64)> {
    let built = target_directory().join(target.triple).join("agent/hostler-agent");
    let file = agents().join(format!("hostler-agent-{}", target.arch));
    check(&built, target)?;
    std::fs::create_dir_all(agents())?;
    let bytes = std::fs::copy(&built, &file).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok((file, bytes))
}

/// What would only be noticed on a machine that has nothing but the agent.
fn check(file: &Path, target: &Target) -> anyhow::Result<()> {
    let bytes = std::fs::read(file)?;
    let what = file.display();
    match target::machine(&bytes) {
        Some(machine) if machine == target.machine => {}
        machine => bail!("{what} is for machine {machine:?} of ELF, not for {}", target.arch),
    }
    if target::asks_for_interpreter(&bytes) {
        bail!("{what} is not static: it asks for a dynamic linker");
    }
    if bytes.len() as u64 > MOST_BYTES {
        bail!(
            "{what} has {} bytes, more than the {MOST_BYTES} that a ramdisk should spend on it",
            bytes.len()
        );
    }
    Ok(())
}
