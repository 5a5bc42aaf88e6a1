//! `hostler-agent`: see the library for what it does.

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use hostler_agent::linux::LinuxMachine;
use hostler_agent::{BootParams, DeployedIdentity, Exit, Machine, run_deployed, run_ramdisk};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Hostler's agent on a leased machine.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    profile: Profile,
}

#[derive(Debug, Subcommand)]
enum Profile {
    /// Inspect, wipe and deploy this machine, as the controller says that the kernel command line names.
    ///
    /// This erases every local disk.
    Ramdisk {
        /// Run although this process is not the first of its system.
        #[arg(long)]
        yes_this_machine_is_mine: bool,
    },
    /// Report health and run payloads.
    Deployed {
        /// Written by the agent in the ramdisk.
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
        /// Where output waits until the controller has it.
        #[arg(long, value_name = "DIRECTORY", default_value = "/var/lib/hostler-agent")]
        spool: PathBuf,
    },
}

/// What the first process of a system does with an error: it must not end, so it waits for somebody to read the
/// console, and tries again from the firmware on.
const READ_THE_CONSOLE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).init();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        match options.profile {
            Profile::Ramdisk { yes_this_machine_is_mine } => ramdisk(yes_this_machine_is_mine).await,
            Profile::Deployed { identity, spool } => deployed(&identity, spool).await,
        }
    })
}

async fn ramdisk(mine: bool) -> anyhow::Result<()> {
    let first = std::process::id() == 1;
    if !first && !mine {
        bail!(
            "this erases every local disk, so it runs as the first process of a ramdisk, or with \
             --yes-this-machine-is-mine"
        );
    }
    // There is no deployed system yet, so nothing is spooled.
    let machine: Arc<dyn Machine> = Arc::new(LinuxMachine::new(PathBuf::from("/run/hostler-agent")));
    let result = enrol_and_work(machine.clone()).await;
    if first {
        stay(machine.as_ref(), &result).await?;
    }
    result.map(|exit| tracing::info!("ends: {exit:?}"))
}

async fn enrol_and_work(machine: Arc<dyn Machine>) -> anyhow::Result<Exit> {
    let command_line =
        tokio::fs::read_to_string("/proc/cmdline").await.context("cannot read the kernel command line")?;
    let params = BootParams::parse(&command_line)?;
    Ok(run_ramdisk(machine, params).await?)
}

/// The kernel panics when its first process ends.
async fn stay(machine: &dyn Machine, result: &anyhow::Result<Exit>) -> anyhow::Result<()> {
    match result {
        Ok(exit) => {
            tracing::info!("{exit:?}; waits for the controller to switch this machine");
            std::future::pending().await
        }
        Err(error) => {
            tracing::error!("{error:#}; restarts in {} s", READ_THE_CONSOLE.as_secs());
            tokio::time::sleep(READ_THE_CONSOLE).await;
            machine.reboot().await.context("cannot restart the machine")
        }
    }
}

async fn deployed(identity: &Path, spool: PathBuf) -> anyhow::Result<()> {
    let text =
        tokio::fs::read(identity).await.with_context(|| format!("cannot read {}", identity.display()))?;
    let identity: DeployedIdentity = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not an identity of this version", identity.display()))?;
    let mut terminated = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        exit = run_deployed(Arc::new(LinuxMachine::new(spool)), identity) => {
            tracing::info!("ends: {:?}", exit?);
            // An init that starts it again would only have it told the same again.
            terminated.recv().await
        }
        // Dropping the agent ends its payloads.
        signal = terminated.recv() => signal,
    };
    tracing::info!("terminated");
    Ok(())
}
