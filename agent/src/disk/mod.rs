//! Disks: what the agent can do with one, and one that is a file or a block device.

mod file;

pub use file::FileDisk;

use crate::device::Passthrough;
use async_trait::async_trait;
use bytes::Bytes;
use std::io;
use std::ops::Range;

/// One disk of a machine. Offsets and lengths are bytes; a range reaches at most to the end of the disk.
///
/// A future that is dropped may leave its operation half done, or finish it later.
#[async_trait]
pub trait Disk: Send + Sync + 'static {
    /// What is known of it without reading it.
    fn info(&self) -> &DiskInfo;

    /// Tells the disk that this range is not used any more, where that makes it read as zero.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if it cannot do that.
    async fn discard(&self, range: Range<u64>) -> io::Result<()>;

    /// Has the disk or its driver write zeros.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if they cannot do that.
    async fn write_zeroes(&self, range: Range<u64>) -> io::Result<()>;

    /// Writes all of `data`.
    ///
    /// # Errors
    /// If not all of it could be written.
    async fn write_at(&self, offset: u64, data: Bytes) -> io::Result<()>;

    /// Reads exactly `length` bytes, from the disk and not from a cache of what was written.
    ///
    /// # Errors
    /// If not all of it could be read.
    async fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes>;

    /// Returns when everything written so far would survive the loss of power.
    ///
    /// # Errors
    /// If something written before this could not be stored.
    async fn sync(&self) -> io::Result<()>;

    /// A way to have the device itself do commands. Nothing for a disk that is no device, or of a kind that knows none
    /// that the agent has a use for.
    fn passthrough(&self) -> Option<Passthrough> {
        None
    }

    /// Has the kernel forget the partitions that it has found before, and look again.
    ///
    /// # Errors
    /// If one of them is in use.
    async fn reread_partition_table(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What is known of a disk without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskInfo {
    /// Where it is in this machine, for example "/dev/nvme0n1".
    pub path: String,
    /// Empty if the disk does not tell.
    pub serial: String,
    /// Empty if the disk does not tell.
    pub model: String,
    /// What it holds.
    pub size_bytes: u64,
    /// True if it has platters.
    pub rotational: bool,
    /// Reached over a network or by several paths: others may use it, so it is never written.
    pub remote: bool,
}
