//! What a file is, by its first bytes.

use anyhow::bail;
use hostler_core::catalogue::Encoding;
use std::fs::File;
use std::io::{Read as _, Seek as _};

/// A format of disk images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Goes to the disk as it is, once this is undone.
    Encoded(Encoding),
    /// Has to be converted.
    Qcow2,
}

impl Format {
    /// # Errors
    /// If the file is something else that has a name.
    pub(super) fn of(file: &mut File) -> anyhow::Result<Self> {
        let mut magic = Vec::new();
        file.rewind()?;
        file.take(8).read_to_end(&mut magic)?;
        file.rewind()?;
        match magic.as_slice() {
            [] => bail!("it is empty"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Encoded(Encoding::Zstd)),
            [0x1f, 0x8b, ..] => Ok(Self::Encoded(Encoding::Gzip)),
            [b'Q', b'F', b'I', 0xfb, ..] => Ok(Self::Qcow2),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => {
                bail!("it is compressed with xz, which machines undo too slowly; use zstd")
            }
            [b'B', b'Z', b'h', ..] => {
                bail!("it is compressed with bzip2, which machines undo too slowly; use zstd")
            }
            [0x7f, b'E', b'L', b'F', ..] => bail!("it is an ELF program or kernel, not a disk image"),
            [b'K', b'D', b'M', b'V', ..] => {
                bail!("it is a VMDK image; convert it with `qemu-img convert -O qcow2`")
            }
            [b'v', b'h', b'd', b'x', ..] => {
                bail!("it is a VHDX image; convert it with `qemu-img convert -O qcow2`")
            }
            [b'<', b'!' | b'h' | b'H', ..] => bail!("it is a web page: the download went wrong"),
            _ => Ok(Self::Encoded(Encoding::Raw)),
        }
    }
}
