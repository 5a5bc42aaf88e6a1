//! A stage for one test: a controller in a process of its own, a room of simulated machines in this one, and the
//! command line.
//!
//! * [`Stage`]: sets it up, kills and restarts the controller, takes it down.
//! * [`Cli`], [`Following`]: `hostler`, as a CI job and an administrator call it.
//! * [`wait`]: what a test waits for, always for something that happens and never for a time.
//! * [`Database`]: the controller's database, past the controller.
//! * [`witness`]: what the database was told, kept by triggers, and what machines did; [`account`]: one against the
//!   other.
//! * [`residue`]: what is on disks, past every layer that could be wrong about it.

mod cli;
mod database;
mod diagnosis;
mod setup;
mod wait;

pub mod account;
pub mod residue;
pub mod witness;

pub use cli::{Answer, Cli, Following, PATIENCE};
pub use database::{Database, Engine};
pub use setup::{IMPATIENT, PATIENT, Replica, Setup, programs, turn};
pub use wait::{Nodes, is_held, is_ready};

use anyhow::{Context as _, ensure};
use hostler_fleet::machine::SimMachine;
use hostler_fleet::room::{Registration, Room};
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;
use tokio::sync::SemaphorePermit;
use xtask::installation::Installation;

/// Everything that one test plays with. Dropped before [`Stage::end`], it tells what it looked like.
#[derive(Debug)]
pub struct Stage {
    /// The administrator.
    pub admin: Cli,
    /// A tenant.
    pub ci: Cli,
    installation: Mutex<Installation>,
    replica: Option<Mutex<Installation>>,
    database: Database,
    room: Room,
    directory: TempDir,
    ended: bool,
    _turn: SemaphorePermit<'static>,
}

impl Stage {
    /// The machines, which the controller does not know yet.
    #[must_use]
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// The machine of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn machine(&self, name: &str) -> anyhow::Result<&SimMachine> {
        self.room.machine(name).with_context(|| format!("there is no machine {name}"))
    }

    /// For the test's own files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The controller's directory, process and ports. Locked only for a moment.
    pub fn installation(&self) -> MutexGuard<'_, Installation> {
        self.installation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The second controller.
    ///
    /// # Errors
    /// If there is none.
    pub fn replica(&self) -> anyhow::Result<MutexGuard<'_, Installation>> {
        let replica = self.replica.as_ref().context("there is one controller only")?;
        Ok(replica.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The controller's database.
    #[must_use]
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// Ends the controller as a loss of power would.
    ///
    /// # Errors
    /// If its process cannot be ended.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.installation().kill()
    }

    /// Starts the controller.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&self) -> anyhow::Result<()> {
        self.installation().start()
    }

    /// `hostler apply`.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn register(&self, registration: &Registration) -> anyhow::Result<()> {
        let file = self.directory().join("machines.toml");
        std::fs::write(&file, registration.to_toml()?)?;
        self.admin.ok(&format!("apply -f {}", file.display())).await.map(drop)
    }

    /// Registers all machines as they are, and waits until they are ready.
    ///
    /// # Errors
    /// If one does not become ready.
    pub async fn register_all(&self) -> anyhow::Result<Nodes> {
        self.register(&self.room.registration()).await?;
        self.all_ready().await
    }

    /// Another tenant.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn tenant(&self, name: &str) -> anyhow::Result<Cli> {
        let credential = self.directory().join(format!("{name}.toml"));
        self.admin.ok(&format!("tenant add {name} --write {}", credential.display())).await?;
        Ok(self.admin.with_credential(&credential))
    }

    /// Ends the controller in an orderly way, and makes sure that it never panicked.
    ///
    /// # Errors
    /// If it did, or does not end well.
    pub async fn end(mut self) -> anyhow::Result<()> {
        for controller in iter::once(&self.installation).chain(&self.replica) {
            let mut controller = controller.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(status) = tokio::task::block_in_place(|| controller.stop())? {
                ensure!(status.success(), "hostlerd ended with {status} when it was told to stop");
            }
            let log = std::fs::read_to_string(controller.log())?;
            ensure!(!log.contains("panicked at"), "hostlerd panicked");
        }
        self.ended = true;
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.installation().log()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.ended {
            eprintln!("{}", diagnosis::of(self));
        }
    }
}
