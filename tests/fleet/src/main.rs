//! `hostler-fleet`: a room of simulated machines for a controller on this system.

use anyhow::Context as _;
use clap::Parser;
use hostler_fleet::network::Ports;
use hostler_fleet::room::{MAX_MACHINES, Room, RoomOptions};
use hostler_fleet::{firmware, limits};
use std::io::{IsTerminal as _, Read as _};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

/// Simulates machines that speak IPMI, DHCP, TFTP and HTTP, and run the real agent.
///
/// They are off until a controller switches them on. Nothing needs a privilege: every machine and every management
/// controller has an address of its own in 127.0.0.0/8.
#[derive(Debug, Parser)]
#[command(name = "hostler-fleet", version)]
struct Options {
    /// How many machines.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=MAX_MACHINES as i64))]
    machines: u16,
    /// The same seed gives the same machines, passwords among it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the disks and the file for `hostler apply` are kept. What was deployed is found again.
    #[arg(long, value_name = "DIRECTORY")]
    dir: PathBuf,
    /// The address by which machines know the boot server.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST, value_name = "ADDRESS")]
    server: Ipv4Addr,
    /// The port on which the boot server takes what goes to DHCP's port 67.
    #[arg(long, default_value_t = 67, value_name = "PORT")]
    dhcp: u16,
    /// The port on which the boot server takes what goes to TFTP's port 69.
    #[arg(long, default_value_t = 69, value_name = "PORT")]
    tftp: u16,
    /// The port of the management controllers; 0 for any free ones.
    #[arg(long, default_value_t = 6230, value_name = "PORT")]
    bmc_port: u16,
    /// Machines are at 127.BYTE.x.y and their management controllers at 127.(BYTE + 1).x.y; any free ones if not
    /// given.
    #[arg(long, value_name = "BYTE", value_parser = clap::value_parser!(u8).range(1..=254))]
    block: Option<u8>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,hostler_fleet=info"));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_target(false)
        .init();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostler-fleet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    limits::allow(options.machines.into())?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(simulate(options))
}

async fn simulate(options: Options) -> anyhow::Result<()> {
    let dir = std::path::absolute(&options.dir).context("the directory makes no sense")?;
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let room = Room::start(RoomOptions {
        machines: options.machines.into(),
        seed: options.seed,
        block: options.block,
        bmc_port: options.bmc_port,
        server: options.server,
        other_servers: Vec::new(),
        ports: Ports::default().with(options.server, 67, options.dhcp).with(options.server, 69, options.tftp),
        timing: firmware::Timing::default(),
        directory: dir.clone(),
    })
    .await
    .context("cannot set up the room")?;
    let file = dir.join("machines.toml");
    std::fs::write(&file, room.registration().to_toml()?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("{} machines; register them with: hostler apply -f {}", room.machines().len(), file.display());
    told_to_end().await
}

/// Returns on SIGTERM, on SIGINT, or when whoever holds the other end of a pipe on standard input is gone.
async fn told_to_end() -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        () = abandoned() => {}
    }
    Ok(())
}

/// Only a pipe can be abandoned: a service has /dev/null there, and a terminal sends SIGHUP.
async fn abandoned() {
    let is_pipe = rustix::fs::fstat(std::io::stdin())
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Fifo);
    if !is_pipe {
        return std::future::pending().await;
    }
    let (gone, when_gone) = oneshot::channel();
    // A thread, since reading cannot be cancelled; it does not keep the process.
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while matches!(std::io::stdin().read(&mut buffer), Ok(1..)) {}
        // Nobody waits if a signal came first.
        let _ = gone.send(());
    });
    // The thread sends before it ends.
    let _ = when_gone.await;
}
