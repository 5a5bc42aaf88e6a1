//! The disks of a machine, and what is wrong with them.

use super::Machine;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::PathBuf;

/// What is wrong with a disk. Reading and discarding go well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// No write is carried out.
    Writes,
    /// No write is carried out that reaches the byte at this offset.
    WritesAt(u64),
}

/// Puts an empty disk of `mib` MiB in the place of another. A machine that has power goes on with the old one.
///
/// # Errors
/// If the file cannot be made.
pub fn replace(machine: &Machine, number: usize, mib: u64) -> anyhow::Result<()> {
    let path = machine.disk(number);
    // Not truncated: whoever has the old one open would see it shrink.
    let new = path.with_extension("new");
    let file = File::create(&new).with_context(|| format!("cannot make {}", new.display()))?;
    file.set_len(mib << 20)?;
    fs::rename(&new, &path).with_context(|| format!("cannot make {}", path.display()))
}

/// Breaks a disk, or repairs it, when the machine gets power the next time.
///
/// # Errors
/// If that cannot be noted.
pub fn set_fault(machine: &Machine, number: usize, fault: Option<Fault>) -> anyhow::Result<()> {
    fs::write(note(machine, number), serde_json::to_vec(&fault)?)
        .with_context(|| format!("cannot note the fault of a disk of {}", machine.name()))
}

/// How QEMU opens a disk, by the options of its block drivers. `blkdebug` fails what matches one of its rules.
pub(super) fn drive(machine: &Machine, number: usize) -> String {
    let file = machine.disk(number);
    let file = file.display();
    let Some(fault) = fault(machine, number) else { return format!("format=raw,file={file}") };
    let rule = "file.inject-error.0";
    let at = match fault {
        Fault::Writes => String::new(),
        Fault::WritesAt(offset) => format!(",{rule}.sector={}", offset / 512),
    };
    // The event "none" has happened when the disk is there: such a rule always holds.
    format!(
        "driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={file},{rule}.event=none,\
         {rule}.iotype=write,{rule}.errno=5{at}"
    )
}

fn fault(machine: &Machine, number: usize) -> Option<Fault> {
    serde_json::from_slice(&fs::read(note(machine, number)).ok()?).ok()?
}

fn note(machine: &Machine, number: usize) -> PathBuf {
    machine.dir().join(format!("disk{number}.fault"))
}
