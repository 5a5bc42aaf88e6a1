//! Where a disk is looked at, to call it blank or wiped.

use super::task::{StepError, Watch};
use crate::disk::Disk;
use crate::random::Sequence;
use bytes::Bytes;
use std::io;
use std::ops::Range;

/// Both ends are read whole: partition tables, file systems' superblocks and RAID labels are there.
const EDGE: u64 = 16 << 20;

/// The further copies of the superblock of btrfs.
const COPIES: [u64; 2] = [64 << 20, 256 << 30];

/// Between them, so many places that nobody can foretell.
const SAMPLES: u64 = 256;
const SAMPLE: u64 = 64 << 10;

/// What sectors are at most, and what file systems allocate.
const BLOCK: u64 = 4096;

/// How much is read at once.
const PIECE: u64 = 1 << 20;

static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];

/// Why a disk is not all zero, as far as it was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unclean {
    #[error("the byte at {offset} is not zero")]
    NotZero { offset: u64 },
    #[error("cannot read at {offset}")]
    Read {
        offset: u64,
        #[source]
        source: io::Error,
    },
}

/// The places of one disk that are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadBack {
    /// Disjoint and in order.
    ranges: Vec<Range<u64>>,
    /// The beginnings of the samples.
    samples: Vec<u64>,
    /// What was written there; empty before.
    marker: Bytes,
}

impl ReadBack {
    /// The places for a disk of this size, and `extra` ones as far as the disk reaches.
    pub(crate) fn plan(size: u64, extra: &[Range<u64>], sequence: &mut Sequence) -> Self {
        let blocks = size.saturating_sub(SAMPLE) / BLOCK + 1;
        let samples: Vec<u64> = (0..SAMPLES).map(|_| sequence.below(blocks) * BLOCK).collect();
        let sampled = samples.iter().map(|&start| start..start.saturating_add(SAMPLE));
        let all = fixed(size).into_iter().chain(sampled).chain(extra.iter().cloned());
        Self { ranges: merge(all.map(|r| r.start.min(size)..r.end.min(size))), samples, marker: Bytes::new() }
    }

    /// How much is read.
    pub(crate) fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// Reads every place, up to the first byte that is not zero. Returns how much was read.
    pub(crate) async fn check(
        &self,
        disk: &dyn Disk,
        watch: &Watch,
    ) -> Result<Result<u64, Unclean>, StepError> {
        let mut read = 0;
        for range in &self.ranges {
            let mut offset = range.start;
            while offset < range.end {
                watch.check()?;
                let length = PIECE.min(range.end - offset);
                if let Err(unclean) = check_piece(disk, offset, length).await {
                    return Ok(Err(unclean));
                }
                offset += length;
                read += length;
                watch.advance(length);
            }
        }
        Ok(Ok(read))
    }

    /// Writes something at each sample, so that a disk which says that it was wiped and was not is found out even if
    /// those places were empty before.
    pub(crate) async fn mark(&mut self, disk: &dyn Disk, sequence: &mut Sequence) -> io::Result<()> {
        let words = std::iter::repeat_with(|| sequence.next() | 1).flat_map(u64::to_le_bytes);
        self.marker = words.take(ZEROS.len()).collect();
        for &offset in &self.samples {
            disk.write_at(offset, self.marker_at(disk, offset)).await?;
        }
        disk.sync().await
    }

    /// The first mark that is still there, which only a disk has that was not erased. One that was need not be zero.
    pub(crate) async fn find_mark(&self, disk: &dyn Disk) -> io::Result<Option<u64>> {
        for &offset in &self.samples {
            let marker = self.marker_at(disk, offset);
            if !marker.is_empty() && disk.read_at(offset, marker.len()).await? == marker {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    fn marker_at(&self, disk: &dyn Disk, offset: u64) -> Bytes {
        let length = BLOCK.min(disk.info().size_bytes - offset);
        self.marker.slice(..usize::try_from(length).unwrap_or(BLOCK as usize).min(self.marker.len()))
    }
}

/// What is read of every disk of this size, as far as it reaches.
fn fixed(size: u64) -> [Range<u64>; 4] {
    let [first, second] = COPIES.map(|start| start..start + SAMPLE);
    [0..EDGE, size.saturating_sub(EDGE)..size, first, second]
}

async fn check_piece(disk: &dyn Disk, offset: u64, length: u64) -> Result<(), Unclean> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let data = disk.read_at(offset, length).await.map_err(|source| Unclean::Read { offset, source })?;
    match first_nonzero(&data) {
        None => Ok(()),
        Some(at) => Err(Unclean::NotZero { offset: offset + at as u64 }),
    }
}

fn first_nonzero(data: &[u8]) -> Option<usize> {
    // Whole blocks are compared with zeros, which is as fast as memory, and only a block that differs byte by byte.
    let block = data.chunks(ZEROS.len()).position(|chunk| chunk != &ZEROS[..chunk.len()])?;
    let start = block * ZEROS.len();
    data[start..].iter().position(|&byte| byte != 0).map(|at| start + at)
}

fn merge(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted: Vec<_> = ranges.filter(|range| range.start < range.end).collect();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_ends_and_the_samples_of_a_large_disk() {
        let size = 1 << 40;
        let plan = ReadBack::plan(size, &[], &mut Sequence::from_seed(1));
        assert_eq!(plan.ranges.first().unwrap(), &(0..EDGE));
        assert_eq!(plan.ranges.last().unwrap(), &(size - EDGE..size));
        assert_eq!(plan.bytes(), 2 * EDGE + (SAMPLES + 2) * SAMPLE);
        assert_ne!(plan, ReadBack::plan(size, &[], &mut Sequence::from_seed(2)));
    }

    /// Where what names partitions, arrays, volumes and file systems lies: from the beginning, or from the end.
    fn signatures(size: u64) -> Vec<(&'static str, u64, u64)> {
        const SECTOR: u64 = 512;
        // The superblock 0.90 of md is in the last whole 64 KiB but one at most; 1.0 at least 8 KiB before the end.
        let md_0_90 = (size & !0xffff).saturating_sub(0x1_0000);
        let md_1_0 = (size / SECTOR).saturating_sub(16) / 8 * 8 * SECTOR;
        // ZFS has four labels of 256 KiB, aligned to that.
        let zfs_end = size / (256 << 10) * (256 << 10);
        vec![
            ("MBR", 0, SECTOR),
            ("GPT header and 128 entries", SECTOR, 33 * SECTOR),
            ("GPT header with sectors of 4 KiB", 4096, 5 * 4096),
            ("GPT backup entries and header", size - 33 * SECTOR, 33 * SECTOR),
            ("GPT backup with sectors of 4 KiB", size - 5 * 4096, 5 * 4096),
            ("LVM label in one of the first four sectors", 0, 4 * SECTOR),
            ("LVM metadata", 4096, 1 << 20),
            ("md 0.90", md_0_90, 4096),
            ("md 1.0", md_1_0, 4096),
            ("md 1.1", 0, 4096),
            ("md 1.2", 4096, 4096),
            ("Intel and DDF RAID, anchors at the end", size - 2 * SECTOR, 2 * SECTOR),
            ("ext2, 3, 4", 1024, 1024),
            ("XFS", 0, SECTOR),
            ("btrfs", 64 << 10, 4096),
            ("btrfs, first copy", 64 << 20, 4096),
            ("btrfs, second copy", 256 << 30, 4096),
            ("swap", 4086, 10),
            ("LUKS 1 and 2", 0, 4096),
            ("ZFS labels 0 and 1", 0, 512 << 10),
            ("ZFS labels 2 and 3", zfs_end.saturating_sub(512 << 10), 512 << 10),
        ]
    }

    #[test]
    fn the_places_of_partition_tables_and_other_signatures_are_read() {
        // Whole MiB, and such as disks are sold with: not a whole number of anything but sectors.
        let sizes = [
            1 << 20,
            16 << 20,
            33 << 20,
            256 << 20,
            1 << 40,
            500_107_862_016,
            960_197_124_096,
            20_000_588_955_648,
        ];
        for size in sizes {
            for (name, start, length) in signatures(size) {
                let end = (start + length).min(size);
                let read = |range: &Range<u64>| range.start <= start && end <= range.end;
                assert!(fixed(size).iter().any(read), "{name} of a disk of {size} bytes");
            }
        }
    }

    #[test]
    fn a_mark_is_found_until_it_is_erased() {
        let size = 4 << 20;
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        let info = crate::disk::DiskInfo { size_bytes: size, ..Default::default() };
        let disk = crate::disk::FileDisk::new(info, file);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let mut sequence = Sequence::from_seed(1);
            let mut plan = ReadBack::plan(size, &[], &mut sequence);
            assert_eq!(plan.find_mark(&disk).await.unwrap(), None);
            plan.mark(&disk, &mut sequence).await.unwrap();
            assert_eq!(plan.find_mark(&disk).await.unwrap(), Some(plan.samples[0]));
            disk.write_at(0, vec![0xa5; size as usize].into()).await.unwrap();
            assert_eq!(plan.find_mark(&disk).await.unwrap(), None);
        });
    }

    proptest! {
        #[test]
        fn covers_ends_samples_and_extras_and_stays_on_the_disk(
            size in prop_oneof![0..200_u64, 0..(1_u64 << 45)],
            seed: u64,
            extra in prop::collection::vec((any::<u64>(), 0..(1_u64 << 30)), 0..8),
        ) {
            let extra: Vec<_> = extra
                .into_iter()
                .map(|(start, length)| { let start = start % (size + 7); start..start + length })
                .collect();
            let plan = ReadBack::plan(size, &extra, &mut Sequence::from_seed(seed));
            for pair in plan.ranges.windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
            prop_assert!(plan.ranges.iter().all(|r| r.start < r.end && r.end <= size));
            let covered = |at: u64| plan.ranges.iter().any(|r| r.contains(&at));
            if size > 0 {
                prop_assert!(covered(0) && covered(size - 1) && covered((size - 1).min(EDGE - 1)));
            }
            for range in extra.iter().filter(|r| r.start < r.end && r.start < size) {
                prop_assert!(covered(range.start) && covered(range.end.min(size) - 1));
            }
            prop_assert!(plan.samples.iter().all(|&at| size == 0 || covered(at)));
        }

        #[test]
        fn finds_the_first_byte_that_is_not_zero(length in 0..20_000_usize, at: prop::sample::Index, byte in 1..=255_u8) {
            let mut data = vec![0; length];
            prop_assert_eq!(first_nonzero(&data), None);
            if length > 0 {
                let at = at.index(length);
                data[at] = byte;
                prop_assert_eq!(first_nonzero(&data), Some(at));
            }
        }
    }
}
