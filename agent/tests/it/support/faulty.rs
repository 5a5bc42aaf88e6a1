//! A disk that does not do what it says.

use async_trait::async_trait;
use bytes::Bytes;
use hostler_agent::device::Passthrough;
use hostler_agent::{Disk, DiskInfo, FileDisk};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a disk makes of one kind of command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Does {
    #[default]
    It,
    /// It says that it cannot.
    Refuse,
    /// It says that it did.
    Nothing,
    /// It fails half way.
    Fail,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behaviour {
    pub(crate) discard: Does,
    pub(crate) write_zeroes: Does,
    /// Writing of zeros.
    pub(crate) overwrite: Does,
    /// Reading the last byte.
    pub(crate) read_end: Does,
}

pub(crate) struct FaultyDisk {
    pub(crate) disk: FileDisk,
    pub(crate) behaviour: Behaviour,
    /// Counts how often the kernel is asked for its partitions.
    pub(crate) reread: Arc<AtomicU32>,
}

/// Whether to go on.
fn obey(does: Does, range: &Range<u64>) -> io::Result<bool> {
    match does {
        Does::It => Ok(true),
        Does::Refuse => Err(io::ErrorKind::Unsupported.into()),
        Does::Nothing => Ok(false),
        Does::Fail if range.start > 0 => Err(io::Error::other("medium error")),
        Does::Fail => Ok(true),
    }
}

#[async_trait]
impl Disk for FaultyDisk {
    fn info(&self) -> &DiskInfo {
        self.disk.info()
    }

    async fn discard(&self, range: Range<u64>) -> io::Result<()> {
        if obey(self.behaviour.discard, &range)? { self.disk.discard(range).await } else { Ok(()) }
    }

    async fn write_zeroes(&self, range: Range<u64>) -> io::Result<()> {
        // As not every file system can, the test does it by the way that all of them know.
        if obey(self.behaviour.write_zeroes, &range)? { self.disk.discard(range).await } else { Ok(()) }
    }

    async fn write_at(&self, offset: u64, data: Bytes) -> io::Result<()> {
        let range = offset..offset + data.len() as u64;
        let zeros = data.iter().all(|&byte| byte == 0);
        if !zeros || obey(self.behaviour.overwrite, &range)? {
            self.disk.write_at(offset, data).await
        } else {
            Ok(())
        }
    }

    async fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = offset + length as u64;
        if end == self.info().size_bytes && self.behaviour.read_end != Does::It {
            return Err(io::Error::other("medium error"));
        }
        self.disk.read_at(offset, length).await
    }

    async fn sync(&self) -> io::Result<()> {
        self.disk.sync().await
    }

    fn passthrough(&self) -> Option<Passthrough> {
        self.disk.passthrough()
    }

    async fn reread_partition_table(&self) -> io::Result<()> {
        self.reread.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
