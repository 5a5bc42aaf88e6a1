//! The partition table at the beginning of a disk: MBR, or GPT (UEFI 2.10 section 5.3).

use anyhow::bail;
use hostler_core::hardware::Arch;

/// Sectors that partition tables count in. Images for disks with larger ones cannot be told from damaged ones.
const SECTOR: u64 = 512;

/// The entry of an MBR that only protects a GPT.
const PROTECTIVE: u8 = 0xee;

/// PowerPC Reference Platform: where Open Firmware finds the loader.
const MBR_PREP: u8 = 0x41;

/// Partition types that only machines of one architecture boot from (the Discoverable Partitions Specification, GRUB,
/// IEEE 1275), as they are written: the first three fields little-endian.
const TYPES: [([u8; 16], &str, Arch); 6] = [
    (guid("9E1A2D38-C612-4316-AA26-8B49521E5A8B"), "a PReP partition", Arch::Ppc64le),
    (guid("C31C45E6-3F39-412E-80FB-4809C4980599"), "a root partition for ppc64le", Arch::Ppc64le),
    (guid("B921B045-1DF0-41C3-AF44-4C6F280D3FAE"), "a root partition for aarch64", Arch::Aarch64),
    (guid("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"), "a root partition for x86_64", Arch::X86_64),
    (guid("44479540-F297-41B2-9AF7-D131D5F0458A"), "a root partition for 32-bit x86", Arch::X86_64),
    (guid("21686148-6449-6E6F-744E-656564454649"), "a partition for GRUB on BIOS", Arch::X86_64),
];

/// The partitions of an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table(Vec<Partition>);

#[derive(Debug, PartialEq, Eq)]
struct Partition {
    number: usize,
    /// The first byte after it.
    end: u64,
    /// What it is, if only machines of one architecture boot from it.
    kind: Option<(&'static str, Arch)>,
}

impl Table {
    /// Reads the table of the disk that begins with `head`.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn read(head: &[u8]) -> anyhow::Result<Self> {
        if head.get(510..512) != Some(&[0x55, 0xaa]) {
            bail!("it has no partition table, so it is no image of a disk");
        }
        let entries = head[446..510].chunks_exact(16);
        if entries.clone().any(|e| e[4] == PROTECTIVE) { Self::gpt(head) } else { Self::mbr(entries) }
    }

    fn mbr<'a>(entries: impl Iterator<Item = &'a [u8]>) -> anyhow::Result<Self> {
        let partition = |(i, e): (usize, &[u8])| {
            let (start, count) = (u64::from(le32(e, 8)?), u64::from(le32(e, 12)?));
            let kind = (e[4] == MBR_PREP).then_some(("a PReP partition", Arch::Ppc64le));
            let end = (start + count) * SECTOR;
            (e[4] != 0 && count > 0).then_some(Partition { number: i + 1, end, kind })
        };
        let partitions: Vec<_> = entries.enumerate().filter_map(partition).collect();
        if partitions.is_empty() {
            bail!("its partition table is empty, so nothing starts from it");
        }
        Ok(Self(partitions))
    }

    fn gpt(head: &[u8]) -> anyhow::Result<Self> {
        let header = head.get(512..).filter(|h| h.starts_with(b"EFI PART"));
        let Some(header) = header else {
            bail!(
                "its GPT is missing behind the protective MBR (images for 4096-byte sectors are not supported)"
            )
        };
        let (Some(first), Some(count), Some(size)) = (le64(header, 72), le32(header, 80), le32(header, 84))
        else {
            bail!("its GPT is truncated")
        };
        let start = first.checked_mul(SECTOR).and_then(|s| usize::try_from(s).ok());
        let entries = start.and_then(|s| head.get(s..)).unwrap_or_default();
        if !(128..=4096).contains(&size) || count > 1024 || entries.len() < (count * size) as usize {
            bail!("its GPT is damaged: {count} entries of {size} bytes at sector {first}");
        }
        let partition = |(i, e): (usize, &[u8])| {
            let kind: [u8; 16] = e[..16].try_into().ok()?;
            let end = le64(e, 40)?.saturating_add(1).saturating_mul(SECTOR);
            let known = TYPES.iter().find(|(guid, ..)| *guid == kind).map(|(_, what, arch)| (*what, *arch));
            (kind != [0; 16]).then_some(Partition { number: i + 1, end, kind: known })
        };
        let entries = entries.chunks_exact(size as usize).take(count as usize);
        let partitions: Vec<_> = entries.enumerate().filter_map(partition).collect();
        if partitions.is_empty() {
            bail!("its partition table is empty, so nothing starts from it");
        }
        Ok(Self(partitions))
    }

    /// Holds the table against the size of the disk and the machines that the image is said to be for.
    ///
    /// # Errors
    /// If a partition is not all there, or is one that other machines boot from.
    pub(super) fn check(&self, size: u64, arch: Arch) -> anyhow::Result<()> {
        if let Some(p) = self.0.iter().find(|p| p.end > size) {
            bail!(
                "partition {} ends at {}, but the image has {size} bytes: it is truncated",
                p.number,
                p.end
            );
        }
        let kinds: Vec<_> = self.0.iter().filter_map(|p| p.kind).collect();
        match kinds.first() {
            Some((what, found)) if kinds.iter().all(|(_, a)| *a != arch) => {
                bail!("it is for {found} and not for {arch}: it has {what}")
            }
            _ => Ok(()),
        }
    }
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

/// A GUID as it is written to disks.
const fn guid(text: &str) -> [u8; 16] {
    /// Where the digits of each byte stand in the text.
    const ORDER: [usize; 16] = [6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34];
    let text = text.as_bytes();
    let mut bytes = [0; 16];
    let mut i = 0;
    while i < 16 {
        bytes[i] = (digit(text[ORDER[i]]) << 4) | digit(text[ORDER[i] + 1]);
        i += 1;
    }
    bytes
}

const fn digit(letter: u8) -> u8 {
    match letter {
        b'0'..=b'9' => letter - b'0',
        _ => letter - b'A' + 10,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A disk with an MBR; partitions are (type, first sector, sectors).
    pub(in crate::image) fn mbr(partitions: &[(u8, u32, u32)], size: usize) -> Vec<u8> {
        let mut disk = vec![0; size];
        for (i, (kind, start, count)) in partitions.iter().enumerate() {
            let entry = &mut disk[446 + 16 * i..][..16];
            entry[4] = *kind;
            entry[8..12].copy_from_slice(&start.to_le_bytes());
            entry[12..16].copy_from_slice(&count.to_le_bytes());
        }
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    }

    /// A disk with a GPT; partitions are (type, first sector, last sector).
    fn gpt(partitions: &[(&str, u64, u64)], size: usize) -> Vec<u8> {
        let mut disk = mbr(&[(PROTECTIVE, 1, u32::MAX)], size);
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[512 + 72..][..8].copy_from_slice(&2_u64.to_le_bytes());
        disk[512 + 80..][..8].copy_from_slice(&[128, 0, 0, 0, 128, 0, 0, 0]);
        for (i, (kind, first, last)) in partitions.iter().enumerate() {
            let entry = &mut disk[1024 + 128 * i..][..128];
            entry[..16].copy_from_slice(&guid(kind));
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&last.to_le_bytes());
        }
        disk
    }

    const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
    const PREP: &str = "9E1A2D38-C612-4316-AA26-8B49521E5A8B";
    const GRUB: &str = "21686148-6449-6E6F-744E-656564454649";
    const SIZE: usize = 1 << 20;

    #[test]
    fn guids_are_mixed_endian() {
        assert_eq!(guid(LINUX)[..8], [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47]);
    }

    #[test]
    fn images_are_held_against_size_and_architecture() {
        let whole = SIZE as u64;
        for (disk, size, arch, expected) in [
            (mbr(&[(0x83, 1, 2047)], SIZE), whole, Arch::X86_64, None),
            (mbr(&[(0x83, 1, 2048)], SIZE), whole, Arch::X86_64, Some("partition 1 ends at 1049088")),
            (mbr(&[(0x41, 1, 8), (0x83, 9, 8)], SIZE), whole, Arch::Ppc64le, None),
            (
                mbr(&[(0x41, 1, 8), (0x83, 9, 8)], SIZE),
                whole,
                Arch::X86_64,
                Some("it is for ppc64le and not for x86_64"),
            ),
            (mbr(&[], SIZE), whole, Arch::X86_64, Some("its partition table is empty")),
            (gpt(&[(GRUB, 34, 40), (LINUX, 41, 2000)], SIZE), whole, Arch::X86_64, None),
            (
                gpt(&[(GRUB, 34, 40), (LINUX, 41, 2000)], SIZE),
                whole,
                Arch::Aarch64,
                Some("it has a partition for GRUB on BIOS"),
            ),
            (gpt(&[(GRUB, 34, 40), (PREP, 41, 50)], SIZE), whole, Arch::Ppc64le, None),
            (gpt(&[(LINUX, 41, 2000)], SIZE), whole, Arch::Aarch64, None),
            (gpt(&[(LINUX, 41, 2000)], SIZE), whole / 2, Arch::Aarch64, Some("it is truncated")),
            (gpt(&[(LINUX, 41, u64::MAX)], SIZE), whole, Arch::Aarch64, Some("it is truncated")),
            (gpt(&[], SIZE), whole, Arch::Aarch64, Some("its partition table is empty")),
            (gpt(&[], 600), 600, Arch::Aarch64, Some("its GPT is damaged")),
            (mbr(&[(PROTECTIVE, 1, 1)], 512), 512, Arch::X86_64, Some("its GPT is missing")),
            (vec![0; 512], 512, Arch::X86_64, Some("it has no partition table")),
        ] {
            let found = Table::read(&disk).and_then(|t| t.check(size, arch)).map_err(|e| e.to_string());
            match expected {
                None => assert_eq!(found, Ok(())),
                Some(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{part:?}: {found:?}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_table_is_an_answer_or_an_error(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 512..4096), gpt: bool) {
            bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
            if gpt && bytes.len() >= 1024 {
                bytes[450] = PROTECTIVE;
                bytes[512..520].copy_from_slice(b"EFI PART");
            }
            let _ = Table::read(&bytes).and_then(|t| t.check(1 << 30, Arch::X86_64));
        }
    }
}
