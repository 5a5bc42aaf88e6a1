//! The ramdisk of an image for machines that start without a disk, as the kernel unpacks it: archives in cpio's "newc"
//! format, plain or compressed, with zeros in between (the kernel's `buffer-format.rst`).

use super::{PIECE, broken};
use crate::ramdisk::cpio::{HEAD, Head, TRAILER, is_newc};
use anyhow::bail;
use std::io::{self, BufRead, BufReader, Read};

/// More than this is a bomb of compressed zeros: no machine has so much memory for it.
const MOST: u64 = 1 << 40;

/// What tells formats apart.
const MAGIC: u64 = 6;

/// Longer names are not what the kernel takes either.
const LONGEST_NAME: usize = 4096;

/// Reads a ramdisk to its end; with `starts_init`, it has to have what the kernel starts if it is told nothing else.
///
/// # Errors
/// If it is something else, damaged, or not all there.
pub(super) fn examine(mut ramdisk: impl BufRead, starts_init: bool) -> anyhow::Result<()> {
    let mut seen = Seen::default();
    while let Some(magic) = next_magic(&mut ramdisk)? {
        let mut part = magic.as_slice().chain(&mut ramdisk);
        match magic.as_slice() {
            [0x1f, 0x8b, ..] => seen.archives_in(flate2::bufread::GzDecoder::new(part))?,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                seen.archives_in(zstd::Decoder::with_buffer(part)?.single_frame())?;
            }
            // Its decoder reads ahead, so it has to be the last.
            [0xfd, b'7', b'z', b'X', b'Z', ..] => {
                seen.archives_in(lzma_rust2::XzReader::new(part, true))?;
                break;
            }
            magic => seen.archive(magic, &mut part)?,
        }
    }
    if seen.archives == 0 {
        bail!("it is empty");
    }
    if starts_init && !seen.init {
        bail!("it has no /init for the kernel to start; name another program with rdinit= in the arguments");
    }
    Ok(())
}

/// What was found so far.
#[derive(Debug, Default)]
struct Seen {
    archives: u32,
    init: bool,
    bytes: u64,
}

impl Seen {
    /// Everything in a compressed part.
    fn archives_in(&mut self, decoder: impl Read) -> anyhow::Result<()> {
        let (before, mut inner) = (self.archives, BufReader::with_capacity(PIECE, decoder));
        while let Some(magic) = next_magic(&mut inner)? {
            self.archive(&magic, &mut magic.as_slice().chain(&mut inner))?;
        }
        if self.archives == before {
            bail!("a compressed part of it is empty");
        }
        Ok(())
    }

    /// One archive, which begins with `magic`.
    fn archive(&mut self, magic: &[u8], from: &mut impl Read) -> anyhow::Result<()> {
        if !is_newc(magic) {
            bail!("{}", what_else(magic));
        }
        loop {
            let mut head = [0; HEAD];
            from.read_exact(&mut head).map_err(broken)?;
            if !is_newc(&head) {
                bail!("it is damaged: an entry begins with something else");
            }
            let Some(Head { size, name_size }) = Head::parse(&head) else {
                bail!("it is damaged: the head of an entry makes no sense")
            };
            let name = name(from, name_size as usize)?;
            if name == TRAILER.as_bytes() {
                self.archives += 1;
                return Ok(());
            }
            self.init |= matches!(name.strip_prefix(b"./").unwrap_or(&name), b"init" | b"/init");
            let padded = u64::from(size).next_multiple_of(4);
            self.bytes += padded;
            if self.bytes > MOST {
                bail!("it unpacks to more than {} GiB", MOST >> 30);
            }
            if io::copy(&mut from.take(padded), &mut io::sink()).map_err(broken)? < padded {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

/// The name of an entry, with its padding taken, which some leave out behind the trailer.
fn name(from: &mut impl Read, size: usize) -> anyhow::Result<Vec<u8>> {
    if !(1..=LONGEST_NAME).contains(&size) {
        bail!("it is damaged: a name has {size} bytes");
    }
    let padding = (HEAD + size).next_multiple_of(4) - HEAD - size;
    let mut name = vec![0; size];
    from.read_exact(&mut name).map_err(broken)?;
    io::copy(&mut from.take(padding as u64), &mut io::sink()).map_err(broken)?;
    name.truncate(size - 1);
    Ok(name)
}

/// The bytes that tell what comes next, behind zeros; none at the end.
fn next_magic(from: &mut impl BufRead) -> anyhow::Result<Option<Vec<u8>>> {
    loop {
        let ahead = from.fill_buf().map_err(broken)?;
        if ahead.is_empty() {
            return Ok(None);
        }
        let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
        let more = zeros < ahead.len();
        from.consume(zeros);
        if more {
            let mut magic = Vec::new();
            from.take(MAGIC).read_to_end(&mut magic).map_err(broken)?;
            return Ok(Some(magic));
        }
    }
}

fn what_else(magic: &[u8]) -> &'static str {
    match magic {
        [b'B', b'Z', b'h', ..] => "it is compressed with bzip2; use zstd, gzip or xz",
        [0x02, 0x21, 0x4c, 0x18, ..] | [0x04, 0x22, 0x4d, 0x18, ..] => {
            "it is compressed with lz4; use zstd, gzip or xz"
        }
        [0x89, b'L', b'Z', b'O', ..] => "it is compressed with lzo; use zstd, gzip or xz",
        [0x5d, 0, 0, ..] => "it is compressed with lzma; use zstd, gzip or xz",
        [b'h', b's', b'q', b's', ..] => "it is a squashfs file system, which the kernel does not unpack",
        [0x7f, b'E', b'L', b'F', ..] => "it is an ELF program or kernel",
        [b'<', b'!' | b'h' | b'H', ..] => "it is a web page: the download went wrong",
        _ => "it is neither a cpio archive (newc) nor one that zstd, gzip or xz compressed",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ramdisk::cpio::Archive;
    use std::io::{Cursor, Write as _};
    use std::process::{Command, Stdio};

    /// An archive with one file of this name.
    pub(in crate::image) fn cpio(name: &str) -> Vec<u8> {
        let (mut archive, mut bytes) = (Archive::default(), Vec::new());
        archive.file(name, 0o755, b"hello".to_vec());
        archive.write(&mut bytes).unwrap();
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    /// As others pack it, where xz(1) is installed.
    fn xz(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut packer = Command::new("xz");
        packer.arg("--check=crc32").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut packer = packer.spawn().ok()?;
        packer.stdin.take()?.write_all(bytes).unwrap();
        Some(packer.wait_with_output().unwrap().stdout)
    }

    fn look(bytes: &[u8]) -> anyhow::Result<()> {
        // Few bytes at once: what is looked for may be cut at any place.
        examine(BufReader::with_capacity(5, Cursor::new(bytes.to_vec())), true)
    }

    #[test]
    fn ramdisks_as_they_are_packed() {
        let (init, other) = (cpio("init"), cpio("kernel/x86/microcode/GenuineIntel.bin"));
        let padded = |bytes: Vec<u8>| [&bytes[..], &[0; 512]].concat();
        for whole in [
            init.clone(),
            cpio("./init"),
            padded(init.clone()),
            gzip(&init),
            zstd(&init),
            gzip(&padded([other.clone(), init.clone()].concat())),
            [padded(other.clone()), zstd(&init)].concat(),
            [padded(gzip(&init)), padded(zstd(&other)), other.clone()].concat(),
        ] {
            look(&whole).unwrap();
        }
        if let Some(packed) = xz(&init) {
            look(&packed).unwrap();
            look(&[padded(other), packed.clone()].concat()).unwrap();
            look(&packed[..packed.len() - 9]).unwrap_err();
        }
        examine(Cursor::new(cpio("sbin/start")), false).unwrap();
    }

    #[test]
    fn what_is_no_ramdisk_is_refused_in_words() {
        let init = cpio("init");
        let cut = |bytes: Vec<u8>, from_end: usize| bytes[..bytes.len() - from_end].to_vec();
        for (bytes, expected) in [
            (Vec::new(), "it is empty"),
            (vec![0; 512], "it is empty"),
            (gzip(b""), "a compressed part of it is empty"),
            (b"some text".to_vec(), "it is neither a cpio archive"),
            (gzip(b"some text"), "it is neither a cpio archive"),
            (b"BZh91AY".to_vec(), "it is compressed with bzip2"),
            (b"\x02\x21\x4c\x18".to_vec(), "it is compressed with lz4"),
            (b"hsqs\0\0\0\0".to_vec(), "it is a squashfs file system"),
            (b"<!DOCTYPE html>".to_vec(), "it is a web page"),
            (cpio("sbin/init"), "it has no /init"),
            (cut(init.clone(), 8), "it ends in the middle"),
            (cut(init.clone(), 200), "it ends in the middle"),
            (cut(gzip(&init), 9), "it ends in the middle"),
            (cut(zstd(&init), 9), "it ends in the middle"),
            ([&init[..54], b"no digit", &init[62..]].concat(), "the head of an entry makes no sense"),
        ] {
            let text = format!("{:#}", look(&bytes).expect_err(expected));
            assert!(text.contains(expected), "{expected:?} is not in {text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(
            start in 0_usize..5,
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)
        ) {
            let init = cpio("init");
            let head = [&b""[..], b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", &init[..60]][start];
            let _ = look(&[head, &bytes].concat());
        }
    }
}
