//! Management controllers: independent programs that speak IPMI over the network and press the buttons of an emulated
//! machine.
//!
//! * [`openipmi`] OpenIPMI's `ipmi_sim`.
//! * [`pyghmi`] pyghmi's, which can do less.

mod fru;
mod openipmi;
mod pyghmi;

use crate::machine::Machine;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::room::BmcKind;
use std::path::PathBuf;

/// The user of every BMC.
pub const USER: &str = "admin";
/// Its password.
pub const PASSWORD: &str = "secret";
/// What both programs offer: RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128. Neither has suite 17.
pub const CIPHER_SUITE: u8 = 3;

/// Starts the BMC of a machine. Without effect if it runs.
///
/// # Errors
/// If it does not start.
pub fn start(namespace: &Namespace, machine: &Machine) -> anyhow::Result<()> {
    if process(machine).is_some() {
        return Ok(());
    }
    let process = match machine.identity.spec.bmc {
        BmcKind::Openipmi => openipmi::start(namespace, machine)?,
        BmcKind::Pyghmi => pyghmi::start(namespace, machine)?,
    };
    process.save(&record(machine))
}

/// Ends the BMC of a machine, as a crash of its firmware would. The machine goes on.
///
/// # Errors
/// If it does not end.
pub fn kill(machine: &Machine) -> anyhow::Result<()> {
    process(machine).map_or(Ok(()), Process::kill)
}

/// The BMC while it runs.
#[must_use]
pub fn process(machine: &Machine) -> Option<Process> {
    Process::load(&record(machine)).filter(|process| process.is_alive())
}

/// Sets the temperature that an OpenIPMI BMC measures, in degrees Celsius: 80, 96 and 112 are its thresholds.
///
/// # Errors
/// If the file system refuses.
pub fn set_temperature(machine: &Machine, degrees: u8) -> anyhow::Result<()> {
    crate::layout::write(&dir(machine).join("temperature"), degrees.to_string())
}

fn dir(machine: &Machine) -> PathBuf {
    machine.dir().join("bmc")
}

fn record(machine: &Machine) -> PathBuf {
    dir(machine).join("process.json")
}
