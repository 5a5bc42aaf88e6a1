//! The command line of `hostlerd`.

use crate::join::{self, JoinError};
use crate::{copies, init, ramdisk, roles};
use clap::{Parser, Subcommand};
use hostler_store::StoreError;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is logged unless `HOSTLERD_LOG` says otherwise. That an object store is away is said once, not at each try.
const FILTER: &str = "info,object_store=warn";

/// Leases groups of physical machines to CI jobs.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  hostlerd init /etc/hostler --listen 10.0.0.1:7443 --boot-server 10.0.0.1
  hostlerd check-config --config /etc/hostler/hostlerd.toml
  hostlerd ramdisk build --arch x86_64 --root / --agent hostler-agent-x86_64 --output /etc/hostler/boot
  hostlerd serve --config /etc/hostler/hostlerd.toml
  hostlerd backup --config /etc/hostler/hostlerd.toml /var/backups/hostler-$(date +%F)

Exit codes: 0 done; 1 failed; 2 not understood; 3 refused, since a store is in use or not empty, a code is not good, or
keys of another installation are there; 4 the store or the controllers cannot be reached; 5 a backup or a store is damaged
or of a newer version."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a directory with configuration, certificate authority, keys and the first administrator's credential.
    Init(init::InitArgs),
    /// Make this host another controller: fetch keys and settings from one that runs.
    Join(join::JoinArgs),
    /// Run the controller until SIGTERM or SIGINT. SIGHUP reads the certificate authority again.
    Serve {
        /// The file that `init` wrote.
        #[arg(long, value_name = "FILE", default_value = "hostlerd.toml")]
        config: PathBuf,
        /// Append every input to this file, one JSON line each, for replay.
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// Print the state that a record of inputs leads to, as JSON.
    Replay {
        /// The file that `init` wrote: its waits are part of what is decided.
        #[arg(long, value_name = "FILE", default_value = "hostlerd.toml")]
        config: PathBuf,
        /// What `serve --record` wrote, beginning with an empty store.
        record: PathBuf,
    },
    /// Say whether the configuration is valid, and what it means.
    CheckConfig {
        /// The file that `init` wrote.
        #[arg(long, value_name = "FILE", default_value = "hostlerd.toml")]
        config: PathBuf,
    },
    /// Copy everything from one store to another, also of the other engine.
    Migrate(copies::MigrateArgs),
    /// Write everything that is stored into a file, while the controller runs.
    Backup(copies::BackupArgs),
    /// Fill an empty store from a backup.
    Restore(copies::RestoreArgs),
    /// Kernels and ramdisks for machines to boot.
    #[command(subcommand)]
    Ramdisk(ramdisk::Command),
}

/// Everything that the program `hostlerd` does.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("HOSTLERD_LOG").unwrap_or_else(|_| FILTER.into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostlerd: {error:#}");
            exit_code(&error)
        }
    }
}

/// What scripts are told; `--help` says the same.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    if let Some(error) = error.downcast_ref::<JoinError>() {
        return error.exit_code();
    }
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::Locked { .. } | StoreError::NotEmpty { .. } | StoreError::Superseded { .. }) => {
            3.into()
        }
        Some(StoreError::Unavailable { .. }) => 4.into(),
        Some(StoreError::Backup { .. } | StoreError::TooNew { .. } | StoreError::Row { .. }) => 5.into(),
        _ => ExitCode::FAILURE,
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Join(args) => join::run(&args),
        Command::Serve { config, record } => roles::run(&config, record.as_deref()),
        Command::Replay { config, record } => roles::replay(&config, &record),
        Command::CheckConfig { config } => roles::check(&config),
        Command::Migrate(args) => copies::migrate(&args),
        Command::Backup(args) => copies::backup(&args),
        Command::Restore(args) => copies::restore(&args),
        Command::Ramdisk(command) => ramdisk::run(&command),
    }
}
