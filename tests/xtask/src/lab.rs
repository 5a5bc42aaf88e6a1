//! `cargo xtask lab`: emulated machines with real firmware. What is heavy is in `hostler-lab`.

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use hostler_checkout::workspace;
use hostler_lab::layout::Layout;
use hostler_lab::ramdisks::Ramdisks;
use hostler_lab::room::{Arch, RoomSpec};
use hostler_lab::setup::foreign::Foreign;
use hostler_lab::setup::tools;
use hostler_lab::{Lab, Plan, Server, record, status};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::process::Command as Process;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a lab: machines, BMCs, networks and a controller that boots them.
    Up(Up),
    /// Take a lab down. What it recorded stays.
    Down(Name),
    /// Power, BMC, state and last console line of each machine.
    Status(Name),
    /// Follow what a machine writes to its serial line.
    Console {
        /// Which.
        machine: String,
        #[command(flatten)]
        lab: Name,
    },
    /// Boot machines with dnsmasq, and write what they ask and are answered into files that tests of our own boot
    /// server replay.
    Record(Record),
    /// Run the tests of the emulated lab.
    Test {
        /// Install and fetch first what is missing.
        #[arg(long)]
        setup: bool,
        /// Handed to the tests.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

#[derive(Debug, Parser)]
pub(crate) struct Name {
    /// Which lab.
    #[arg(long, default_value = "dev", value_name = "LAB")]
    name: String,
}

#[derive(Debug, Parser)]
pub(crate) struct Record {
    /// Install and fetch what is missing, on Debian or Ubuntu, as root.
    #[arg(long)]
    setup: bool,
    /// What the lab is called that is made for it, and taken down afterwards.
    #[arg(long, default_value = "record", value_name = "LAB")]
    name: String,
    /// Take kernels/ARCH and ramdisks/ARCH from here instead of building them.
    #[arg(long, value_name = "DIR")]
    ramdisks: Option<PathBuf>,
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value_os_t = workspace().join("pxe/tests/protocols/recorded"))]
    output: PathBuf,
}

#[derive(Debug, Parser)]
pub(crate) struct Up {
    /// Install and fetch what is missing, on Debian or Ubuntu, as root.
    #[arg(long)]
    setup: bool,
    #[command(flatten)]
    lab: Name,
    /// The machines, each as NAME=PLATFORM[,BMC][,DISK…]: platforms bios, uefi, arm, power; BMCs openipmi, pyghmi;
    /// disks virtio-blk, virtio-scsi, nvme. Without any, one of each platform.
    #[arg(long, num_args = 1.., value_name = "MACHINE")]
    machines: Vec<String>,
    /// Take kernels/ARCH and ramdisks/ARCH from here instead of building them.
    #[arg(long, value_name = "DIR")]
    ramdisks: Option<PathBuf>,
    /// Let dnsmasq and nginx boot the machines instead of hostlerd, and record what they are asked in capture.pcap.
    #[arg(long)]
    control: bool,
}

/// Carries out a command; true if all went well.
pub(crate) fn run(command: &Command) -> anyhow::Result<bool> {
    match command {
        Command::Up(up) => make(up)?,
        Command::Down(lab) => Lab::down(&lab.name)?,
        Command::Status(lab) => print!("{}", status::table(&Lab::open(&lab.name)?)),
        Command::Console { machine, lab } => follow(&Lab::open(&lab.name)?, machine)?,
        Command::Record(args) => record(args)?,
        Command::Test { setup, args } => return test(*setup, args),
    }
    Ok(true)
}

fn record(args: &Record) -> anyhow::Result<()> {
    record::boots(plan(args.setup, &args.name, RoomSpec::default(), args.ramdisks.as_ref())?, &args.output)
}

fn plan(setup: bool, name: &str, room: RoomSpec, ramdisks: Option<&PathBuf>) -> anyhow::Result<Plan> {
    prepare(setup, &room.architectures(), ramdisks.is_none())?;
    let mut plan = Plan::new(name, room)?;
    if let Some(dir) = ramdisks {
        plan.ramdisks = Ramdisks::Given(dir.clone());
    }
    Ok(plan)
}

fn make(up: &Up) -> anyhow::Result<()> {
    let mut plan = plan(up.setup, &up.lab.name, RoomSpec::parse(&up.machines)?, up.ramdisks.as_ref())?;
    if up.control {
        plan.server = Server::Control;
    }
    let lab = Lab::up(&plan)?;
    print!("{}", status::table(&lab));
    if up.control {
        println!("\nrecorded in {}", lab.dir().join("capture.pcap").display());
    } else {
        print_hints(&lab, &up.lab.name);
    }
    lab.keep()
}

/// Says what is missing; with `setup` gets it.
fn prepare(setup: bool, archs: &[Arch], with_agents: bool) -> anyhow::Result<()> {
    if setup {
        tools::install()?;
        Foreign::new(&Layout::new()).fetch(archs)?;
    }
    if !with_agents {
        return Ok(());
    }
    let mut agents = Process::new(std::env::current_exe()?);
    agents.current_dir(workspace()).arg("agent").args(setup.then_some("--setup"));
    agents.args(archs.iter().map(|arch| arch.name()));
    if !agents.status().context("cannot start xtask")?.success() {
        bail!("the agents could not be built");
    }
    Ok(())
}

fn print_hints(lab: &Lab, name: &str) {
    let show = |what: &str| println!("  {what}");
    let option = if name == "dev" { String::new() } else { format!(" --name {name}") };
    println!("\nthe machines boot now; explore with");
    show(&format!("cargo xtask lab status{option}"));
    if let Some(machine) = lab.machines().first() {
        show(&format!("cargo xtask lab console {}{option}", machine.name()));
    }
    let credential = lab.controller_dir().join("admin.toml");
    let hostler = lab.hostler(["node", "list", "--watch"]);
    let words: Vec<_> = hostler.get_args().map(|word| word.to_string_lossy()).collect();
    show(&format!("HOSTLER_CREDENTIALS={} ip {}", credential.display(), words.join(" ")));
    println!("and end it with\n  cargo xtask lab down{option}");
}

/// Copies the recorded line to standard output, for as long as there is a lab.
fn follow(lab: &Lab, machine: &str) -> anyhow::Result<()> {
    const PAUSE: Duration = Duration::from_millis(100);
    let (path, mut offset, mut out) = (lab.machine(machine)?.console_file(), 0, std::io::stdout());
    loop {
        // A machine that was never powered on has none.
        if let Ok(mut file) = File::open(&path) {
            let mut new = Vec::new();
            file.seek(SeekFrom::Start(offset))?;
            offset += u64::try_from(file.read_to_end(&mut new)?)?;
            if out.write_all(&new).and_then(|()| out.flush()).is_err() {
                // Whoever read has seen enough.
                return Ok(());
            }
        }
        if !lab.namespace().exists() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

fn test(setup: bool, args: &[String]) -> anyhow::Result<bool> {
    prepare(setup, &Arch::ALL, true)?;
    let mut cargo = Process::new("cargo");
    cargo.current_dir(workspace()).args(["test", "--locked", "-p", "hostler-lab", "--"]).args(args);
    Ok(cargo.status().context("cannot start cargo")?.success())
}
