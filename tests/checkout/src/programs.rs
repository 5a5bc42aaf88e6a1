//! The programs under test, built by cargo.

use crate::{target_directory, workspace};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages that have them.
const PACKAGES: [&str; 5] = ["hostlerd", "hostler", "hostler-agent", "hostler-fleet", "hostler-lab"];

/// A directory with all programs.
#[derive(Clone, Debug)]
pub struct Programs {
    dir: PathBuf,
}

impl Programs {
    /// Builds the programs and says where they are.
    ///
    /// # Errors
    /// If cargo fails.
    pub fn build(release: bool) -> anyhow::Result<Self> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace()).args(["build", "--locked", "--bins"]);
        cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package])).args(release.then_some("--release"));
        if !cargo.status().context("cannot start cargo")?.success() {
            bail!("the programs could not be built");
        }
        Ok(Self::in_target(if release { "release" } else { "debug" }))
    }

    /// The programs in `HOSTLER_PROGRAMS`, if that is set; else builds them.
    ///
    /// # Errors
    /// If cargo fails.
    pub fn given_or_built() -> anyhow::Result<Self> {
        match std::env::var_os("HOSTLER_PROGRAMS") {
            Some(dir) => Ok(Self::in_dir(std::path::absolute(dir)?)),
            None => Self::build(false),
        }
    }

    /// Those that were built before.
    #[must_use]
    pub fn in_target(profile: &str) -> Self {
        Self::in_dir(target_directory().join(profile))
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
