//! A disk that is a block device or a regular file.

use super::{Disk, DiskInfo};
use crate::device::Passthrough;
use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _};
use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

/// A block device, or a file that stands for one. On both, Linux maps `fallocate(2)` to what the storage can do.
#[derive(Debug)]
pub struct FileDisk {
    info: DiskInfo,
    file: Arc<File>,
    /// Read-locked by each operation for as long as it really lasts, which may be longer than its future lives.
    busy: Arc<RwLock<()>>,
    passthrough: Option<Passthrough>,
}

impl FileDisk {
    /// A disk over a file that is open for reading and writing and has the size that `info` says.
    #[must_use]
    pub fn new(info: DiskInfo, file: File) -> Self {
        Self { info, file: Arc::new(file), busy: Arc::default(), passthrough: None }
    }

    /// With a way to pass commands to the device behind the file.
    #[must_use]
    pub fn with_passthrough(self, passthrough: Option<Passthrough>) -> Self {
        Self { passthrough, ..self }
    }

    /// Waits for operations whose futures were dropped while they were under way.
    pub async fn idle(&self) {
        let _all_of_them = self.busy.write().await;
    }

    /// Runs one blocking operation where it does not stop others.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&File) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let file = self.file.clone();
        let busy: OwnedRwLockReadGuard<()> = self.busy.clone().read_owned().await;
        let work = tokio::task::spawn_blocking(move || {
            let _busy = busy;
            operation(&file)
        });
        work.await.map_err(io::Error::other)?
    }

    async fn fallocate(&self, flags: FallocateFlags, range: Range<u64>) -> io::Result<()> {
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(());
        }
        self.blocking(move |file| Ok(fallocate(file, flags, range.start, length)?)).await
    }
}

#[async_trait]
impl Disk for FileDisk {
    fn info(&self) -> &DiskInfo {
        &self.info
    }

    /// Punches a hole. On a block device the kernel does this with the commands that unmap *and* guarantee zeros
    /// (NVMe Write Zeroes with Deallocate, SCSI WRITE SAME with UNMAP), and refuses where the device has none.
    async fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.fallocate(FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, range).await
    }

    async fn write_zeroes(&self, range: Range<u64>) -> io::Result<()> {
        self.fallocate(FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE, range).await
    }

    async fn write_at(&self, offset: u64, data: Bytes) -> io::Result<()> {
        let end = offset.checked_add(data.len() as u64);
        if end.is_none_or(|end| end > self.info.size_bytes) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "beyond the end of the disk"));
        }
        self.blocking(move |file| file.write_all_at(&data, offset)).await
    }

    async fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.blocking(move |file| {
            // What is clean in the page cache is dropped, so that the answer is the disk's own. Not everything that
            // can stand for a disk has a cache to drop.
            let pages = whole_pages(offset..offset.saturating_add(length as u64));
            let _ = fadvise(file, pages.start, NonZeroU64::new(pages.end - pages.start), Advice::DontNeed);
            let mut data = vec![0; length];
            file.read_exact_at(&mut data, offset)?;
            Ok(Bytes::from(data))
        })
        .await
    }

    async fn sync(&self) -> io::Result<()> {
        self.blocking(|file| file.sync_data()).await
    }

    fn passthrough(&self) -> Option<Passthrough> {
        self.passthrough.clone()
    }

    async fn reread_partition_table(&self) -> io::Result<()> {
        self.blocking(|file| {
            // A regular file has no partitions that the kernel would know of.
            if file.metadata()?.file_type().is_block_device() {
                hostler_sys::block::reread_partition_table(file)?;
            }
            Ok(())
        })
        .await
    }
}

/// The kernel keeps a page of which only a part is to be dropped.
fn whole_pages(range: Range<u64>) -> Range<u64> {
    /// As large as they get.
    const PAGE: u64 = 64 << 10;
    range.start / PAGE * PAGE..range.end.div_ceil(PAGE).saturating_mul(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;

    fn disk() -> FileDisk {
        let file = tempfile::tempfile().unwrap();
        file.set_len(SIZE).unwrap();
        FileDisk::new(DiskInfo { size_bytes: SIZE, ..DiskInfo::default() }, file)
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_a_discarded_range_is_zero() {
        let disk = disk();
        disk.write_at(4096, Bytes::from_static(b"secret")).await.unwrap();
        disk.sync().await.unwrap();
        assert_eq!(&disk.read_at(4095, 8).await.unwrap()[..], b"\0secret\0");
        disk.discard(0..SIZE).await.unwrap();
        assert_eq!(&disk.read_at(4095, 8).await.unwrap()[..], [0; 8]);
    }

    #[test]
    fn a_part_of_a_page_is_dropped_with_all_of_it() {
        assert_eq!(whole_pages(0..0), 0..0);
        assert_eq!(whole_pages(0..65536), 0..65536);
        assert_eq!(whole_pages(65535..65537), 0..131_072);
        assert_eq!(whole_pages(u64::MAX..u64::MAX), u64::MAX / 65536 * 65536..u64::MAX);
    }

    #[tokio::test]
    async fn a_disk_does_not_grow() {
        let disk = disk();
        let error = disk.write_at(SIZE - 1, Bytes::from_static(b"ab")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(disk.write_at(u64::MAX, Bytes::from_static(b"a")).await.is_err());
        assert_eq!(disk.read_at(SIZE - 1, 2).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        disk.discard(SIZE..SIZE).await.unwrap();
    }
}
