//! `first-light`: rates and sizes of the whole path. `docs/benchmarks.md` says how to read what it prints.

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use hostler_bench::control_plane::{self, controller::Part, evidence::Pace};
use hostler_bench::engine::Engine;
use hostler_bench::{figure, machines};
use hostler_checkout::programs::Programs;
use std::path::{Path, PathBuf};
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
    /// Only this benchmark.
    #[arg(long, value_enum)]
    only: Option<Bench>,
    /// Sizes of the rooms of simulated machines.
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_values_t = [12, 100, 500])]
    machines: Vec<u32>,
    /// Registered machines of the control-plane benchmark.
    #[arg(long, value_name = "N", default_value_t = 128)]
    nodes: u32,
    /// Concurrent clients of the control-plane benchmark; at most as many as nodes.
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_values_t = [1, 32])]
    clients: Vec<u32>,
    /// How long the control plane is measured for each number of clients.
    #[arg(long, value_name = "N", default_value_t = 15)]
    seconds: u64,
    /// Machines of the control-plane benchmark wait until each piece of evidence is stored.
    #[arg(long)]
    step_by_step: bool,
    /// Where the controller of the control-plane benchmark keeps its state.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    store: Engine,
    /// Use this directory, which must be new, and keep it; its file system is what is measured.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bench {
    Machines,
    ControlPlane,
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
            eprintln!("first-light: {error:#}");
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
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let result = runtime.block_on(measure(options, &dir, &binaries));
    if result.is_err() && options.dir.is_none() {
        eprintln!("kept: {}", temporary.keep().display());
    }
    figure::print(&result?)
}

async fn measure(options: &Options, dir: &Path, binaries: &Programs) -> anyhow::Result<Vec<figure::Figure>> {
    let wanted = |bench| options.only.is_none_or(|only| only == bench);
    let mut figures = Vec::new();
    if wanted(Bench::ControlPlane) {
        let control_plane = control_plane::Options {
            bench: control_plane::BENCH,
            nodes: options.nodes,
            clients: options.clients.clone(),
            span: Duration::from_secs(options.seconds),
            pace: Pace::of(options.step_by_step),
            engine: options.store,
            dir: dir.to_owned(),
        };
        figures.extend(control_plane::run(&control_plane, binaries).await?);
    }
    if wanted(Bench::Machines) {
        figures.extend(machines::run(&options.machines, dir, binaries).await?);
    }
    Ok(figures)
}
