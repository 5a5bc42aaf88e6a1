//! The partition table in the boot sector of PCs.

use super::{Disk, TableError, limit};

const TABLE: usize = 446;
const ENTRY: usize = 16;

// Where in an entry.
const KIND: usize = 4;
const FIRST: usize = 8;
const SECTORS: usize = 12;

/// The kind of the partition that stands for a whole GUID partition table.
const PROTECTIVE: u8 = 0xee;

fn entries(boot_sector: &[u8; 512]) -> impl Iterator<Item = &[u8]> {
    boot_sector[TABLE..TABLE + 4 * ENTRY].chunks_exact(ENTRY).filter(|entry| entry[KIND] != 0)
}

/// The boot sector of a FAT file system ends with the same signature: a table is there only if its flags are flags.
pub(super) fn is_there(boot_sector: &[u8; 512]) -> bool {
    let flags = |entry: &[u8]| matches!(entry[0], 0 | 0x80);
    boot_sector[510..] == [0x55, 0xaa]
        && boot_sector[TABLE..TABLE + 4 * ENTRY].chunks_exact(ENTRY).all(flags)
        && entries(boot_sector).next().is_some()
}

pub(super) fn is_protective(boot_sector: &[u8; 512]) -> bool {
    is_there(boot_sector) && entries(boot_sector).any(|entry| entry[KIND] == PROTECTIVE)
}

/// A partition within an extended one is none of the four, and stays as it is.
pub(super) fn grow(disk: &Disk<'_>, mut boot_sector: [u8; 512], start: u64) -> Result<u64, TableError> {
    // What the table can say, if not what the disk has.
    let end = disk.sectors.min(start.saturating_add(u32::MAX.into()));
    let limit = limit(start, entries(&boot_sector).map(|entry| u32_at(entry, FIRST).into()), end);
    let entry = boot_sector[TABLE..TABLE + 4 * ENTRY]
        .chunks_exact_mut(ENTRY)
        .find(|entry| entry[KIND] != 0 && u64::from(u32_at(entry, FIRST)) == start)
        .ok_or(TableError::NoPartition(start))?;
    let old = u32_at(entry, SECTORS);
    let new = old.max(u32::try_from(limit.saturating_sub(start)).unwrap_or(u32::MAX));
    put(entry, SECTORS, new);
    disk.write(0, &boot_sector)?;
    disk.sync()?;
    Ok((new - old).into())
}

/// Has the protective partition, if there is one, stand for the whole disk.
pub(super) fn protect(disk: &Disk<'_>) -> Result<(), TableError> {
    let mut boot_sector = disk.boot_sector()?;
    if !is_there(&boot_sector) {
        return Ok(());
    }
    let entries = boot_sector[TABLE..TABLE + 4 * ENTRY].chunks_exact_mut(ENTRY);
    for entry in entries.filter(|entry| entry[KIND] == PROTECTIVE && u32_at(entry, FIRST) == 1) {
        put(entry, SECTORS, u32::try_from(disk.sectors - 1).unwrap_or(u32::MAX));
    }
    disk.write(0, &boot_sector)
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&data[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn put(data: &mut [u8], at: usize, value: u32) {
    data[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    fn disk(sectors: u64, partitions: &[(u8, u32, u32)]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(sectors * 512).unwrap();
        let mut sector = [0; 512];
        sector[..4].copy_from_slice(b"code");
        for (entry, &(kind, first, size)) in sector[TABLE..].chunks_exact_mut(ENTRY).zip(partitions) {
            entry[KIND] = kind;
            put(entry, FIRST, first);
            put(entry, SECTORS, size);
        }
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        file.write_all_at(&sector, 0).unwrap();
        file
    }

    fn grown(file: &File, sectors: u64, start: u64) -> Result<u64, TableError> {
        super::super::grow(&Disk { file, sector: 512, sectors }, start)
    }

    fn sizes(file: &File) -> Vec<u32> {
        let mut sector = [0; 512];
        file.read_exact_at(&mut sector, 0).unwrap();
        assert_eq!(&sector[..4], b"code");
        entries(&sector).map(|entry| u32_at(entry, SECTORS)).collect()
    }

    #[test]
    fn a_partition_grows_to_the_next_one_or_to_the_end() {
        let file = disk(10_000, &[(0x83, 2048, 100), (0x82, 4096, 100), (0x83, 5000, 100)]);
        assert_eq!(grown(&file, 10_000, 2048).unwrap(), 1948);
        assert_eq!(grown(&file, 10_000, 5000).unwrap(), 4900);
        assert_eq!(grown(&file, 10_000, 5000).unwrap(), 0);
        assert_eq!(sizes(&file), [2048, 100, 5000]);
        assert!(matches!(grown(&file, 10_000, 6000), Err(TableError::NoPartition(6000))));
    }

    #[test]
    fn what_the_table_cannot_say_is_not_said() {
        let sectors = 3 << 32;
        let file = disk(10_000, &[(0x83, 2048, 100)]);
        assert_eq!(grown(&file, sectors, 2048).unwrap(), u64::from(u32::MAX - 100));
        assert_eq!(sizes(&file), [u32::MAX]);
    }

    #[test]
    fn what_is_no_table() {
        let file = disk(10_000, &[]);
        assert!(matches!(grown(&file, 10_000, 1), Err(TableError::NoTable)));
        file.write_all_at(b"FAT32 has text here", TABLE as u64).unwrap();
        assert!(matches!(grown(&file, 10_000, 1), Err(TableError::NoTable)));
    }
}
