//! `cargo xtask`: the demo, the tests, the benchmarks.

mod agent;
mod demo;
mod lab;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Tasks of the Hostler workspace")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Lease a mixed-architecture group of simulated machines, run a payload on it, give it back.
    Demo(demo::Args),
    /// Make, look at and take down labs of emulated machines with real firmware.
    #[command(subcommand)]
    Lab(lab::Command),
    /// Lint, build and test everything that this machine can.
    Test(test::Args),
    /// Build the static agent of each architecture into target/agents.
    Agent(agent::Args),
    /// Run a benchmark of tests/bench; without a name, list them.
    Bench {
        /// Which.
        name: Option<String>,
        /// Handed to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Demo(args) => demo::run(&args),
        Task::Lab(command) => lab::run(&command),
        Task::Test(args) => test::run(&args),
        Task::Agent(args) => agent::run(&args),
        Task::Bench { name, args } => test::bench(name.as_deref(), &args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
