//! The content of one transfer, and what its end says about it.

use super::GIVE_UP;
use crate::admission::Pass;
use crate::library::Library;
use crate::source::{Client, Observation};
use bytes::{Buf as _, Bytes};
use futures::AsyncRead;
use hostler_core::boot::NetworkEvidence;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Whom to tell of the end of a transfer.
pub(super) struct Watch {
    pub(super) library: Arc<Library>,
    pub(super) stopped: CancellationToken,
    pub(super) client: Client,
    pub(super) path: String,
    pub(super) rendered: bool,
    pub(super) _pass: Pass,
}

/// Reads from the copy that all transfers share.
pub(super) struct Reader {
    rest: Bytes,
    length: u64,
    started: Instant,
    last_read: Instant,
    watch: Watch,
}

impl Reader {
    pub(super) fn new(content: Bytes, watch: Watch) -> Self {
        let now = Instant::now();
        Self { length: content.len() as u64, rest: content, started: now, last_read: now, watch }
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// `async-tftp` does not tell how a transfer ended; it drops the reader. All was read, and the last block was
    /// acknowledged before the server gave up waiting for it: the machine has the file.
    fn is_complete(&self) -> bool {
        self.rest.is_empty() && self.last_read.elapsed() < GIVE_UP
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = buf.len().min(this.rest.len());
        this.rest.copy_to_slice(&mut buf[..length]);
        this.last_read = Instant::now();
        Poll::Ready(Ok(length))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let watch = &self.watch;
        if watch.stopped.is_cancelled() {
            return;
        }
        let kind = if watch.rendered { NetworkEvidence::Script } else { NetworkEvidence::Tftp };
        let seen = Observation {
            kind,
            bytes: self.length - self.rest.len() as u64,
            elapsed: self.started.elapsed(),
            complete: self.is_complete(),
            detail: format!("TFTP {}", watch.path),
        };
        watch.library.source.observe(&watch.client, seen);
    }
}
