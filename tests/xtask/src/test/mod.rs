//! `cargo xtask test`: everything that this machine can check, and what it could not, by name and reason.

mod report;
mod setup;
mod steps;

use anyhow::Context as _;
use clap::Parser;
use hostler_checkout::workspace;
use report::Report;
use std::process::Command;

/// Lint, build and test everything that this machine can.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Install on Debian or Ubuntu, as root, what the tests need. Implied by CI=true.
    #[arg(long)]
    setup: bool,
    /// Also what takes too long for every change.
    #[arg(long)]
    full: bool,
    /// Only these steps.
    #[arg(value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(steps::NAMES))]
    only: Vec<String>,
}

/// Runs the steps in order; true if all succeeded.
pub(crate) fn run(args: &Args) -> anyhow::Result<bool> {
    let ci = std::env::var_os("CI").is_some_and(|v| v == "true");
    if args.setup || ci {
        setup::install()?;
    }
    let skips = tempfile::NamedTempFile::new()?;
    let mut report = Report::default();
    for step in steps::all(args.full) {
        if args.only.is_empty() || args.only.iter().any(|name| name == step.name) {
            report.run(&step, skips.path(), ci);
        }
    }
    report.print();
    Ok(report.succeeded())
}

/// Runs a benchmark; without a name, lists them.
pub(crate) fn bench(name: Option<&str>, args: &[String]) -> anyhow::Result<bool> {
    let Some(name) = name else {
        println!(
            "benchmarks:\n  first-light    rates and sizes of the whole path: machines, control plane, memory\n  lab            boots of emulated machines with real firmware, beside dnsmasq\n  schedule       the scheduler on a recorded workload, beside what others do\n  store          rates of both engines of the store, and starts with much to remember"
        );
        return Ok(true);
    };
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace()).args([
        "run",
        "--release",
        "--locked",
        "-p",
        "hostler-bench",
        "--bin",
        name,
        "--",
    ]);
    Ok(cargo.args(args).status().context("cannot start cargo")?.success())
}
