//! What is on the disks of simulated machines: read from the files behind them.

use super::Stage;
use anyhow::Context as _;
use rustix::fs::{SeekFrom, seek};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

impl Stage {
    /// The file behind the first disk of a machine.
    #[must_use]
    pub fn disk(&self, machine: &str) -> PathBuf {
        self.directory().join("room").join(machine).join("0.disk")
    }

    /// Writes something to a disk, as somebody did who had the machine before it was registered.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn soil(&self, machine: &str, offset: u64, data: &[u8]) -> anyhow::Result<()> {
        File::options().write(true).open(self.disk(machine))?.write_all_at(data, offset)?;
        Ok(())
    }

    /// True if this is anywhere on the machine's disk.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn is_on_disk(&self, machine: &str, pattern: &[u8]) -> anyhow::Result<bool> {
        contains(&self.disk(machine), pattern)
    }
}

/// True if a file contains `pattern`. Holes are not read.
///
/// # Errors
/// If the file cannot be read.
pub fn contains(path: &Path, pattern: &[u8]) -> anyhow::Result<bool> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut at = 0;
    while let Ok(data) = seek(&file, SeekFrom::Data(at)) {
        let hole = seek(&file, SeekFrom::Hole(data))?;
        if range_contains(&file, data..hole, pattern)? {
            return Ok(true);
        }
        at = hole;
    }
    Ok(false)
}

fn range_contains(file: &File, range: std::ops::Range<u64>, pattern: &[u8]) -> anyhow::Result<bool> {
    let mut buffer = vec![0; 1 << 20];
    let mut offset = range.start;
    while offset < range.end {
        let wanted = usize::try_from(range.end - offset).unwrap_or(usize::MAX).min(buffer.len());
        file.read_exact_at(&mut buffer[..wanted], offset)?;
        if buffer[..wanted].windows(pattern.len()).any(|window| window == pattern) {
            return Ok(true);
        }
        // Overlapping, so that a pattern across the edge is seen.
        let overlap = if offset + (wanted as u64) < range.end { pattern.len() } else { 0 };
        offset += (wanted - overlap) as u64;
    }
    Ok(false)
}
