//! The output of one task in a bucket.
//!
//! ```text
//!   agent --- pieces ---> waiting (memory) --- a segment ---> bucket ---> acknowledged, and shown to readers
//! ```
//!
//! What is acknowledged is in a segment that the bucket has taken; what waits here is sent again by the agent if this
//! controller ends. So the memory is no promise, and readers see nothing that another controller would not find.

use super::bucket::{Bucket, PARTS};
use super::runs::Piece;
use super::segments::{Segment, Segments};
use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _};
use hostler_core::ids::RunId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// For how long output waits for more of it.
const GATHER: Duration = Duration::from_millis(500);

/// Output that waits for nothing: half of what an agent sends before it waits for an acknowledgement.
const ENOUGH: usize = 512 << 10;

/// More is not kept waiting. An agent of ours sends less.
const MOST: usize = 4 << 20;

/// Between two tries to store a segment.
const AGAIN: Duration = Duration::from_secs(2);

/// Listings that a reader asks for while segments are being joined.
const LOOKS: usize = 4;

/// Who hears of what was acknowledged: runs and how many bytes of their output.
pub(crate) type Acknowledged = mpsc::UnboundedSender<(RunId, u64)>;

/// Hears that there is more output of a run.
pub(crate) type OnOutput = Arc<dyn Fn(RunId) + Send + Sync>;

/// A byte log.
pub(super) struct Log {
    run: RunId,
    /// Where its segments are.
    name: String,
    limit: u64,
    bucket: Bucket,
    on_output: OnOutput,
    /// Held by who changes objects, or looks at all of them.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    enough: Notify,
}

#[derive(Default)]
struct State {
    segments: Segments,
    /// True if it is written here, so that there are no segments but these.
    ours: bool,
    waiting: BytesMut,
    /// How much the agent has sent, with what is beyond the limit.
    sent: u64,
    /// True while somebody sees to it that what waits is stored.
    attended: bool,
    listener: Option<Acknowledged>,
}

impl State {
    fn kept(&self) -> u64 {
        self.segments.end() + self.waiting.len() as u64
    }

    fn acknowledged(&self, limit: u64) -> u64 {
        let stored = self.segments.end();
        if stored >= limit { stored.max(self.sent) } else { stored }
    }
}

impl Log {
    pub(super) fn new(run: RunId, name: String, limit: u64, bucket: Bucket, on_output: OnOutput) -> Self {
        let (turn, state, enough) = <_>::default();
        Self { run, name, limit, bucket, on_output, turn, state, enough }
    }

    /// Takes output in; returns how much is stored. The listener hears of the rest.
    pub(super) async fn append(&self, piece: &Piece, listener: &Acknowledged) -> anyhow::Result<u64> {
        self.make_ours().await?;
        let mut state = self.state();
        let kept = state.kept();
        if piece.offset > kept && kept < self.limit {
            bail!("bytes from {kept} to {} are missing", piece.offset);
        }
        let skip = usize::try_from(kept.saturating_sub(piece.offset)).unwrap_or(usize::MAX);
        let fresh = piece.data.get(skip..).unwrap_or_default();
        let room = usize::try_from(self.limit.saturating_sub(kept)).unwrap_or(usize::MAX);
        let fresh = &fresh[..fresh.len().min(room)];
        if state.waiting.len() + fresh.len() > MOST {
            bail!("more output waits for the object store than an agent sends before it is acknowledged");
        }
        state.waiting.extend_from_slice(fresh);
        state.sent = state.sent.max(piece.offset.saturating_add(piece.data.len() as u64));
        state.listener = Some(listener.clone());
        if state.waiting.len() >= ENOUGH {
            self.enough.notify_one();
        }
        Ok(state.acknowledged(self.limit))
    }

    /// True if output waits and nobody sees to it: then the caller has to, with [`attend`](Self::attend).
    pub(super) fn needs_attention(&self) -> bool {
        let mut state = self.state();
        !state.waiting.is_empty() && !std::mem::replace(&mut state.attended, true)
    }

    /// Stores what waits, now and then, until nothing does.
    pub(super) async fn attend(&self, stop: CancellationToken) {
        let mut failed = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.enough.notified(), if !failed => {}
                () = tokio::time::sleep(if failed { AGAIN } else { GATHER }) => {}
            }
            match self.flush().await {
                Ok(true) => return,
                // The bucket has said what is wrong.
                outcome => failed = outcome.is_err(),
            }
        }
    }

    /// Stores all that waits.
    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        while !self.flush().await? {}
        Ok(())
    }

    /// Joins what is in many small segments.
    pub(super) async fn join(&self) -> anyhow::Result<()> {
        let _turn = self.turn.lock().await;
        self.join_in_turn().await
    }

    /// Output from `offset` on that is stored, at most `limit` bytes and none of the next segment; empty at the end.
    pub(super) async fn read(&self, offset: u64, limit: usize) -> anyhow::Result<Bytes> {
        for look in 0..LOOKS {
            let (found, ours) = {
                let state = self.state();
                (state.segments.holding(offset), state.ours)
            };
            match found {
                Some(segment) => {
                    let end = segment.end.min(offset.saturating_add(limit as u64));
                    if let Some(data) = self.get(segment, offset..end).await? {
                        return Ok(data);
                    }
                }
                None if ours || look > 0 => return Ok(Bytes::new()),
                None => {}
            }
            let _turn = self.turn.lock().await;
            self.look().await?;
        }
        bail!("the segments of {} vanish while they are read", self.name)
    }

    /// True if nothing is lost when this is forgotten.
    pub(super) fn is_idle(&self) -> bool {
        self.state().waiting.is_empty()
    }

    /// From the first output on, this controller is the one that writes.
    async fn make_ours(&self) -> anyhow::Result<()> {
        if self.state().ours {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if !self.state().ours {
            self.look().await?;
            self.state().ours = true;
        }
        Ok(())
    }

    /// Finds out which segments there are. The caller has the turn.
    async fn look(&self) -> anyhow::Result<()> {
        let listed = Segments::named(&self.bucket.list(&self.name).await?);
        let mut state = self.state();
        if state.ours {
            let (known, end) = (state.segments.end(), listed.end());
            ensure!(known <= end, "{} lists {end} bytes, and has taken {known}", self.name);
            // Another controller stored what waits here, before it found that it leads no more.
            let theirs = usize::try_from(end - known).unwrap_or(usize::MAX).min(state.waiting.len());
            state.waiting.advance(theirs);
        }
        state.segments = listed;
        Ok(())
    }

    /// Stores one segment of what waits; true if nothing waits any more.
    async fn flush(&self) -> anyhow::Result<bool> {
        let _turn = self.turn.lock().await;
        let (start, data) = {
            let state = self.state();
            (state.segments.end(), Bytes::copy_from_slice(&state.waiting))
        };
        if !data.is_empty() {
            let length = data.len();
            let segment = Segment { start, end: start + length as u64 };
            self.bucket.put(&self.path(segment), data).await?;
            self.stored(segment, length);
        }
        if self.state().segments.are_scattered()
            && let Err(error) = self.join_in_turn().await
        {
            tracing::warn!(name = self.name, "segments could not be joined, which is tried again: {error:#}");
        }
        let mut state = self.state();
        let done = state.waiting.is_empty();
        state.attended &= !done;
        Ok(done)
    }

    fn stored(&self, segment: Segment, length: usize) {
        let mut state = self.state();
        state.segments.add(segment);
        state.waiting.advance(length);
        if let Some(listener) = &state.listener {
            // A session that has ended needs no acknowledgement: the next one asks again.
            let _ = listener.send((self.run, state.acknowledged(self.limit)));
        }
        drop(state);
        (self.on_output)(self.run);
    }

    async fn join_in_turn(&self) -> anyhow::Result<()> {
        self.look().await?;
        let joins = self.state().segments.joins();
        for whole in joins {
            let data = self.collect(whole).await?;
            self.bucket.put(&self.path(whole), data).await?;
            let covered = {
                let mut state = self.state();
                state.segments.add(whole);
                state.segments.take_covered(whole)
            };
            self.remove(covered).await?;
        }
        let superfluous = self.state().segments.take_superfluous();
        self.remove(superfluous).await
    }

    /// The bytes of several segments. The caller has the turn.
    async fn collect(&self, whole: Segment) -> anyhow::Result<Bytes> {
        let mut parts = Vec::new();
        let mut offset = whole.start;
        while offset < whole.end {
            let segment = self.state().segments.holding(offset).context("a segment is missing")?;
            let end = segment.end.min(whole.end);
            parts.push((segment, offset..end));
            offset = end;
        }
        let parts = parts.into_iter().map(|(segment, range)| async move {
            self.get(segment, range).await?.context("a segment vanished")
        });
        let parts: Vec<Bytes> = futures::stream::iter(parts).buffered(PARTS).try_collect().await?;
        Ok(parts.concat().into())
    }

    async fn get(&self, segment: Segment, range: std::ops::Range<u64>) -> anyhow::Result<Option<Bytes>> {
        let within = range.start - segment.start..range.end - segment.start;
        self.bucket.get(&self.path(segment), within).await
    }

    async fn remove(&self, segments: Vec<Segment>) -> anyhow::Result<()> {
        let removals = segments.into_iter().map(|segment| {
            let path = self.path(segment);
            async move { self.bucket.delete(&path).await }
        });
        futures::stream::iter(removals).buffer_unordered(PARTS).try_collect().await
    }

    fn path(&self, segment: Segment) -> String {
        format!("{}/{}", self.name, segment.name())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
