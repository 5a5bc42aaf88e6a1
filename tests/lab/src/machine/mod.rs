//! An emulated machine.
//!
//! * [`qemu`] the emulator's command line.
//! * [`chassis`] what its BMC does to it.
//! * [`disk`] what its disks are, and what is wrong with them.
//! * [`qmp`] QEMU's machine protocol.

pub mod chassis;
pub mod disk;
mod qemu;
mod qmp;

use crate::layout;
use crate::process::Process;
use crate::room::Identity;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};

/// A machine of a lab: who it is, and where its files are. Its BMC finds it by its directory alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Who it is.
    pub identity: Identity,
    dir: PathBuf,
    sockets: PathBuf,
    /// `hostler-lab`, which BMCs call.
    pub(crate) program: PathBuf,
}

const DESCRIPTION: &str = "machine.json";

impl Machine {
    /// Makes its directory, with empty disks.
    pub(crate) fn create(
        identity: Identity,
        dir: &Path,
        sockets: &Path,
        program: &Path,
    ) -> anyhow::Result<Self> {
        let (dir, sockets, program) = (dir.to_owned(), sockets.to_owned(), program.to_owned());
        let machine = Self { identity, dir, sockets, program };
        layout::write(&machine.dir.join(DESCRIPTION), serde_json::to_vec_pretty(&machine)?)?;
        for (number, disk) in machine.identity.spec.disks.iter().enumerate() {
            disk::replace(&machine, number, disk.mib)?;
        }
        Ok(machine)
    }

    /// Reads the description in its directory.
    ///
    /// # Errors
    /// If it is none.
    pub fn load(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(DESCRIPTION);
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no machine", path.display()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.spec.name
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of a disk: raw, so that it can be searched.
    #[must_use]
    pub fn disk(&self, number: usize) -> PathBuf {
        self.dir.join(format!("disk{number}.raw"))
    }

    /// Everything that it wrote to its serial line so far.
    #[must_use]
    pub fn console_file(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// What it wrote to its serial line since it was last powered on, without control sequences.
    #[must_use]
    pub fn console(&self) -> String {
        let all = std::fs::read(self.console_file()).unwrap_or_default();
        let start = std::fs::read_to_string(self.console_mark()).ok().and_then(|text| text.parse().ok());
        crate::console::plain(all.get(start.unwrap_or(0)..).unwrap_or_default())
    }

    /// Its emulator, while it has power.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        Process::load(&self.dir.join("qemu.json")).filter(|process| process.is_alive())
    }

    /// Pulls the cable out of its network card, or puts it in: its drivers see the carrier go and come.
    ///
    /// # Errors
    /// If it has no power.
    pub fn set_link(&self, up: bool) -> anyhow::Result<()> {
        let arguments = json!({"name": qemu::NETWORK_CARD, "up": up});
        qmp::execute(&self.qmp_socket(), "set_link", &arguments).map(|_| ())
    }

    /// Where the length of the console at the last power-on is.
    fn console_mark(&self) -> PathBuf {
        self.dir.join("console.mark")
    }

    fn qmp_socket(&self) -> PathBuf {
        self.sockets.join(format!("{}.qmp", self.name()))
    }
}
