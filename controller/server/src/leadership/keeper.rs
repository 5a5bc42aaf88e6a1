//! Keeps the leadership that this controller has.

use super::Office;
use crate::chain;
use crate::clock::moment;
use hostler_core::leadership::RENEWAL;
use hostler_store::{Leadership, Member, StoreError};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two tries to reach a database that does not answer.
const RETRY: Duration = Duration::from_millis(250);

/// Renews the leadership on a thread of its own, which waits for nothing but the database. Dropped, it stops.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Closed to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Renewals>>,
}

/// What the thread works with.
struct Renewals {
    rows: Leadership,
    me: Member,
    epoch: u64,
    office: Arc<Office>,
}

impl Keeper {
    /// Begins at once.
    pub(super) fn start(
        rows: Leadership,
        me: Member,
        epoch: u64,
        office: Arc<Office>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let renewals = Renewals { rows, me, epoch, office };
        let thread =
            std::thread::Builder::new().name("leadership".into()).spawn(move || renewals.run(&stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Gives the leadership up, once this controller does nothing more. If that cannot be told, others find out.
    pub(crate) fn resign(mut self) {
        drop(self.stop.take());
        let Some(Ok(mut renewals)) = self.thread.take().map(JoinHandle::join) else { return };
        match renewals.rows.resign(&renewals.me, Some(renewals.epoch)) {
            Ok(()) => tracing::info!(epoch = renewals.epoch, "the leadership is given up"),
            Err(error) => tracing::warn!("the leadership could not be given up in words: {}", chain(&error)),
        }
    }
}

impl Renewals {
    /// Until it is stopped or somebody else leads.
    fn run(mut self, stopped: &Receiver<()>) -> Self {
        let mut reached = true;
        loop {
            let asked = moment();
            let answer = self.rows.renew(&self.me, self.epoch);
            reached = self.tell(reached, &answer);
            match answer {
                Ok(Some(roster)) => self.office.renewed(asked, roster),
                Ok(None) => {
                    self.office.is_lost();
                    return self;
                }
                Err(_) => {}
            }
            let wait = if reached { RENEWAL.saturating_sub(moment().saturating_sub(asked)) } else { RETRY };
            if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return self;
            }
        }
    }

    /// Logs when the database is lost and found. Returns whether it was reached.
    fn tell<T>(&self, reached: bool, answer: &Result<T, StoreError>) -> bool {
        match answer {
            Err(error) if reached => tracing::error!(
                "the leadership cannot be renewed: {}; machines are left alone when the lease of it ends",
                chain(error)
            ),
            Ok(_) if !reached => tracing::info!("the database answers again"),
            _ => {}
        }
        answer.is_ok()
    }
}
