//! pyghmi's BMC library, whose buttons are those of the other one.

use super::{PASSWORD, USER, dir};
use crate::layout;
use crate::machine::Machine;
use crate::namespace::Namespace;
use crate::process::{self, Process};

const SCRIPT: &str = include_str!("pyghmi_bmc.py");

pub(super) fn start(namespace: &Namespace, machine: &Machine) -> anyhow::Result<Process> {
    let dir = dir(machine);
    let script = dir.join("bmc.py");
    layout::write(&script, SCRIPT)?;
    // Debian's own Python, for which its pyghmi is installed.
    let mut python = namespace.command("/usr/bin/python3");
    python.arg(script).arg(machine.identity.bmc_address().to_string()).args([USER, PASSWORD]);
    python.arg(&machine.program).arg("chassis").arg(machine.dir());
    process::spawn(&mut python, &dir.join("log"))
}
