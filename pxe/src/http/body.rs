//! Content on its way to a machine.

use crate::content::Source;
use crate::images::{Arriving, PIECE};
use crate::library::Library;
use crate::source::{Client, Observation};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream as _, StreamExt as _};
use hostler_core::boot::NetworkEvidence;
use hyper::body::{Body, Frame, SizeHint};
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// Content that was opened: its length is known and does not follow later changes of the file.
pub(super) enum Opened {
    /// In memory.
    Memory(Bytes),
    /// A file and its length.
    File(File, u64),
    /// An image that may still be on its way here.
    Image(Arriving),
}

impl Opened {
    /// Opens `source`.
    pub(super) async fn open(source: Source) -> io::Result<Self> {
        match source {
            Source::Memory(bytes) => Ok(Self::Memory(bytes)),
            Source::File(path) => {
                let file = File::open(path).await?;
                let metadata = file.metadata().await?;
                if !metadata.is_file() {
                    return Err(io::ErrorKind::NotFound.into());
                }
                Ok(Self::File(file, metadata.len()))
            }
            Source::Image(store, digest) => store.open(&digest).await.map(Self::Image),
        }
    }

    /// Bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
            Self::Image(arriving) => arriving.length(),
        }
    }

    /// The bytes `start..end`, which are within the length.
    pub(super) async fn part(self, start: u64, end: u64) -> io::Result<Content> {
        let left = end - start;
        let pieces = match self {
            Self::Memory(bytes) => {
                let outside = || io::Error::from(io::ErrorKind::InvalidInput);
                let range = usize::try_from(start).map_err(|_| outside())?
                    ..usize::try_from(end).map_err(|_| outside())?;
                Pieces::Memory(bytes.slice(range))
            }
            Self::File(mut file, _) => {
                file.seek(SeekFrom::Start(start)).await?;
                Pieces::File(ReaderStream::with_capacity(file.take(left), PIECE).boxed())
            }
            Self::Image(arriving) => Pieces::File(arriving.part(start, end)),
        };
        Ok(Content { pieces, left, watch: None })
    }
}

enum Pieces {
    Memory(Bytes),
    File(BoxStream<'static, io::Result<Bytes>>),
}

/// The body of a response. Tells the source of its end.
pub(super) struct Content {
    pieces: Pieces,
    left: u64,
    watch: Option<Watch>,
}

/// Whom to tell of the end of a transfer.
pub(super) struct Watch {
    pub(super) library: Arc<Library>,
    pub(super) client: Client,
    pub(super) rendered: bool,
    pub(super) detail: String,
    pub(super) started: Instant,
    pub(super) length: u64,
}

impl Content {
    /// A body in memory that nobody is told of.
    pub(super) fn quiet(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { left: bytes.len() as u64, pieces: Pieces::Memory(bytes), watch: None }
    }

    /// The same, but its end is told.
    pub(super) fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.pieces {
            Pieces::Memory(rest) if rest.is_empty() => Poll::Ready(None),
            Pieces::Memory(rest) => Poll::Ready(Some(Ok(rest.split_to(rest.len().min(PIECE))))),
            Pieces::File(pieces) => Pin::new(pieces).poll_next(cx),
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match ready!(this.poll_piece(cx)) {
            Some(piece) => piece?,
            // Less than was promised: the connection breaks, so that the machine does not take it for the whole.
            None => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
        };
        this.left = this.left.saturating_sub(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        let Some(watch) = self.watch.take() else { return };
        let kind = if watch.rendered { NetworkEvidence::Script } else { NetworkEvidence::Http };
        let seen = Observation {
            kind,
            bytes: watch.length - self.left,
            elapsed: watch.started.elapsed(),
            complete: self.left == 0,
            detail: watch.detail,
        };
        watch.library.source.observe(&watch.client, seen);
    }
}
