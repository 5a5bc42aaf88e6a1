//! Streams that follow the published world.

use std::future::Future;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

/// Messages that wait for a slow reader.
const BACKLOG: usize = 64;

/// What a server stream is.
pub(super) type Stream<T> = ReceiverStream<Result<T, Status>>;

/// The writing end of a server stream.
pub(super) struct Outbox<T>(mpsc::Sender<Result<T, Status>>);

/// The reader has gone away.
pub(super) struct Gone;

impl<T> Outbox<T> {
    pub(super) async fn send(&self, message: T) -> Result<(), Gone> {
        self.0.send(Ok(message)).await.map_err(|_| Gone)
    }

    pub(super) async fn fail(&self, status: Status) {
        // The reader may have gone away.
        let _ = self.0.send(Err(status)).await;
    }

    /// Until the reader has gone away.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Begins a server stream that `feed` writes, until it is done, the reader goes away or the controller stops.
pub(super) fn begin<T, F>(
    tasks: &TaskTracker,
    stop: &CancellationToken,
    feed: impl FnOnce(Outbox<T>) -> F,
) -> Stream<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Gone>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let feed = feed(Outbox(sender));
    let stop = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            _gone_or_done = feed => {}
        }
    });
    ReceiverStream::new(receiver)
}
