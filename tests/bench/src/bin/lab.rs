//! `lab`: emulated machines with real firmware. `docs/benchmarks.md` says how to read what it prints.

use clap::Parser;
use hostler_bench::{figure, lab};
use hostler_checkout::programs::Programs;
use std::process::ExitCode;

#[derive(Debug, Parser)]
struct Args {
    /// Only this part.
    #[arg(long, value_enum)]
    only: Option<lab::Part>,
    /// Boots with each server.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Leases of each machine.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    leases: u32,
    /// For how long the agent is watched while nothing happens.
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    idle: u64,
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
    let Args { only, pairs, leases, idle } = *args;
    figure::print(&lab::run(&lab::Options { only, pairs, leases, idle }, &Programs::build(true)?)?)
}
