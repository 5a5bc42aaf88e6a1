//! The programs under test, built by cargo.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Binaries {
    dir: PathBuf,
}

/// The root of the checkout.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
#[must_use]
pub fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// Where `cargo xtask agent` puts the static agents: `hostler-agent-ARCH`.
#[must_use]
pub fn agents() -> PathBuf {
    target_directory().join("agents")
}

impl Binaries {
    /// Builds the programs and says where they are.
    ///
    /// # Errors
    /// If cargo fails.
    pub fn build(release: bool) -> anyhow::Result<Self> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace()).args(["build", "--locked"]);
        cargo.args(["-p", "hostlerd", "-p", "hostler", "-p", "hostler-fleet", "-p", "hostler-agent"]);
        if release {
            cargo.arg("--release");
        }
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
            Some(dir) => Ok(Self { dir: std::path::absolute(dir)? }),
            None => Self::build(false),
        }
    }

    /// The programs that were built before, beside this one.
    #[must_use]
    pub fn in_target(profile: &str) -> Self {
        Self { dir: target_directory().join(profile) }
    }

    /// The path of one of them.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}
