//! Files that distributions compress, or not.

use anyhow::Context as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

/// Modules and kernels have tens of megabytes; what unpacks to more is something else.
const MOST: u64 = 512 << 20;

/// Reads a file whole, unpacked if it is compressed by gzip, xz or zstd.
///
/// # Errors
/// If it cannot be read or is damaged.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    unpack(bytes).with_context(|| format!("cannot unpack {}", path.display()))
}

/// True for what gzip wrote.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Reads on from the first bytes of a file, unpacked if gzip or zstd compressed it.
///
/// # Errors
/// If it cannot be read.
pub(super) fn reader(file: File) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::new(file);
    let head = file.fill_buf()?;
    Ok(if is_gzip(head) {
        Box::new(flate2::bufread::MultiGzDecoder::new(file))
    } else if is_zstd(head) {
        Box::new(zstd::stream::read::Decoder::with_buffer(file)?)
    } else {
        Box::new(file)
    })
}

/// True for what zstd wrote.
fn is_zstd(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

/// The names end in .ko, .ko.gz, .ko.xz or .ko.zst, but the first bytes are what counts.
pub(super) fn unpack(bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if is_gzip(&bytes) {
        drain(flate2::read::MultiGzDecoder::new(bytes.as_slice()))
    } else if bytes.starts_with(b"\xfd7zXZ\0") {
        drain(lzma_rust2::XzReader::new(bytes.as_slice(), true))
    } else if is_zstd(&bytes) {
        drain(zstd::stream::read::Decoder::new(bytes.as_slice())?)
    } else {
        Ok(bytes)
    }
}

fn drain(reader: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
