//! The disk that a qcow2 file describes, as a stream (QEMU's docs/interop/qcow2.txt, versions 2 and 3).

use anyhow::{Context as _, bail};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

/// Incompatible features (version 3) that do not matter to somebody who only reads: the file was not closed cleanly,
/// and its clusters may be compressed with zstd.
const DIRTY: u64 = 1;
const COMPRESSION_TYPE: u64 = 1 << 3;

/// Flags of an entry of a second-level table.
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
/// The bits of an entry that are the offset of a cluster.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// Reads the guest's disk from beginning to end.
pub(super) struct Disk {
    file: File,
    cluster_bits: u32,
    size: u64,
    zstd: bool,
    first: Vec<u64>,
    /// The second-level table in use, by its offset.
    second: (u64, Vec<u64>),
    cluster: Vec<u8>,
    /// How far the reader is, in bytes of the guest's disk.
    position: u64,
}

impl Disk {
    /// # Errors
    /// If it needs another file or a feature that is not known here, or its tables cannot be.
    pub(super) fn open(file: File) -> anyhow::Result<Self> {
        let mut header = [0; 112];
        let length = file.read_at(&mut header, 0)?;
        if length < 72 {
            bail!("it ends in its header");
        }
        let header = Header(&header);
        let (version, cluster_bits, size) = (header.u32(4), header.u32(20), header.u64(24));
        if !matches!(version, 2 | 3) {
            bail!("version {version} is not known");
        }
        if header.u64(8) != 0 {
            bail!("it needs another file, its backing file; make one of both with `qemu-img convert`");
        }
        if header.u32(32) != 0 {
            bail!("it is encrypted");
        }
        let features = if version == 3 { header.u64(72) } else { 0 };
        if features & !(DIRTY | COMPRESSION_TYPE) != 0 {
            bail!(
                "it is marked corrupt, keeps its data elsewhere or has extended tables (features {features:#x})"
            );
        }
        if !(9..=21).contains(&cluster_bits) || size == 0 || size > super::MAX_DISK {
            bail!("a disk of {size} bytes in clusters of 2^{cluster_bits} cannot be");
        }
        let zstd = features & COMPRESSION_TYPE != 0 && header.byte(104) == 1;
        let per_table = 1_u64 << (2 * cluster_bits - 3);
        let needed = size.div_ceil(per_table);
        if u64::from(header.u32(36)) < needed {
            bail!("its first table has {} entries, {needed} are needed", header.u32(36));
        }
        let first = table(&file, header.u64(40), needed).context("its first table")?;
        let cluster = Vec::with_capacity(1 << cluster_bits);
        Ok(Self { file, cluster_bits, size, zstd, first, second: (0, Vec::new()), cluster, position: 0 })
    }

    /// Makes `self.cluster` the one at `self.position`.
    fn load(&mut self) -> io::Result<()> {
        let size = 1_usize << self.cluster_bits;
        let entry = self.entry()?;
        self.cluster.clear();
        self.cluster.resize(size, 0);
        if entry & COMPRESSED != 0 {
            self.decompress(entry)
        } else if entry & ZERO == 0 && entry & OFFSET != 0 {
            self.file.read_exact_at(&mut self.cluster, entry & OFFSET)
        } else {
            Ok(())
        }
    }

    /// The entry of the second-level table; zero for what was never written.
    fn entry(&mut self) -> io::Result<u64> {
        let cluster = self.position >> self.cluster_bits;
        let bits = self.cluster_bits - 3;
        let within = usize::try_from(cluster & ((1 << bits) - 1)).map_err(io::Error::other)?;
        let index = usize::try_from(cluster >> bits).map_err(io::Error::other)?;
        let offset = self.first.get(index).copied().unwrap_or_default() & OFFSET;
        if offset == 0 {
            return Ok(0);
        }
        if self.second.0 != offset {
            self.second = (offset, table(&self.file, offset, 1 << bits)?);
        }
        Ok(self.second.1.get(within).copied().unwrap_or_default())
    }

    fn decompress(&mut self, entry: u64) -> io::Result<()> {
        let bits = 62 - (self.cluster_bits - 8);
        let offset = entry & ((1 << bits) - 1);
        let sectors = ((entry & (COMPRESSED - 1)) >> bits) + 1;
        let length = usize::try_from(sectors * 512 - (offset & 511)).map_err(io::Error::other)?;
        let mut data = vec![0; length];
        // The last cluster of a file may end before its last sector does.
        let mut have = 0;
        while have < length {
            match self.file.read_at(&mut data[have..], offset + have as u64)? {
                0 => break,
                count => have += count,
            }
        }
        if self.zstd {
            zstd::Decoder::with_buffer(&data[..have])?.read_exact(&mut self.cluster)
        } else {
            flate2::read::DeflateDecoder::new(&data[..have]).read_exact(&mut self.cluster)
        }
    }
}

impl Read for Disk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size - self.position;
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let within =
            usize::try_from(self.position & ((1 << self.cluster_bits) - 1)).map_err(io::Error::other)?;
        if within == 0 {
            self.load()?;
        }
        let end = self.cluster.len().min(within + usize::try_from(left).unwrap_or(usize::MAX));
        let count = buffer.len().min(end - within);
        buffer[..count].copy_from_slice(&self.cluster[within..within + count]);
        self.position += count as u64;
        Ok(count)
    }
}

/// Reads a table of `count` big-endian numbers: at most 64 MiB for the largest disk that is accepted.
fn table(file: &File, offset: u64, count: u64) -> io::Result<Vec<u64>> {
    let length = count.checked_mul(8).filter(|bytes| *bytes <= 64 << 20);
    let length = length.and_then(|bytes| usize::try_from(bytes).ok()).ok_or(io::ErrorKind::InvalidData)?;
    // Before anything is allocated: is all of it there?
    let end = offset.checked_add(length as u64).ok_or(io::ErrorKind::InvalidData)?;
    if end > file.metadata()?.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.chunks_exact(8).filter_map(|b| b.first_chunk()).map(|b| u64::from_be_bytes(*b)).collect())
}

/// The header's big-endian fields.
struct Header<'a>(&'a [u8; 112]);

impl Header<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.0[at]
    }

    fn u32(&self, at: usize) -> u32 {
        self.0[at..].first_chunk().map_or(0, |b| u32::from_be_bytes(*b))
    }

    fn u64(&self, at: usize) -> u64 {
        self.0[at..].first_chunk().map_or(0, |b| u64::from_be_bytes(*b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const CLUSTER: usize = 1 << 16;

    /// A version 3 image of four clusters: plain, never written, zero, compressed.
    fn image(patch: impl FnOnce(&mut Vec<u8>)) -> File {
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        deflate.write_all(&[7; CLUSTER]).unwrap();
        let deflated = deflate.finish().unwrap();
        let mut bytes = vec![0; 4 * CLUSTER];
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(20, &16_u32.to_be_bytes());
        put(24, &(4 * CLUSTER as u64 - 512).to_be_bytes());
        put(36, &1_u32.to_be_bytes());
        put(40, &(CLUSTER as u64).to_be_bytes());
        put(CLUSTER, &((2 * CLUSTER as u64) | (1 << 63)).to_be_bytes());
        put(2 * CLUSTER, &((3 * CLUSTER as u64) | (1 << 63)).to_be_bytes());
        put(2 * CLUSTER + 16, &((3 * CLUSTER as u64) | ZERO).to_be_bytes());
        put(2 * CLUSTER + 24, &(COMPRESSED | (4 * CLUSTER as u64)).to_be_bytes());
        bytes[3 * CLUSTER..].fill(5);
        bytes.extend_from_slice(&deflated);
        patch(&mut bytes);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn every_kind_of_cluster() {
        let mut disk = Vec::new();
        Disk::open(image(|_| {})).unwrap().read_to_end(&mut disk).unwrap();
        let expected: Vec<u8> = [5, 0, 0, 7].iter().flat_map(|b| [*b; CLUSTER]).collect();
        assert_eq!(disk.len(), 4 * CLUSTER - 512);
        assert!(disk == expected[..disk.len()]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_words() {
        type Patch = fn(&mut Vec<u8>);
        let cases: [(Patch, &str); 7] = [
            (|b| b.truncate(40), "it ends in its header"),
            (|b| b[7] = 9, "version 9 is not known"),
            (|b| b[15] = 1, "it needs another file"),
            (|b| b[35] = 2, "it is encrypted"),
            (|b| b[79] = 2, "it is marked corrupt"),
            (|b| b[23] = 40, "clusters of 2^40 cannot be"),
            (|b| b[39] = 0, "its first table has 0 entries, 1 are needed"),
        ];
        for (patch, expected) in cases {
            let error = Disk::open(image(patch)).map(|_| ()).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{expected:?}: {error:#}");
        }
    }

    #[test]
    fn tables_and_clusters_beyond_the_end_are_truncation() {
        for at in [CLUSTER, 2 * CLUSTER] {
            let file = image(|b| b[at..at + 8].copy_from_slice(&0x0000_7fff_ffff_0000_u64.to_be_bytes()));
            let error = Disk::open(file).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
