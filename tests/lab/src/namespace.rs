//! The network namespace of a lab: everything that the lab runs is in it, so ending what is in it ends the lab.

use crate::command::run;
use crate::process::Process;
use rustix::process::Signal;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A network namespace by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// That of the lab `lab`.
    #[must_use]
    pub fn of(lab: &str) -> Self {
        Self(crate::layout::namespace(lab))
    }

    /// Its name, as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// True if it is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        Path::new("/run/netns").join(&self.0).exists()
    }

    /// A command that runs in it.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// Makes it.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        run(Command::new("ip").args(["netns", "add", &self.0]))?;
        self.ip("link set lo up")
    }

    /// Runs `ip` in it.
    pub(crate) fn ip(&self, words: &str) -> anyhow::Result<()> {
        run(Command::new("ip").args(["-netns", &self.0]).args(words.split(' '))).map(|_| ())
    }

    /// Ends every process in it and removes it, with all its devices. Without effect if it is not there.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        if !self.exists() {
            return Ok(());
        }
        crate::wait::until("the processes of the lab to end", Duration::from_secs(20), || {
            let left = self.processes()?;
            left.iter().for_each(|process| process.signal(Signal::KILL));
            Ok(left.is_empty().then_some(()))
        })?;
        run(Command::new("ip").args(["netns", "delete", &self.0])).map(|_| ())
    }

    /// The processes in it.
    ///
    /// # Errors
    /// If it is not there.
    pub fn processes(&self) -> anyhow::Result<Vec<Process>> {
        let pids = run(Command::new("ip").args(["netns", "pids", &self.0]))?;
        Ok(pids.lines().filter_map(|pid| pid.trim().parse().ok()).filter_map(Process::running).collect())
    }
}
