//! What is on the disk that the machine boots from, or in its memory, as far as the agent has to do with it.
//!
//! The simulation has no file systems. What a deployed system stores is in a directory beside the disks' files, which
//! is lost with the beginning of the disk that the system was deployed on: whoever erases that, erases the system. One
//! that was deployed into memory is lost with the power.

use hostler_agent::DeployedIdentity;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The deployed system, or the lack of one.
#[derive(Debug)]
pub(super) struct System {
    directory: PathBuf,
    spool: PathBuf,
    /// Number of the disk whose beginning was written last.
    boot_disk: Mutex<Option<usize>>,
    in_memory: AtomicBool,
}

impl System {
    pub(super) fn new(host: &Path) -> Self {
        let directory = host.join("system");
        let boot_disk = fs::read_to_string(directory.join("disk")).ok().and_then(|disk| disk.parse().ok());
        let (spool, boot_disk) = (directory.join("spool"), Mutex::new(boot_disk));
        Self { spool, directory, boot_disk, in_memory: AtomicBool::new(false) }
    }

    /// True if the power is all that keeps it.
    pub(super) fn is_in_memory(&self) -> bool {
        self.in_memory.load(Ordering::Relaxed)
    }

    pub(super) fn install_in_memory(&self, identity: &DeployedIdentity) -> io::Result<()> {
        self.remove()?;
        fs::create_dir_all(&self.spool)?;
        self.in_memory.store(true, Ordering::Relaxed);
        fs::write(self.identity(), serde_json::to_vec(identity)?)
    }

    /// The power is cut, or the machine restarts.
    pub(super) fn lose_memory(&self) -> io::Result<()> {
        if self.in_memory.swap(false, Ordering::Relaxed) { self.remove() } else { Ok(()) }
    }

    /// The agent's directory in it.
    pub(super) fn spool(&self) -> &Path {
        &self.spool
    }

    /// The beginning of a disk was written: with what may be a boot sector, or else with zeros.
    pub(super) fn begin_disk(&self, disk: usize, bootable: bool) -> io::Result<()> {
        let mut boot_disk = self.boot_disk.lock().unwrap_or_else(PoisonError::into_inner);
        if bootable {
            self.remove()?;
            *boot_disk = Some(disk);
        } else if *boot_disk == Some(disk) {
            self.remove()?;
            *boot_disk = None;
        }
        Ok(())
    }

    pub(super) fn install(&self, identity: &DeployedIdentity) -> io::Result<()> {
        let boot_disk = self.boot_disk.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = boot_disk
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no disk begins with a system"))?;
        fs::create_dir_all(&self.spool)?;
        fs::write(self.directory.join("disk"), disk.to_string())?;
        fs::write(self.identity(), serde_json::to_vec(identity)?)
    }

    pub(super) fn installed(&self) -> io::Result<Option<DeployedIdentity>> {
        match fs::read(self.identity()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => Ok(serde_json::from_slice(&text?)?),
        }
    }

    fn identity(&self) -> PathBuf {
        self.directory.join("identity.json")
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
