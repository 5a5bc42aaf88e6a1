//! The programs under test, and the lab's own.

use crate::layout::{Layout, workspace};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory with `hostlerd`, `hostler` and `hostler-lab`.
#[derive(Clone, Debug)]
pub struct Programs {
    dir: PathBuf,
}

impl Programs {
    /// Those in `HOSTLER_PROGRAMS` if that is set; else builds them.
    ///
    /// # Errors
    /// If cargo fails.
    pub fn given_or_built() -> anyhow::Result<Self> {
        match std::env::var_os("HOSTLER_PROGRAMS") {
            Some(dir) => Ok(Self { dir: std::path::absolute(dir)? }),
            None => Self::build(),
        }
    }

    fn build() -> anyhow::Result<Self> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace()).args(["build", "--locked"]);
        cargo.args(["-p", "hostlerd", "-p", "hostler", "-p", "hostler-lab", "--bins"]);
        if !cargo.status().context("cannot start cargo")?.success() {
            bail!("the programs could not be built");
        }
        Ok(Self::in_target())
    }

    /// Those that were built before.
    #[must_use]
    pub fn in_target() -> Self {
        Self { dir: Layout::new().programs() }
    }

    /// Those in `dir`.
    #[must_use]
    pub const fn in_dir(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The path of one of them.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where they are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
