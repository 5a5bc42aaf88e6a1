//! Partition tables: the partition of the root file system takes the room behind it.
//!
//! An image is smaller than the disk that it was written to. Its GUID partition table has to be told where the disk
//! ends before anything beyond the image can be used; the older table knows no end.

mod gpt;
mod mbr;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Why a table was left as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error("cannot read the partition table")]
    Read(#[source] io::Error),
    #[error("cannot write the partition table")]
    Write(#[source] io::Error),
    #[error("the GUID partition table is damaged: {0}")]
    DamagedGpt(&'static str),
    #[error("there is no partition table")]
    NoTable,
    #[error("the partition table has no partition that begins at sector {0}")]
    NoPartition(u64),
}

/// A disk with a partition table.
#[derive(Debug)]
pub(super) struct Disk<'a> {
    pub(super) file: &'a File,
    /// Bytes in a logical sector, in which tables count.
    pub(super) sector: u64,
    /// How many the disk has.
    pub(super) sectors: u64,
}

impl Disk<'_> {
    fn read(&self, sector: u64, data: &mut [u8]) -> Result<(), TableError> {
        let offset = sector.saturating_mul(self.sector);
        self.file.read_exact_at(data, offset).map_err(TableError::Read)
    }

    fn write(&self, sector: u64, data: &[u8]) -> Result<(), TableError> {
        let offset = sector.saturating_mul(self.sector);
        self.file.write_all_at(data, offset).map_err(TableError::Write)
    }

    fn sync(&self) -> Result<(), TableError> {
        self.file.sync_data().map_err(TableError::Write)
    }

    /// The first sector, or as much of it as has a meaning.
    fn boot_sector(&self) -> Result<[u8; 512], TableError> {
        let mut sector = [0; 512];
        self.read(0, &mut sector)?;
        Ok(sector)
    }
}

/// Has the partition that begins at this sector end where the next one begins, or the disk ends. Returns by how many
/// sectors it has grown.
pub(super) fn grow(disk: &Disk<'_>, start: u64) -> Result<u64, TableError> {
    let boot_sector = disk.boot_sector()?;
    if gpt::is_there(disk)? {
        gpt::grow(disk, start)
    } else if mbr::is_protective(&boot_sector) {
        Err(TableError::DamagedGpt("it has no header"))
    } else if mbr::is_there(&boot_sector) {
        mbr::grow(disk, boot_sector, start)
    } else {
        Err(TableError::NoTable)
    }
}

/// True if the disk has a GUID partition table that was made for sectors of 512 bytes, where it has larger ones.
pub(super) fn is_of_other_sectors(disk: &Disk<'_>) -> bool {
    let mut signature = [0; 8];
    disk.sector != 512 && disk.file.read_exact_at(&mut signature, 512).is_ok() && &signature == gpt::SIGNATURE
}

/// The end of what a partition may have: where the first of `others` after `start` begins, or `end`.
fn limit(start: u64, others: impl Iterator<Item = u64>, end: u64) -> u64 {
    others.filter(|&other| other > start).fold(end, u64::min)
}
