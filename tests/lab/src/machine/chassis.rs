//! What the BMC of a machine does to its chassis. Simulated BMCs run `hostler-lab chassis DIR get|set …` with the words
//! of OpenIPMI's `chassis_control` (ipmi_lan(5)): `power`, `boot`, `reset`, `shutdown`, `identify`.

use super::qemu::{self, First};
use super::{Machine, qmp};
use crate::process::Process;
use anyhow::{Context as _, bail};
use serde_json::json;
use std::fs::{self, File};
use std::io::Write as _;

/// The boot device of a machine that nobody gave one: its own order, the disk before the network.
const DEFAULT: &str = "default";

/// Carries out the words of a BMC; returns what the BMC wants to read.
///
/// # Errors
/// Words that mean nothing, or an emulator that does not do as it is told.
pub fn control(machine: &Machine, words: &[String]) -> anyhow::Result<String> {
    record(machine, words);
    // Two commands at once would race for the emulator; each BMC may serve several clients.
    let lock = File::create(machine.dir().join("chassis.lock"))?;
    lock.lock()?;
    let mut words = words.iter().map(String::as_str);
    match words.next() {
        Some("get") => words.map(|what| get(machine, what)).collect(),
        Some("set") => set_all(machine, words).map(|()| String::new()),
        other => bail!("{other:?} is neither get nor set"),
    }
}

/// Every word of the BMC, for whoever asks later what it said. The lab works without.
fn record(machine: &Machine, words: &[String]) {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let line = format!("{}.{:03} {}\n", now.tv_sec, now.tv_nsec / 1_000_000, words.join(" "));
    let log = File::options().create(true).append(true).open(machine.dir().join("chassis.log"));
    let _ = log.and_then(|mut log| log.write_all(line.as_bytes()));
}

fn get(machine: &Machine, what: &str) -> anyhow::Result<String> {
    match what {
        "power" => Ok(format!("power:{}\n", u8::from(machine.process().is_some()))),
        "boot" => Ok(format!("boot:{}\n", boot_device(machine))),
        _ => bail!("a chassis has no {what:?}"),
    }
}

fn set_all<'a>(machine: &Machine, mut words: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    while let Some(what) = words.next() {
        let value = words.next().with_context(|| format!("{what} has no value"))?;
        match what {
            "power" if value == "1" => power_on(machine)?,
            "power" => power_off(machine)?,
            "reset" => tell(machine, "system_reset")?,
            "shutdown" => tell(machine, "system_powerdown")?,
            "boot" => fs::write(machine.dir().join("boot"), value)?,
            // Its light, with one or two numbers.
            "identify" => return Ok(()),
            _ => bail!("a chassis has no {what:?}"),
        }
    }
    Ok(())
}

fn boot_device(machine: &Machine) -> String {
    fs::read_to_string(machine.dir().join("boot")).unwrap_or_else(|_| DEFAULT.to_owned())
}

/// Powers the machine on, with the boot device that was set last. It is for one boot: `ipmi_sim` does not say whether
/// it was meant to last.
fn power_on(machine: &Machine) -> anyhow::Result<()> {
    if machine.process().is_some() {
        return Ok(());
    }
    let first = if boot_device(machine) == "pxe" { First::Network } else { First::Disk };
    let console = fs::metadata(machine.console_file()).map_or(0, |file| file.len());
    fs::write(machine.console_mark(), console.to_string())?;
    let pid_file = machine.dir().join("qemu.pid");
    qemu::start(machine, first, &pid_file)?;
    let pid = fs::read_to_string(&pid_file).context("QEMU wrote no process id")?;
    let process = Process::running(pid.trim().parse()?).context("QEMU ended at once")?;
    process.save(&machine.dir().join("qemu.json"))?;
    fs::write(machine.dir().join("boot"), DEFAULT)?;
    Ok(())
}

/// Takes the machine's power away.
///
/// # Errors
/// If the emulator does not end.
pub fn power_off(machine: &Machine) -> anyhow::Result<()> {
    machine.process().map_or(Ok(()), Process::kill)
}

/// A machine without power does nothing about a reset.
fn tell(machine: &Machine, command: &str) -> anyhow::Result<()> {
    if machine.process().is_some() {
        qmp::execute(&machine.qmp_socket(), command, &json!({}))?;
    }
    Ok(())
}
