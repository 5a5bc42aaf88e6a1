//! GUID partition tables (UEFI 2.10 section 5.3).

use super::{Disk, TableError, limit, mbr};
use flate2::Crc;

pub(super) const SIGNATURE: &[u8; 8] = b"EFI PART";

/// The least that a header has.
const HEADER: usize = 92;

/// More than any tool makes: 128 entries of 128 bytes.
const MOST_ENTRIES: u32 = 1024;
const LARGEST_ENTRY: u32 = 4096;

pub(super) fn is_there(disk: &Disk<'_>) -> Result<bool, TableError> {
    let mut signature = [0; 8];
    disk.read(1, &mut signature)?;
    Ok(&signature == SIGNATURE)
}

/// A header and its entries, as bytes: what this version does not know is kept.
struct Table {
    header: Vec<u8>,
    entries: Vec<u8>,
}

// Where in a header: this sector, the other header's, the last one for partitions, the first one of the entries.
const HEADER_SIZE: usize = 12;
const HEADER_CRC: usize = 16;
const OWN_SECTOR: usize = 24;
const OTHER_SECTOR: usize = 32;
const LAST_USABLE: usize = 48;
const ENTRIES_SECTOR: usize = 72;
const ENTRIES: usize = 80;
const ENTRY_SIZE: usize = 84;
const ENTRIES_CRC: usize = 88;

// Where in an entry.
const FIRST: usize = 32;
const LAST: usize = 40;

impl Table {
    /// The first of the two. The second one is where the image ended, and nothing knows where that is but the first.
    fn read(disk: &Disk<'_>) -> Result<Self, TableError> {
        let mut header = vec![0; usize::try_from(disk.sector).unwrap_or(512)];
        disk.read(1, &mut header)?;
        let size = u32_at(&header, HEADER_SIZE) as usize;
        if !(HEADER..=header.len()).contains(&size) {
            return Err(TableError::DamagedGpt("its header has an impossible size"));
        }
        if header_crc(&header) != u32_at(&header, HEADER_CRC) {
            return Err(TableError::DamagedGpt("the checksum of its header is wrong"));
        }
        let (count, entry) = (u32_at(&header, ENTRIES), u32_at(&header, ENTRY_SIZE));
        if count > MOST_ENTRIES || !(128..=LARGEST_ENTRY).contains(&entry) || entry % 8 != 0 {
            return Err(TableError::DamagedGpt("it has too many entries, or entries of an impossible size"));
        }
        let mut entries = vec![0; count as usize * entry as usize];
        disk.read(u64_at(&header, ENTRIES_SECTOR), &mut entries)?;
        if crc(&entries) != u32_at(&header, ENTRIES_CRC) {
            return Err(TableError::DamagedGpt("the checksum of its entries is wrong"));
        }
        Ok(Self { header, entries })
    }

    fn entry_size(&self) -> usize {
        u32_at(&self.header, ENTRY_SIZE) as usize
    }

    /// Entries in use.
    fn used(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.chunks_exact(self.entry_size()).filter(|entry| entry[..16] != [0; 16])
    }

    /// Sets where the disk ends. Returns where the entries of the second table are to be.
    fn end_at(&mut self, sectors: u64, sector: u64) -> Result<u64, TableError> {
        let own = (self.entries.len() as u64).div_ceil(sector);
        let small = TableError::DamagedGpt("its partitions end behind the end of the disk");
        let Some(second) = sectors.checked_sub(1 + own) else { return Err(small) };
        let last_used = self.used().map(|entry| u64_at(entry, LAST)).max().unwrap_or_default();
        if second <= last_used {
            return Err(small);
        }
        put(&mut self.header, OTHER_SECTOR, sectors - 1);
        put(&mut self.header, LAST_USABLE, second - 1);
        Ok(second)
    }

    /// Returns by how many sectors the partition has grown.
    fn grow(&mut self, start: u64) -> Result<u64, TableError> {
        let end = u64_at(&self.header, LAST_USABLE) + 1;
        let limit = limit(start, self.used().map(|entry| u64_at(entry, FIRST)), end);
        let size = self.entry_size();
        let entry = self
            .entries
            .chunks_exact_mut(size)
            .find(|entry| entry[..16] != [0; 16] && u64_at(entry, FIRST) == start)
            .ok_or(TableError::NoPartition(start))?;
        let old = u64_at(entry, LAST);
        let new = old.max(limit - 1);
        put(entry, LAST, new);
        Ok(new - old)
    }

    fn write(mut self, disk: &Disk<'_>, second: u64) -> Result<(), TableError> {
        put_u32(&mut self.header, ENTRIES_CRC, crc(&self.entries));
        let (first, last) = (u64_at(&self.header, ENTRIES_SECTOR), u64_at(&self.header, OTHER_SECTOR));
        let mut other = self.header.clone();
        put(&mut other, OWN_SECTOR, last);
        put(&mut other, OTHER_SECTOR, 1);
        put(&mut other, ENTRIES_SECTOR, second);
        // One of the two is whole at any moment.
        disk.write(second, &self.entries)?;
        disk.write(last, &sealed(other))?;
        disk.sync()?;
        disk.write(first, &self.entries)?;
        disk.write(1, &sealed(self.header))?;
        mbr::protect(disk)?;
        disk.sync()
    }
}

pub(super) fn grow(disk: &Disk<'_>, start: u64) -> Result<u64, TableError> {
    let mut table = Table::read(disk)?;
    let second = table.end_at(disk.sectors, disk.sector)?;
    let grown = table.grow(start)?;
    table.write(disk, second)?;
    Ok(grown)
}

fn sealed(mut header: Vec<u8>) -> Vec<u8> {
    let crc = header_crc(&header);
    put_u32(&mut header, HEADER_CRC, crc);
    header
}

/// Over the header with zeros where the checksum is.
fn header_crc(header: &[u8]) -> u32 {
    let size = (u32_at(header, HEADER_SIZE) as usize).clamp(HEADER, header.len());
    let mut crc = Crc::new();
    crc.update(&header[..HEADER_CRC]);
    crc.update(&[0; 4]);
    crc.update(&header[HEADER_CRC + 4..size]);
    crc.sum()
}

fn crc(data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(data);
    crc.sum()
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&data[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn u64_at(data: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&data[at..at + 8]);
    u64::from_le_bytes(bytes)
}

fn put(data: &mut [u8], at: usize, value: u64) {
    data[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn put_u32(data: &mut [u8], at: usize, value: u32) {
    data[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use gptman::{GPT, GPTPartitionEntry};
    use std::fs::File;
    use std::io::Seek as _;
    use std::os::unix::fs::FileExt as _;

    /// A disk that an independent program has partitioned when it had 20 MiB, and that has 100 MiB now.
    fn disk(sector: u64, partitions: &[(u64, u64)]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(20 << 20).unwrap();
        let mut gpt = GPT::new_from(&mut file, sector, [7; 16]).unwrap();
        for (number, &(first, last)) in (1..).zip(partitions) {
            gpt[number] = GPTPartitionEntry {
                partition_type_guid: [9; 16],
                unique_partition_guid: [number as u8; 16],
                starting_lba: first,
                ending_lba: last,
                attribute_bits: 4,
                partition_name: "name".into(),
            };
        }
        gpt.write_into(&mut file).unwrap();
        GPT::write_protective_mbr_into(&mut file, sector).unwrap();
        file.set_len(100 << 20).unwrap();
        file
    }

    fn on(file: &File, sector: u64) -> Disk<'_> {
        Disk { file, sector, sectors: file.metadata().unwrap().len() / sector }
    }

    /// What the independent program makes of it, from either copy.
    fn found(file: &mut File, sector: u64, which: u64) -> (u64, Vec<(u64, u64)>) {
        // Without the other header only this one can be found.
        let other = if which == 1 { (100 << 20) / sector - 1 } else { 1 };
        file.write_all_at(&[0; 8], other * sector).unwrap();
        file.rewind().unwrap();
        let gpt = GPT::read_from(file, sector).unwrap();
        let partitions = gpt.iter().filter(|(_, p)| p.is_used());
        let partitions = partitions.map(|(_, p)| {
            assert_eq!((p.attribute_bits, p.partition_name.as_str()), (4, "name"));
            (p.starting_lba, p.ending_lba)
        });
        (gpt.header.last_usable_lba, partitions.collect())
    }

    #[test]
    fn the_last_partition_takes_the_rest_of_the_disk() {
        for sector in [512, 4096] {
            for which in [1, 2] {
                let mut file = disk(sector, &[(100, 199), (200, 299)]);
                let sectors = (100 << 20) / sector;
                let last = sectors - 2 - (128 * 128) / sector;
                assert_eq!(super::super::grow(&on(&file, sector), 200).unwrap(), last - 299);
                let boot_sector = on(&file, sector).boot_sector().unwrap();
                assert_eq!(u64::from(u32_at(&boot_sector, 446 + 12)), sectors - 1);
                assert_eq!(found(&mut file, sector, which), (last, vec![(100, 199), (200, last)]));
            }
        }
    }

    #[test]
    fn a_partition_in_the_middle_takes_the_gap_behind_it() {
        // As in cloud images, whose root is number 1 and lies last or between others.
        let mut file = disk(512, &[(2000, 2999), (100, 199), (4000, 4099)]);
        assert_eq!(grow(&on(&file, 512), 2000).unwrap(), 1000);
        assert_eq!(found(&mut file, 512, 1).1, [(2000, 3999), (100, 199), (4000, 4099)]);
        let file = disk(512, &[(100, 199), (200, 299)]);
        assert_eq!(grow(&on(&file, 512), 100).unwrap(), 0);
    }

    #[test]
    fn once_is_enough() {
        let file = disk(512, &[(100, 199)]);
        assert!(grow(&on(&file, 512), 100).unwrap() > 0);
        let read = || {
            let mut data = vec![0; 100 << 20];
            file.read_exact_at(&mut data, 0).unwrap();
            data
        };
        let before = read();
        assert_eq!(grow(&on(&file, 512), 100).unwrap(), 0);
        assert!(before == read());
    }

    #[test]
    fn what_is_damaged_is_left_alone() {
        let damage: [(u64, &[u8], &str); 4] = [
            (512 + 60, b"x", "the checksum of its header is wrong"),
            (1024 + 60, b"x", "the checksum of its entries is wrong"),
            (512 + 12, &[0xff; 4], "its header has an impossible size"),
            (512, b"x", "it has no header"),
        ];
        for (at, bytes, expected) in damage {
            let file = disk(512, &[(100, 199)]);
            file.write_all_at(bytes, at).unwrap();
            let error = super::super::grow(&on(&file, 512), 100).unwrap_err();
            assert_eq!(error.to_string(), format!("the GUID partition table is damaged: {expected}"));
        }
        let file = disk(512, &[(100, 199)]);
        assert_eq!(
            grow(&on(&file, 512), 7).unwrap_err().to_string(),
            "the partition table has no partition that begins at sector 7"
        );
        file.set_len(200 * 512).unwrap();
        assert!(grow(&on(&file, 512), 100).unwrap_err().to_string().contains("behind the end of the disk"));
    }

    #[test]
    fn a_hostile_table_costs_no_memory() {
        let file = disk(512, &[(100, 199)]);
        let mut header = vec![0; 512];
        file.read_exact_at(&mut header, 512).unwrap();
        for (count, size) in [(u32::MAX, 128), (128, u32::MAX), (1025, 128), (128, 0), (128, 127)] {
            put_u32(&mut header, ENTRIES, count);
            put_u32(&mut header, ENTRY_SIZE, size);
            file.write_all_at(&sealed(header.clone()), 512).unwrap();
            assert!(grow(&on(&file, 512), 100).unwrap_err().to_string().contains("too many entries"));
        }
        put_u32(&mut header, ENTRIES, 128);
        put_u32(&mut header, ENTRY_SIZE, 128);
        put(&mut header, ENTRIES_SECTOR, u64::MAX);
        file.write_all_at(&sealed(header.clone()), 512).unwrap();
        assert!(matches!(grow(&on(&file, 512), 100), Err(TableError::Read(_))));
    }

    #[test]
    fn a_table_for_small_sectors_on_a_disk_with_large_ones() {
        let file = disk(512, &[(100, 199)]);
        assert!(super::super::is_of_other_sectors(&on(&file, 4096)));
        assert!(!super::super::is_of_other_sectors(&on(&file, 512)));
        assert!(!super::super::is_of_other_sectors(&on(&disk(4096, &[(100, 199)]), 4096)));
    }
}
