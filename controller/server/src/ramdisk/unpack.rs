//! Files that distributions compress, or not.

use anyhow::Context as _;
use std::io::Read;
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

/// The names end in .ko, .ko.gz, .ko.xz or .ko.zst, but the first bytes are what counts.
pub(super) fn unpack(bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if is_gzip(&bytes) {
        drain(flate2::read::MultiGzDecoder::new(bytes.as_slice()))
    } else if bytes.starts_with(b"\xfd7zXZ\0") {
        drain(lzma_rust2::XzReader::new(bytes.as_slice(), true))
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
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
