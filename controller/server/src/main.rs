//! `hostlerd`: the controller. It feeds the core, stores what the core decides, carries out effects, and serves
//! agents, CI jobs and administrators.
//!
//! Begin with [`serve`], where everything is put together, and [`writer`], through which every change goes.

mod agents;
mod api;
mod clock;
mod config;
mod controller;
mod digest;
mod init;
mod keys;
mod netboot;
mod pki;
mod power;
mod published;
mod serve;
mod storage;
mod tls;
mod writer;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Leases groups of physical machines to CI jobs.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  hostlerd init /etc/hostler --listen 10.0.0.1:7443 --boot-server 10.0.0.1
  hostlerd check-config --config /etc/hostler/hostlerd.toml
  hostlerd serve --config /etc/hostler/hostlerd.toml"
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a directory with configuration, certificate authority, keys and the first administrator's credential.
    Init(init::InitArgs),
    /// Run the controller until SIGTERM or SIGINT. SIGHUP reads the certificate authority again.
    Serve {
        /// The file that `init` wrote.
        #[arg(long, value_name = "FILE", default_value = "hostlerd.toml")]
        config: PathBuf,
        /// Append every input to this file, one JSON line each, for replay.
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// Say whether the configuration is valid, and what it means.
    CheckConfig {
        /// The file that `init` wrote.
        #[arg(long, value_name = "FILE", default_value = "hostlerd.toml")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("HOSTLERD_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    match run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostlerd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Serve { config, record } => serve::run(&config, record.as_deref()),
        Command::CheckConfig { config } => serve::check(&config),
    }
}

/// An error with everything that led to it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
