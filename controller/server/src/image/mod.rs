//! Images as they are added: what they are, and whether a machine could start from them.
//!
//! A bad image is refused here, where it is entered, and not by a machine that has already been wiped for it. Looking
//! at an image means decoding all of it once:
//!
//! * [`table`]: the partition table, which says whether this is a disk at all, of which size and for which machines;
//! * [`qcow2`]: QEMU's format, which cannot be written as it arrives, so it is turned into a compressed raw image;
//! * [`kernel`], [`initrd`]: the halves of an image for machines that start without a disk.

mod initrd;
mod kernel;
mod qcow2;
mod table;

use crate::storage::{Blobs, Upload};
use anyhow::{Context as _, bail};
use hostler_core::catalogue::{Content, Encoding, Kind};
use hostler_core::hardware::Arch;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};

/// The largest disk that is believed; more is a mistake, or a bomb of compressed zeros.
const MAX_DISK: u64 = 16 << 40;

/// Read at once.
const PIECE: usize = 1 << 20;

/// How fast against how small, for images that are converted: machines decompress each level alike.
const ZSTD_LEVEL: i32 = 3;

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Goes to the disk as it is, once this is undone.
    Encoded(Encoding),
    /// Has to be converted.
    Qcow2,
}

impl Format {
    /// # Errors
    /// If the file is something else that has a name.
    pub(crate) fn of(file: &mut File) -> anyhow::Result<Self> {
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
            let disk_bytes = examine(file, encoding, arch)?;
            Ok((upload, Kind::Disk { encoding, disk_bytes }))
        }
        Format::Qcow2 => {
            let mut converted = images.upload()?;
            let disk_bytes = convert(file, arch, &mut converted)?;
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

/// Decodes the whole image, and looks at its partition table: returns its size on the disk.
///
/// # Errors
/// If it is no disk image, not all of one, or one for machines of another architecture.
pub(crate) fn examine(mut file: File, encoding: Encoding, arch: Arch) -> anyhow::Result<u64> {
    let name = encoding.as_str();
    file.rewind()?;
    match encoding {
        Encoding::Raw => measure(file, arch),
        Encoding::Zstd => measure(zstd::Decoder::new(file)?, arch).context(format!("the {name} stream")),
        Encoding::Gzip => {
            let stream = flate2::read::MultiGzDecoder::new(BufReader::with_capacity(PIECE, file));
            measure(stream, arch).context(format!("the {name} stream"))
        }
    }
}

/// Turns a qcow2 image into a zstd stream of the disk that it describes; the disk is measured on the way.
///
/// # Errors
/// As [`examine`], and if the image needs something that it does not hold itself.
pub(crate) fn convert(qcow2: File, arch: Arch, into: impl io::Write) -> anyhow::Result<u64> {
    let disk = qcow2::Disk::open(qcow2).context("the qcow2 image")?;
    let mut encoder = zstd::Encoder::new(into, ZSTD_LEVEL)?;
    let size = measure(Tee { from: disk, into: &mut encoder }, arch).context("the qcow2 image")?;
    encoder.finish()?;
    Ok(size)
}

/// Reads to the end; checks the table that stands at the beginning.
fn measure(mut disk: impl Read, arch: Arch) -> anyhow::Result<u64> {
    let mut head = Vec::new();
    disk.by_ref().take(PIECE as u64).read_to_end(&mut head).map_err(broken)?;
    let table = table::Table::read(&head)?;
    let mut size = head.len() as u64;
    let mut piece = vec![0; PIECE];
    loop {
        match disk.read(&mut piece).map_err(broken)? {
            0 => break,
            count => size += count as u64,
        }
        if size > MAX_DISK {
            bail!("it has more than {} TiB", MAX_DISK >> 40);
        }
    }
    table.check(size, arch)?;
    Ok(size)
}

/// What a decoder says, in words.
fn broken(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => anyhow::anyhow!("it ends in the middle: the file is truncated"),
        _ => anyhow::Error::new(error).context("it is damaged"),
    }
}

/// Hands on what is read.
struct Tee<R, W> {
    from: R,
    into: W,
}

impl<R: Read, W: io::Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.into.write_all(&buffer[..count])?;
        Ok(count)
    }
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

    /// A disk of 4 MiB with one partition, which holds a text.
    fn disk() -> Vec<u8> {
        let mut disk = table::tests::mbr(&[(0x83, 2048, 4096)], 4 << 20);
        disk[1 << 20..][..6].copy_from_slice(b"tenant");
        disk
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_encoding_has_the_same_size_on_the_disk() {
        for bytes in [disk(), zstd(&disk()), gzip(&disk())] {
            let mut file = file(&bytes);
            let Format::Encoded(encoding) = Format::of(&mut file).unwrap() else { unreachable!() };
            assert_eq!(examine(file, encoding, Arch::X86_64).unwrap(), 4 << 20, "{encoding:?}");
        }
    }

    #[test]
    fn what_is_no_image_is_refused_in_words() {
        let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
        for (bytes, expected) in [
            (Vec::new(), "it is empty"),
            (b"\x7fELF\x02\x01".to_vec(), "it is an ELF program or kernel"),
            (b"<!DOCTYPE html>".to_vec(), "it is a web page"),
            (b"\xfd7zXZ\0".to_vec(), "it is compressed with xz"),
            (b"some text".to_vec(), "it has no partition table"),
            (half(disk()), "partition 1 ends at 3145728, but the image has 2097152 bytes"),
            (half(zstd(&disk())), "it ends in the middle"),
            (half(gzip(&disk())), "it ends in the middle"),
            (zstd(b"some text"), "it has no partition table"),
        ] {
            let mut file = file(&bytes);
            let error = match Format::of(&mut file) {
                Ok(Format::Encoded(encoding)) => examine(file, encoding, Arch::X86_64).unwrap_err(),
                Ok(Format::Qcow2) => unreachable!(),
                Err(error) => error,
            };
            let text = format!("{error:#}");
            assert!(text.contains(expected), "{expected:?} is not in {text:?}");
        }
    }

    #[test]
    fn a_damaged_stream_is_refused() {
        let mut bytes = gzip(&disk());
        let end = bytes.len() - 6;
        bytes[end] ^= 1;
        let error = examine(file(&bytes), Encoding::Gzip, Arch::X86_64).unwrap_err();
        assert!(format!("{error:#}").contains("it is damaged"), "{error:#}");
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

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(64))]
        #[test]
        fn any_bytes_are_an_answer_or_an_error(magic in 0_usize..5, tail in proptest::collection::vec(proptest::num::u8::ANY, 0..2048)) {
            let magic: &[u8] = [&b""[..], b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08", b"QFI\xfb\0\0\0\x03", b"QFI\xfb\0\0\0\x02"][magic];
            let mut file = file(&[magic, &tail].concat());
            match Format::of(&mut file) {
                Ok(Format::Encoded(encoding)) => { let _ = examine(file, encoding, Arch::X86_64); }
                Ok(Format::Qcow2) => { let _ = convert(file, Arch::X86_64, io::sink()); }
                Err(_) => {}
            }
        }
    }
}
