//! `hostler-lab`: what a lab's own processes call.

use clap::{Parser, Subcommand};
use hostler_lab::guard;
use hostler_lab::machine::{Machine, chassis};
use std::path::PathBuf;
use std::process::ExitCode;

/// Helpers of the emulated lab. People use `cargo xtask lab`.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Press the buttons of a machine; BMCs call this.
    Chassis {
        /// The machine's directory.
        dir: PathBuf,
        /// `get WHAT…` or `set WHAT VALUE…`.
        #[arg(trailing_var_arg = true, required = true)]
        words: Vec<String>,
    },
    /// Take a lab down when standard input ends.
    Guard {
        /// Its name.
        lab: String,
    },
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostler-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Chassis { dir, words } => {
            print!("{}", chassis::control(&Machine::load(&dir)?, &words)?);
            Ok(())
        }
        Command::Guard { lab } => guard::keep_watch(&lab),
    }
}
