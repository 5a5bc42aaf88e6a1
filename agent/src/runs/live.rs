//! What a running payload's supervisor shares with the table of runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{Notify, watch};

/// One run, as both sides see it.
#[derive(Debug)]
pub(crate) struct Live {
    started: AtomicBool,
    /// Bytes of output in the spool.
    length: AtomicU64,
    /// Bytes of output that the controller has stored.
    acked: watch::Sender<u64>,
    /// Why the payload is to be ended.
    stop: watch::Sender<Option<String>>,
    /// Wakes whoever sends.
    changed: Arc<Notify>,
}

impl Live {
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self {
            started: AtomicBool::new(false),
            length: AtomicU64::new(0),
            acked: watch::Sender::new(0),
            stop: watch::Sender::new(None),
            changed,
        }
    }

    pub(crate) fn set_started(&self) {
        self.started.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(crate) fn started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// The spool has grown to `length`.
    pub(crate) fn set_length(&self, length: u64) {
        self.length.store(length, Ordering::Release);
        self.changed.notify_one();
    }

    pub(crate) fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    /// The controller has stored everything below `offset`. It cannot have more than there is.
    pub(crate) fn acknowledge(&self, offset: u64) {
        let offset = offset.min(self.length());
        self.acked.send_if_modified(|acked| {
            let advanced = offset > *acked;
            if advanced {
                *acked = offset;
            }
            advanced
        });
    }

    pub(crate) fn acked(&self) -> u64 {
        *self.acked.borrow()
    }

    /// Waits until less than `backlog` bytes are unacknowledged.
    pub(crate) async fn room(&self, backlog: u64) {
        let mut acked = self.acked.subscribe();
        // Fails only without a sender, which is in `self`.
        let _ = acked.wait_for(|&acked| self.length().saturating_sub(acked) < backlog).await;
    }

    /// The payload is to be ended. The first reason counts.
    pub(crate) fn stop(&self, reason: String) {
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            if first {
                *stop = Some(reason);
            }
            first
        });
    }

    /// Waits until the payload is to be ended.
    pub(crate) async fn stopped(&self) -> String {
        let mut stop = self.stop.subscribe();
        loop {
            if let Some(reason) = stop.borrow_and_update().clone() {
                return reason;
            }
            // Fails only without a sender, which is in `self`.
            if stop.changed().await.is_err() {
                return String::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn there_is_room_again_when_enough_is_acknowledged() {
        let live = Live::new(Arc::new(Notify::new()));
        live.set_length(99);
        assert_eq!(live.room(100).now_or_never(), Some(()));
        live.set_length(120);
        let mut waits = std::pin::pin!(live.room(100));
        assert_eq!(waits.as_mut().now_or_never(), None);
        live.acknowledge(20);
        assert_eq!(waits.as_mut().now_or_never(), None);
        live.acknowledge(21);
        assert_eq!(waits.now_or_never(), Some(()));
    }

    #[test]
    fn an_acknowledgement_never_goes_back_nor_beyond_what_there_is() {
        let live = Live::new(Arc::new(Notify::new()));
        live.set_length(10);
        for (offset, expected) in [(4, 4), (2, 4), (u64::MAX, 10), (0, 10)] {
            live.acknowledge(offset);
            assert_eq!(live.acked(), expected);
        }
    }
}
