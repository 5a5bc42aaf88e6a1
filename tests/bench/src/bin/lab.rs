//! `lab`: boots of emulated machines, beside dnsmasq. `docs/benchmarks.md` says how to read what it prints.

use anyhow::Context as _;
use clap::Parser;
use hostler_bench::{figure, lab};
use hostler_lab::programs::Programs;
use std::process::{Command, ExitCode};

#[derive(Debug, Parser)]
struct Args {
    /// Boots with each server.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "build",
        "--release",
        "--locked",
        "-p",
        "hostlerd",
        "-p",
        "hostler",
        "-p",
        "hostler-lab",
        "--bins",
    ]);
    anyhow::ensure!(
        cargo.status().context("cannot start cargo")?.success(),
        "the programs could not be built"
    );
    let programs = xtask::binaries::target_directory().join("release");
    figure::print(&lab::run(args.pairs, &Programs::in_dir(programs))?)
}
