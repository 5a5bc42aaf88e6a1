//! What is on a partition, by its content.

/// How much of a partition tells what it is.
pub(super) const LOOK_AT: usize = 68 << 10;

/// A file system, or what else a partition may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Or one of its predecessors, which its driver serves as well.
    Ext4 {
        block: u64,
        uuid: [u8; 16],
    },
    Xfs {
        block: u64,
        inode_percent: u8,
        uuid: [u8; 16],
    },
    Btrfs {
        uuid: [u8; 16],
    },
    Fat,
    Lvm,
    Luks,
    Unknown,
}

impl Content {
    /// From the beginning of the partition.
    pub(super) fn of(data: &[u8]) -> Self {
        let is = |at: usize, magic: &[u8]| data.get(at..at + magic.len()) == Some(magic);
        if is(1024 + 0x38, &[0x53, 0xef]) {
            let shift = u32_le(data, 1024 + 0x18).filter(|&shift| shift <= 6);
            return shift.map_or(Self::Unknown, |shift| Self::Ext4 {
                block: 1024 << shift,
                uuid: uuid(data, 1024 + 0x68),
            });
        }
        if is(0, b"XFSB") {
            let block = u32_le(data, 4).map_or(0, u32::swap_bytes);
            if !block.is_power_of_two() {
                return Self::Unknown;
            }
            let inode_percent = data.get(127).copied().unwrap_or_default();
            return Self::Xfs { block: block.into(), inode_percent, uuid: uuid(data, 32) };
        }
        if is((64 << 10) + 0x40, b"_BHRfS_M") {
            return Self::Btrfs { uuid: uuid(data, (64 << 10) + 0x20) };
        }
        let label = |sector: usize| is(sector * 512, b"LABELONE") && is(sector * 512 + 24, b"LVM2 001");
        if (0..4).any(label) {
            return Self::Lvm;
        }
        if is(0, b"LUKS\xba\xbe") {
            return Self::Luks;
        }
        if is(510, &[0x55, 0xaa]) && (is(82, b"FAT32   ") || is(54, b"FAT16   ") || is(54, b"FAT12   ")) {
            return Self::Fat;
        }
        Self::Unknown
    }

    /// What the kernel calls the file system, if it is one.
    pub(super) const fn file_system(&self) -> Option<&'static str> {
        match self {
            Self::Ext4 { .. } => Some("ext4"),
            Self::Xfs { .. } => Some("xfs"),
            Self::Btrfs { .. } => Some("btrfs"),
            Self::Fat => Some("vfat"),
            Self::Lvm | Self::Luks | Self::Unknown => None,
        }
    }

    /// For people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Lvm => "LVM",
            Self::Luks => "LUKS",
            other => other.file_system().unwrap_or("unknown"),
        }
    }

    /// As `root=UUID=` wants it.
    pub(super) fn uuid(&self) -> Option<String> {
        let (Self::Ext4 { uuid, .. } | Self::Xfs { uuid, .. } | Self::Btrfs { uuid }) = self else {
            return None;
        };
        let hex = crate::identity::hex(uuid);
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        Some(parts.join("-"))
    }
}

fn u32_le(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

fn uuid(data: &[u8], at: usize) -> [u8; 16] {
    data.get(at..at + 16).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// Bytes, and where they are.
    type Parts<'a> = &'a [(usize, &'a [u8])];

    fn with(parts: Parts<'_>) -> Vec<u8> {
        let mut data = vec![0; LOOK_AT];
        for (at, bytes) in parts {
            data[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        data
    }

    #[test]
    fn what_a_partition_has() {
        let cases: [(Parts<'_>, Content); 9] = [
            (
                &[(1080, &[0x53, 0xef]), (1048, &[2, 0, 0, 0]), (1128, &UUID)],
                Content::Ext4 { block: 4096, uuid: UUID },
            ),
            (&[(1080, &[0x53, 0xef]), (1048, &[7, 0, 0, 0])], Content::Unknown),
            (
                &[(0, b"XFSB\0\0\x10\0"), (32, &UUID), (127, &[25])],
                Content::Xfs { block: 4096, inode_percent: 25, uuid: UUID },
            ),
            (&[(0, b"XFSB\0\0\x10\x01")], Content::Unknown),
            (&[(0x10040, b"_BHRfS_M"), (0x10020, &UUID)], Content::Btrfs { uuid: UUID }),
            (&[(512, b"LABELONE"), (536, b"LVM2 001")], Content::Lvm),
            (&[(0, b"LUKS\xba\xbe\0\x02")], Content::Luks),
            (&[(510, &[0x55, 0xaa]), (82, b"FAT32   ")], Content::Fat),
            (&[(510, &[0x55, 0xaa])], Content::Unknown),
        ];
        for (parts, expected) in cases {
            assert_eq!(Content::of(&with(parts)), expected);
        }
        let uuid = Content::Btrfs { uuid: UUID }.uuid().unwrap();
        assert_eq!(uuid, "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(data in prop::collection::vec(any::<u8>(), 0..3000)) {
            let content = Content::of(&data);
            prop_assert!(content.uuid().is_none() || content.file_system().is_some());
        }
    }
}
