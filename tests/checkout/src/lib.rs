//! This checkout and the host that it is on, for everything that tests, measures or plays with it.
//!
//! * [`workspace`] and [`target_directory`] say where it is.
//! * [`programs`] builds and finds the programs.
//! * [`debian`] installs packages.
//! * [`postgres`] is a database server for tests and benchmarks.
//! * `s3` is an object store for tests, of other people's making, with the feature of that name.
//! * [`peers`] finds programs of other people that bear witness.
//! * [`skip`] records a test that cannot run here.

pub mod debian;
pub mod peers;
pub mod postgres;
pub mod programs;
#[cfg(feature = "s3")]
pub mod s3;
pub mod skip;

use std::path::{Path, PathBuf};

/// The root of the checkout.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds: an absolute path.
#[must_use]
pub fn target_directory() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    std::path::absolute(&target).unwrap_or(target)
}

/// Where `cargo xtask agent` puts the static agents: `hostler-agent-ARCH`.
#[must_use]
pub fn agents() -> PathBuf {
    target_directory().join("agents")
}
