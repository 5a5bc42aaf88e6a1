//! Where images are, and those that are still arriving there.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::watch;

/// The piece in which content is read and handed over.
pub(crate) const PIECE: usize = 128 << 10;

/// Where images are.
#[derive(Clone, Debug)]
pub enum Images {
    /// Files of a directory. Each is named by the SHA-256 of its bytes in lower-case hexadecimal; they may appear and
    /// vanish while the server runs.
    Directory(PathBuf),
    /// Somewhere else.
    Store(Arc<dyn ImageStore>),
}

impl From<&Path> for Images {
    fn from(directory: &Path) -> Self {
        Self::Directory(directory.to_owned())
    }
}

/// Images that are not all in a directory.
pub trait ImageStore: Debug + Send + Sync + 'static {
    /// The image of this digest. [`io::ErrorKind::NotFound`] if there is none.
    fn open(&self, digest: &str) -> BoxFuture<'_, io::Result<Arriving>>;
}

/// A file whose length is known and whose bytes arrive in order.
#[derive(Debug)]
pub struct Arriving {
    file: File,
    length: u64,
    here: watch::Receiver<u64>,
}

impl Arriving {
    /// A file that will have `length` bytes, and how many of them are there. If nobody counts any more before all are,
    /// the rest will not come. The position of `file` is nobody else's.
    #[must_use]
    pub const fn new(file: File, length: u64, here: watch::Receiver<u64>) -> Self {
        Self { file, length, here }
    }

    /// A file that is complete.
    ///
    /// # Errors
    /// If its length cannot be found out.
    pub fn whole(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::new(file, length, watch::channel(length).1))
    }

    /// Bytes, with those that are not there yet.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The bytes `start..end`, which are within the length, as they arrive.
    #[must_use]
    pub fn part(self, start: u64, end: u64) -> BoxStream<'static, io::Result<Bytes>> {
        let file = tokio::fs::File::from_std(self.file);
        let reader = Reader { file, here: self.here, next: start, end };
        let begun = async move { reader.begin().await };
        let pieces = |reader| futures::stream::try_unfold(reader, Reader::piece);
        futures::stream::once(begun).map_ok(pieces).try_flatten().boxed()
    }
}

/// Somebody who reads a part.
struct Reader {
    file: tokio::fs::File,
    here: watch::Receiver<u64>,
    next: u64,
    end: u64,
}

impl Reader {
    async fn begin(mut self) -> io::Result<Self> {
        self.file.seek(SeekFrom::Start(self.next)).await?;
        Ok(self)
    }

    async fn piece(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.next >= self.end {
            return Ok(None);
        }
        let next = self.next;
        let there = self.here.wait_for(|there| *there > next).await.map(|there| *there);
        let there = there
            .map_err(|_| io::Error::new(io::ErrorKind::UnexpectedEof, "the rest of it does not arrive"))?;
        let mut piece = Vec::new();
        let length = (there.min(self.end) - next).min(PIECE as u64);
        (&mut self.file).take(length).read_to_end(&mut piece).await?;
        self.next += piece.len() as u64;
        Ok((!piece.is_empty()).then(|| (piece.into(), self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[tokio::test]
    async fn readers_wait_for_what_has_not_arrived() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let (sender, here) = watch::channel(0);
        let open = || Arriving::new(File::open(file.path()).unwrap(), 10, here.clone());
        let (mut all, mut end, mut never) = (open().part(0, 10), open().part(8, 9), open().part(9, 10));
        assert!(futures::poll!(all.next()).is_pending());
        file.write_all(b"01234").unwrap();
        sender.send_replace(5);
        assert_eq!(all.next().await.unwrap().unwrap(), "01234");
        assert!(futures::poll!(end.next()).is_pending());
        file.write_all(b"5678").unwrap();
        sender.send_replace(9);
        assert_eq!(end.next().await.unwrap().unwrap(), "8");
        assert!(end.next().await.is_none());
        assert_eq!(all.next().await.unwrap().unwrap(), "5678");
        drop(sender);
        let error = never.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
