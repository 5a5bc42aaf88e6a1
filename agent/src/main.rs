//! `hostler-agent`: see the library for what it does.

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use hostler_agent::linux::{LinuxMachine, init};
use hostler_agent::{BootParams, DeployedIdentity, Machine, run_deployed, run_ramdisk};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
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
        /// Load drivers and set up the network first, as the first process of a ramdisk asks for.
        #[arg(long, hide = true)]
        bring_up: bool,
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

fn main() -> ExitCode {
    if init::is_first_of_ramdisk() {
        // Before any argument is read: the kernel hands on words that it does not know.
        return init::run();
    }
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(options.profile.writes_to_people())
        .init();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Profile {
    /// A console is a terminal, but nobody knows of which kind.
    fn writes_to_people(&self) -> bool {
        !matches!(self, Self::Ramdisk { bring_up: true, .. }) && std::io::stderr().is_terminal()
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    match options.profile {
        Profile::Ramdisk { yes_this_machine_is_mine: false, .. } => {
            bail!("this erases every local disk, so it has to be told --yes-this-machine-is-mine")
        }
        Profile::Ramdisk { bring_up, .. } => ramdisk(&runtime, bring_up),
        Profile::Deployed { identity, spool } => runtime.block_on(deployed(&identity, spool)),
    }
}

fn ramdisk(runtime: &Runtime, bring_up: bool) -> anyhow::Result<()> {
    let command_line =
        std::fs::read_to_string("/proc/cmdline").context("cannot read the kernel command line")?;
    let params = BootParams::parse(&command_line)?;
    // There is no deployed system yet, so nothing is spooled.
    let mut machine = LinuxMachine::new(PathBuf::from("/run/hostler-agent"));
    if let Some(network) = &params.network {
        machine = machine.booted_through(network.mac);
    }
    if bring_up {
        machine = machine.after(init::bring_up(params.network.as_ref())?);
    }
    let machine: Arc<dyn Machine> = Arc::new(machine);
    let exit = runtime.block_on(run_ramdisk(machine, params))?;
    tracing::info!("ends: {exit:?}");
    Ok(())
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
