//! One process for each controller: a lock beside its configuration.

use anyhow::Context as _;
use hostler_store::StoreError;
use rustix::fs::{FlockOperation, flock, fstat};
use std::fs::File;
use std::path::Path;

/// A lock that ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Place {
    _lock: File,
    name: String,
}

impl Place {
    /// Takes the lock of the configuration at `config`.
    pub(crate) fn take(config: &Path) -> anyhow::Result<Self> {
        let path = config.with_extension("lock");
        let shown = path.display().to_string();
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot create {shown}"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StoreError::Locked { store: shown, holder: String::new() })?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .context("cannot read which start of this computer it is")?;
        let file = fstat(&lock).context("cannot look at the lock")?;
        let name = format!("{}:{}:{}", boot.trim(), file.st_dev, file.st_ino);
        Ok(Self { _lock: lock, name })
    }

    /// The same for the process that has the same lock on the same start of the same computer: whoever had it before
    /// has ended. Another computer has another.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_refused_and_the_next_one_has_the_same_name() {
        let dir = tempfile::tempdir().unwrap();
        let (config, other) = (dir.path().join("hostlerd.toml"), dir.path().join("other.toml"));
        let first = Place::take(&config).unwrap();
        let name = first.name().to_owned();
        let refused = Place::take(&config).unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(StoreError::Locked { .. })), "{refused:#}");
        assert_ne!(Place::take(&other).unwrap().name(), name);
        drop(first);
        assert_eq!(Place::take(&config).unwrap().name(), name);
    }
}
