//! `schedule`: the scheduler on a recorded workload, beside what others do.

use clap::Parser;
use hostler_bench::figure;
use hostler_bench::schedule::{self, Options, workload};
use std::path::PathBuf;
use std::process::ExitCode;

/// Leases of a made-up workload.
const GENERATED: usize = 50_000;

#[derive(Debug, Parser)]
struct Args {
    /// A workload in the Standard Workload Format, which may be compressed by gzip; without it, one is made up.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Seed of the made-up workload.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Offered loads of the busiest architecture.
    #[arg(long, value_name = "L,..", value_delimiter = ',', default_values_t = [0.70, 0.85, 0.92])]
    load: Vec<f64>,
    /// Also ten shaken workloads at each load, in which each lease comes up to an hour later.
    #[arg(long)]
    full: bool,
    /// Only this scheduler, and not what others do.
    #[arg(long)]
    alone: bool,
    /// How many machines passes are timed with.
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_values_t = [1_000, 10_000])]
    nodes: Vec<u32>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("schedule: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let jobs = match &args.trace {
        Some(path) => workload::trace(path)?,
        None => workload::generated(GENERATED, args.seed),
    };
    println!("{} leases", jobs.len());
    let options = Options {
        jobs,
        loads: args.load.clone(),
        full: args.full,
        peers: !args.alone,
        nodes: args.nodes.clone(),
    };
    figure::print(&schedule::run(&options)?)
}
