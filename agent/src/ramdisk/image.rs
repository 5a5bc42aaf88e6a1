//! Writing an image to a disk while it is being fetched.

use super::task::Watch;
use crate::backoff::Backoff;
use crate::disk::Disk;
use crate::error::chain;
use crate::http::{Download, HttpError};
use crate::identity::hex;
use crate::machine::Machine;
use crate::params;
use crate::url::{HttpUrl, UrlError};
use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use hostler_proto::agent::v1::DeployTask;
use std::io;
use std::time::Duration;
use tokio::time::sleep;

/// What is written at once: whole erase blocks of most flash.
const PIECE: usize = 1 << 20;

/// How often a transfer that broke off is begun anew.
const TRIES: u32 = 6;

/// Why the image is not on the disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("the image's address makes no sense")]
    Address(#[from] UrlError),
    #[error("the image's SHA-256 {0:?} is not 64 hexadecimal digits")]
    MalformedDigest(String),
    #[error("cannot fetch the image")]
    Fetch(#[from] HttpError),
    #[error("the image at {url} has {found} bytes, not {expected} as announced in the task")]
    Announced { url: String, found: u64, expected: u64 },
    #[error("the image at {url} ends after {found} of {expected} bytes")]
    Truncated { url: String, found: u64, expected: u64 },
    #[error("the image at {url} goes on after {expected} bytes")]
    TooLong { url: String, expected: u64 },
    #[error("the image at {url} has the SHA-256 {found}, not {expected}")]
    WrongDigest { url: String, found: String, expected: String },
    #[error("cannot write to {path} at {offset}")]
    Write {
        path: String,
        offset: u64,
        #[source]
        source: io::Error,
    },
    #[error("a newer task replaced this one")]
    Cancelled,
}

/// What is to be fetched, checked.
struct Image {
    url: HttpUrl,
    sha256: [u8; 32],
    size: u64,
}

/// Fetches the image and writes it to the beginning of the disk. It counts only with the right size and digest, and
/// when the disk has confirmed that it is stored.
pub(crate) async fn write_image(
    machine: &dyn Machine,
    disk: &dyn Disk,
    task: &DeployTask,
    watch: &Watch,
) -> Result<(), ImageError> {
    let sha256 = params::digest(&task.sha256)
        .ok_or_else(|| ImageError::MalformedDigest(task.sha256.chars().take(80).collect()))?;
    let image = Image { url: task.url.parse()?, sha256, size: task.size_bytes };
    watch.expect(image.size);
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    for _ in 1..TRIES {
        match transfer(machine, disk, &image, watch).await {
            Err(error) if error.is_transient() => {
                tracing::warn!("{}", chain(&error));
                let pause = watch.or_cancelled(sleep(backoff.next_delay())).await;
                pause.map_err(|_| ImageError::Cancelled)?;
            }
            result => return result,
        }
    }
    transfer(machine, disk, &image, watch).await
}

impl ImageError {
    /// A server that is being restarted also ends a transfer early without an error.
    fn is_transient(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_transient(),
            Self::Truncated { .. } => true,
            _ => false,
        }
    }
}

async fn transfer(
    machine: &dyn Machine,
    disk: &dyn Disk,
    image: &Image,
    watch: &Watch,
) -> Result<(), ImageError> {
    let mut download = Download::start(machine, &image.url).await?;
    if let Some(found) = download.length().filter(|&found| found != image.size) {
        return Err(ImageError::Announced { url: image.url.to_string(), found, expected: image.size });
    }
    let mut writer = Writer { disk, offset: 0, buffer: BytesMut::with_capacity(PIECE) };
    let mut digest = Context::new(&SHA256);
    let mut received = 0;
    loop {
        let next = watch.or_cancelled(download.next()).await.map_err(|_| ImageError::Cancelled)??;
        let Some(piece) = next else { break };
        received += piece.len() as u64;
        if received > image.size {
            return Err(ImageError::TooLong { url: image.url.to_string(), expected: image.size });
        }
        digest.update(&piece);
        writer.push(piece).await?;
        watch.advance_to(received);
    }
    if received < image.size {
        return Err(ImageError::Truncated {
            url: image.url.to_string(),
            found: received,
            expected: image.size,
        });
    }
    let found = digest.finish();
    if found.as_ref() != image.sha256 {
        return Err(ImageError::WrongDigest {
            url: image.url.to_string(),
            found: hex(found),
            expected: hex(image.sha256),
        });
    }
    writer.finish().await
}

/// Gathers what comes from the network into pieces that a disk likes.
struct Writer<'a> {
    disk: &'a dyn Disk,
    offset: u64,
    buffer: BytesMut,
}

impl Writer<'_> {
    async fn push(&mut self, mut data: Bytes) -> Result<(), ImageError> {
        while !data.is_empty() {
            let room = PIECE - self.buffer.len();
            self.buffer.extend_from_slice(&data.split_to(room.min(data.len())));
            if self.buffer.len() == PIECE {
                self.write().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), ImageError> {
        let piece = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(PIECE)).freeze();
        let length = piece.len() as u64;
        self.disk.write_at(self.offset, piece).await.map_err(|source| self.failed(source))?;
        self.offset += length;
        Ok(())
    }

    async fn finish(mut self) -> Result<(), ImageError> {
        if !self.buffer.is_empty() {
            self.write().await?;
        }
        self.disk.sync().await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> ImageError {
        ImageError::Write { path: self.disk.info().path.clone(), offset: self.offset, source }
    }
}
