//! Where a lab keeps what.

use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// The directories that labs share, and those of each.
#[derive(Clone, Debug)]
pub struct Layout {
    target: PathBuf,
}

impl Layout {
    /// Below the target directory of the workspace.
    #[must_use]
    pub fn new() -> Self {
        Self { target: hostler_checkout::target_directory() }
    }

    /// Kernels, loaders and images that all labs use and none changes.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.target.join("lab/cache")
    }

    /// The state of the lab `name`.
    #[must_use]
    pub fn lab(&self, name: &str) -> PathBuf {
        self.target.join("lab").join(format!("lab-{name}"))
    }

    /// The static agent of an architecture.
    #[must_use]
    pub fn agent(&self, arch: crate::room::Arch) -> PathBuf {
        hostler_checkout::agents().join(format!("hostler-agent-{}", arch.name()))
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::new()
    }
}

/// The network namespace of the lab `name`. Its name is what makes labs strangers to each other.
#[must_use]
pub fn namespace(name: &str) -> String {
    format!("hostler-lab-{name}")
}

/// Where the lab `name` has its sockets: their paths may have 108 bytes at most (unix(7)).
#[must_use]
pub fn sockets(name: &str) -> PathBuf {
    Path::new("/run/hostler-lab").join(name)
}

/// Makes a directory with its parents.
pub(crate) fn make_dir(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

/// Writes a file, and the directory that it is in.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// Copies a file, and makes the directory that it goes to.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(parent) = to.parent() {
        make_dir(parent)?;
    }
    std::fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
        .map(|_| ())
}

/// # Errors
/// If there is no such file.
pub(crate) fn exists(path: &Path) -> anyhow::Result<()> {
    std::fs::metadata(path).with_context(|| format!("{} is missing", path.display())).map(|_| ())
}
