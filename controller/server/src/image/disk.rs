//! Disk images, decoded or converted from one end to the other.

use super::{MAX_DISK, PIECE, broken, qcow2, table};
use anyhow::{Context as _, bail};
use hostler_core::catalogue::Encoding;
use hostler_core::hardware::Arch;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};

/// How fast against how small, for images that are converted: machines decompress each level alike.
const ZSTD_LEVEL: i32 = 3;

/// Decodes the whole image, and looks at its partition table: returns its size on the disk.
///
/// # Errors
/// If it is no disk image, not all of one, or one for machines of another architecture.
pub(super) fn examine(mut file: File, encoding: Encoding, arch: Arch) -> anyhow::Result<u64> {
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
pub(super) fn convert(qcow2: File, arch: Arch, into: impl io::Write) -> anyhow::Result<u64> {
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
    use crate::image::format::Format;
    use crate::image::table;
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
