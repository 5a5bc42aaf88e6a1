//! Fetching an image, and writing it to a disk meanwhile.

use super::decode::{Decoder, Encoding, UnknownEncoding};
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
    #[error("cannot store what was written to {path}")]
    Sync {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Encoding(#[from] UnknownEncoding),
    #[error(
        "the image at {url} is not {encoding} as announced in the task, or damaged: after {received} bytes"
    )]
    Undecodable {
        url: String,
        encoding: Encoding,
        received: u64,
        #[source]
        source: io::Error,
    },
    #[error("the image at {url} decodes to more than the {expected} bytes that the task announces")]
    DecodesToMore { url: String, expected: u64 },
    #[error("the image at {url} decodes to {found} bytes, not {expected} as announced in the task")]
    DecodesToLess { url: String, found: u64, expected: u64 },
    #[error(
        "kernel and ramdisk of {size} bytes take {needed} bytes of memory until they run, and there are {available}"
    )]
    NoMemory { size: u64, needed: u64, available: u64 },
    #[error("cannot hold kernel and ramdisk in memory")]
    Memory(#[source] io::Error),
    #[error("a newer task replaced this one")]
    Cancelled,
}

/// What is to be fetched, checked.
pub(super) struct Image {
    url: HttpUrl,
    sha256: [u8; 32],
    size: u64,
    encoding: Encoding,
    /// After decoding.
    disk_bytes: u64,
}

impl Image {
    /// That is written as it comes.
    pub(super) fn plain(url: &str, sha256: &str, size: u64) -> Result<Self, ImageError> {
        let sha256 = params::digest(sha256)
            .ok_or_else(|| ImageError::MalformedDigest(sha256.chars().take(80).collect()))?;
        Ok(Self { url: url.parse()?, sha256, size, encoding: Encoding::Plain, disk_bytes: size })
    }

    fn for_disk(task: &DeployTask) -> Result<Self, ImageError> {
        let plain = Self::plain(&task.url, &task.sha256, task.size_bytes)?;
        Ok(Self { encoding: task.encoding.parse()?, disk_bytes: disk_bytes(task), ..plain })
    }
}

/// Where an image goes while it is being fetched.
pub(super) trait Sink {
    /// It comes from its beginning. Whatever came before counts for nothing.
    async fn begin(&mut self) -> Result<(), ImageError>;

    /// What comes next.
    async fn push(&mut self, data: Bytes) -> Result<(), ImageError>;

    /// All of it has come, and it is what was announced.
    async fn finish(&mut self) -> Result<(), ImageError>;
}

/// What the image takes on the disk.
pub(crate) const fn disk_bytes(task: &DeployTask) -> u64 {
    if task.disk_bytes == 0 { task.size_bytes } else { task.disk_bytes }
}

/// Fetches the image and writes it to the beginning of the disk. It counts only with the right sizes and digest, and
/// when the disk has confirmed that it is stored; before that, nothing can boot from it.
pub(crate) async fn write_image(
    machine: &dyn Machine,
    disk: &dyn Disk,
    task: &DeployTask,
    watch: &Watch,
) -> Result<(), ImageError> {
    let image = Image::for_disk(task)?;
    fetch(machine, &image, &mut Writer::new(disk, &image), watch).await
}

/// Fetches the image, from its beginning whenever the transfer breaks off.
pub(super) async fn fetch(
    machine: &dyn Machine,
    image: &Image,
    sink: &mut impl Sink,
    watch: &Watch,
) -> Result<(), ImageError> {
    watch.expect(image.size);
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    for _ in 1..TRIES {
        match transfer(machine, image, sink, watch).await {
            Err(error) if error.is_transient() => {
                tracing::warn!("{}", chain(&error));
                let pause = watch.or_cancelled(sleep(backoff.next_delay())).await;
                pause.map_err(|_| ImageError::Cancelled)?;
            }
            result => return result,
        }
    }
    transfer(machine, image, sink, watch).await
}

impl ImageError {
    /// True if the bytes are not those that the controller announced, or more than such machines hold: another machine
    /// gets the same.
    pub(crate) const fn is_fault_of_image(&self) -> bool {
        matches!(
            self,
            Self::Announced { .. }
                | Self::Truncated { .. }
                | Self::TooLong { .. }
                | Self::WrongDigest { .. }
                | Self::Undecodable { .. }
                | Self::DecodesToMore { .. }
                | Self::DecodesToLess { .. }
                | Self::NoMemory { .. }
        )
    }

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
    image: &Image,
    sink: &mut impl Sink,
    watch: &Watch,
) -> Result<(), ImageError> {
    let mut download = Download::start(machine, &image.url).await?;
    if let Some(found) = download.length().filter(|&found| found != image.size) {
        return Err(ImageError::Announced { url: image.url.to_string(), found, expected: image.size });
    }
    let decoder = Decoder::new(image.encoding).map_err(|source| image.undecodable(0, source))?;
    sink.begin().await?;
    let mut pipe = Pipe { decoder, output: BytesMut::new() };
    let mut digest = Context::new(&SHA256);
    let mut received = 0;
    loop {
        let next = watch.or_cancelled(download.next()).await.map_err(|_| ImageError::Cancelled)??;
        let Some(mut piece) = next else { break };
        received += piece.len() as u64;
        if received > image.size {
            return Err(ImageError::TooLong { url: image.url.to_string(), expected: image.size });
        }
        digest.update(&piece);
        while !piece.is_empty() || pipe.decoder.wants_room() {
            (pipe, piece) = pipe.step(piece).await.map_err(|source| image.undecodable(received, source))?;
            sink.push(pipe.output.split().freeze()).await?;
            watch.check().map_err(|_| ImageError::Cancelled)?;
        }
        watch.advance_to(received);
    }
    if received < image.size {
        return Err(ImageError::Truncated {
            url: image.url.to_string(),
            found: received,
            expected: image.size,
        });
    }
    image.verify(digest)?;
    pipe.decoder.finish(&mut pipe.output).map_err(|source| image.undecodable(received, source))?;
    sink.push(pipe.output.freeze()).await?;
    sink.finish().await
}

impl Image {
    fn verify(&self, digest: Context) -> Result<(), ImageError> {
        let found = digest.finish();
        if found.as_ref() == self.sha256 {
            return Ok(());
        }
        Err(ImageError::WrongDigest {
            url: self.url.to_string(),
            found: hex(found),
            expected: hex(self.sha256),
        })
    }

    fn undecodable(&self, received: u64, source: io::Error) -> ImageError {
        ImageError::Undecodable { url: self.url.to_string(), encoding: self.encoding, received, source }
    }
}

/// Decodes where it does not stop others.
struct Pipe {
    decoder: Decoder,
    output: BytesMut,
}

impl Pipe {
    /// Decodes about a piece. Returns what is left of the input.
    async fn step(mut self, mut input: Bytes) -> io::Result<(Self, Bytes)> {
        if matches!(self.decoder, Decoder::Plain) {
            return Ok((Self { output: BytesMut::from(input), ..self }, Bytes::new()));
        }
        let work = tokio::task::spawn_blocking(move || {
            self.decoder.decode(&mut input, &mut self.output, PIECE).map(|()| (self, input))
        });
        work.await.map_err(io::Error::other)?
    }
}

/// Gathers what comes from the decoder into pieces that a disk likes.
///
/// The first piece has the boot sector and the partition table, the last one the other copy of the table. Both are
/// held back until everything is known to be right, and what the first one is to replace is erased before anything
/// else is written: whatever happens in between, nothing boots half an image.
struct Writer<'a> {
    disk: &'a dyn Disk,
    image: &'a Image,
    first: Option<Bytes>,
    /// Where the buffer belongs.
    offset: u64,
    buffer: BytesMut,
}

impl<'a> Writer<'a> {
    fn new(disk: &'a dyn Disk, image: &'a Image) -> Self {
        Self { disk, image, first: None, offset: 0, buffer: BytesMut::with_capacity(PIECE) }
    }

    async fn write_buffer(&mut self) -> Result<(), ImageError> {
        let piece = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(PIECE)).freeze();
        let (offset, length) = (self.offset, piece.len() as u64);
        if offset == 0 {
            self.first = Some(piece);
        } else {
            self.write(offset, piece).await?;
        }
        self.offset += length;
        Ok(())
    }

    async fn write(&self, offset: u64, piece: Bytes) -> Result<(), ImageError> {
        self.disk.write_at(offset, piece).await.map_err(|source| ImageError::Write {
            path: self.disk.info().path.clone(),
            offset,
            source,
        })
    }

    async fn sync(&self) -> Result<(), ImageError> {
        self.disk
            .sync()
            .await
            .map_err(|source| ImageError::Sync { path: self.disk.info().path.clone(), source })
    }
}

impl Sink for Writer<'_> {
    async fn begin(&mut self) -> Result<(), ImageError> {
        *self = Self::new(self.disk, self.image);
        let size = usize::try_from(self.disk.info().size_bytes).unwrap_or(usize::MAX);
        self.write(0, Bytes::from(vec![0; size.min(PIECE)])).await?;
        self.sync().await
    }

    async fn push(&mut self, mut data: Bytes) -> Result<(), ImageError> {
        let end = self.offset + (self.buffer.len() + data.len()) as u64;
        if end > self.image.disk_bytes {
            return Err(ImageError::DecodesToMore {
                url: self.image.url.to_string(),
                expected: self.image.disk_bytes,
            });
        }
        while !data.is_empty() {
            // Not before there is more, since the last piece is held back.
            if self.buffer.len() == PIECE {
                self.write_buffer().await?;
            }
            let room = PIECE - self.buffer.len();
            self.buffer.extend_from_slice(&data.split_to(room.min(data.len())));
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ImageError> {
        let found = self.offset + self.buffer.len() as u64;
        if found < self.image.disk_bytes {
            return Err(ImageError::DecodesToLess {
                url: self.image.url.to_string(),
                found,
                expected: self.image.disk_bytes,
            });
        }
        self.write_buffer().await?;
        self.sync().await?;
        if let Some(first) = self.first.take() {
            self.write(0, first).await?;
        }
        self.sync().await
    }
}
