//! `store`: what each engine of the store can do. `docs/benchmarks.md` says how to read what it prints.

use anyhow::Context as _;
use clap::Parser;
use hostler_bench::control_plane::controller::Part;
use hostler_bench::engine::Engine;
use hostler_bench::figure;
use hostler_bench::store::{self, start::Memory};
use hostler_checkout::programs::Programs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Only this engine.
    #[arg(long, value_enum)]
    store: Option<Engine>,
    /// Concurrent clients; at most as many as nodes.
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_values_t = [1, 8, 32, 128])]
    clients: Vec<u32>,
    /// Registered machines, for rates.
    #[arg(long, value_name = "N", default_value_t = 128)]
    nodes: u32,
    /// How long a rate is measured for each number of clients.
    #[arg(long, value_name = "N", default_value_t = 15)]
    seconds: u64,
    /// Machines that there are at a start.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    start_nodes: u32,
    /// Leases that are over at a start.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    start_leases: u32,
    /// Use this directory, which must be new, and keep it; its file system is what is measured.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Args { part, options } = Args::parse();
    let result = match part {
        Some(part) => part.run(),
        None => bench(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("store: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &Options) -> anyhow::Result<()> {
    let binaries = Programs::build(true)?;
    let temporary = hostler_bench::engine::directory()?;
    let dir = match &options.dir {
        Some(dir) => std::path::absolute(dir)?,
        None => temporary.path().to_owned(),
    };
    let wanted = store::Options {
        engines: options.store.map_or_else(|| vec![Engine::Sqlite, Engine::Postgres], |engine| vec![engine]),
        clients: options.clients.clone(),
        nodes: options.nodes,
        span: Duration::from_secs(options.seconds),
        memory: Memory { nodes: options.start_nodes, leases: options.start_leases },
        dir,
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    figure::print(&runtime.block_on(store::run(&wanted, &binaries))?)
}
