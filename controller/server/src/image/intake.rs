//! An upload, taken in if it is what it is said to be.

use super::format::Format;
use super::{PIECE, disk, initrd, kernel};
use crate::storage::{Blobs, Upload};
use anyhow::{Context as _, bail};
use hostler_core::catalogue::{Content, Encoding, Kind};
use hostler_core::hardware::Arch;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};

/// What an upload is said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A disk image, in one of the formats.
    Disk,
    /// A kernel and, behind it, a ramdisk.
    Diskless {
        /// How many of the bytes are the kernel.
        kernel_bytes: u64,
        /// The kernel's command line.
        arguments: String,
    },
}

/// Looks at what was uploaded and puts it in place, converted if it has to be.
///
/// # Errors
/// If it is not what was announced, or no image that machines of `arch` could start from.
pub(crate) fn take_in(
    images: &Blobs,
    upload: Upload,
    expected: Option<&str>,
    arch: Arch,
    form: Form,
) -> anyhow::Result<Content> {
    upload.check(expected)?;
    let file = upload.reader()?;
    let looked_at = match form {
        Form::Disk => take_disk(images, upload, file, arch),
        Form::Diskless { kernel_bytes, arguments } => {
            let checked = examine_diskless(file, kernel_bytes, &arguments, arch);
            checked.map(|()| (upload, Kind::Diskless { kernel_bytes, arguments }))
        }
    };
    let (upload, kind) = looked_at.with_context(|| format!("this cannot be an image for {arch}"))?;
    let (sha256, size_bytes) = upload.finish()?;
    Ok(Content { sha256, size_bytes, kind })
}

fn take_disk(images: &Blobs, upload: Upload, mut file: File, arch: Arch) -> anyhow::Result<(Upload, Kind)> {
    match Format::of(&mut file)? {
        Format::Encoded(encoding) => {
            let disk_bytes = disk::examine(file, encoding, arch)?;
            Ok((upload, Kind::Disk { encoding, disk_bytes }))
        }
        Format::Qcow2 => {
            let mut converted = images.upload()?;
            let disk_bytes = disk::convert(file, arch, &mut converted)?;
            Ok((converted, Kind::Disk { encoding: Encoding::Zstd, disk_bytes }))
        }
    }
}

/// Holds both halves of a diskless image against what machines of `arch` start.
///
/// # Errors
/// If one of them is nothing of its kind, not all there, or for another architecture.
fn examine_diskless(mut file: File, kernel_bytes: u64, arguments: &str, arch: Arch) -> anyhow::Result<()> {
    if kernel_bytes > kernel::MOST {
        bail!("its kernel has {kernel_bytes} bytes, more than any kernel");
    }
    let mut bytes = Vec::new();
    file.rewind()?;
    file.by_ref().take(kernel_bytes).read_to_end(&mut bytes)?;
    kernel::examine(&bytes, arch).context("the kernel")?;
    let starts_init = !arguments.split(' ').any(|word| word.starts_with("rdinit="));
    initrd::examine(BufReader::with_capacity(PIECE, file), starts_init).context("the ramdisk")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn both_halves_of_a_diskless_image_are_looked_at() {
        let (kernel, ramdisk) = (kernel::tests::bz_image(), initrd::tests::cpio("sbin/start"));
        let look = |kernel_bytes: usize, arguments| {
            let file = file(&[&kernel[..], &ramdisk].concat());
            let looked = examine_diskless(file, kernel_bytes as u64, arguments, Arch::X86_64);
            looked.map_err(|error| format!("{error:#}"))
        };
        assert_eq!(look(kernel.len(), "quiet rdinit=/sbin/start"), Ok(()));
        let without = look(kernel.len(), "quiet").unwrap_err();
        assert!(without.starts_with("the ramdisk: it has no /init for the kernel to start"), "{without}");
        let cut = look(kernel.len() - 1, "").unwrap_err();
        assert!(cut.starts_with("the kernel: ") && cut.ends_with("it is truncated"), "{cut}");
        assert!(look(usize::MAX, "").unwrap_err().ends_with("more than any kernel"));
    }
}
