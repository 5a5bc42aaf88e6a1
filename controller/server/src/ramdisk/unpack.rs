//! Files that distributions compress, or not.

use anyhow::{Context as _, ensure};
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
pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
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
        drain(flate2::read::MultiGzDecoder::new(bytes.as_slice()), MOST)
    } else if bytes.starts_with(b"\xfd7zXZ\0") {
        drain(lzma_rust2::XzReader::new(bytes.as_slice(), true), MOST)
    } else if is_zstd(&bytes) {
        drain(zstd::stream::read::Decoder::new(bytes.as_slice())?, MOST)
    } else {
        Ok(bytes)
    }
}

fn drain(reader: impl Read, most: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= most, "it unpacks to more than {most} bytes");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unpacks_to_more_than_is_allowed_is_refused_and_not_cut() {
        let packed = zstd::encode_all(&[7; 1000][..], 1).unwrap();
        let unpack = |most| drain(zstd::stream::read::Decoder::new(packed.as_slice()).unwrap(), most);
        assert_eq!(unpack(1000).unwrap(), [7; 1000]);
        assert_eq!(unpack(999).unwrap_err().to_string(), "it unpacks to more than 999 bytes");
    }
}
