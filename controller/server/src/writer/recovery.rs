//! What the writer does when a commit fails.

use super::inbox::{Submission, SubmitError};
use super::work::{Applied, Writer};
use anyhow::Context as _;
use hostler_core::input::Input;
use hostler_core::world::{Change, World};
use hostler_store::{Loaded, StoreError};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TryRecvError;

/// How long the store may be away before those who wait are told: a restart of a database takes less.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries to reach the store: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Tries again while the store is away, but not for longer than `patience`.
pub(crate) fn patiently<T>(
    patience: Duration,
    mut attempt: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (mut pause, began) = (PAUSES[0], Instant::now());
    loop {
        match attempt() {
            Err(error) if error.is_unavailable() && began.elapsed() + pause <= patience => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSES[1]);
            }
            outcome => return outcome,
        }
    }
}

/// What came of the last commit.
enum LookedUp {
    Written,
    NotWritten,
    /// The store is away.
    Unknown,
}

/// The offender is answered. Returns what records which input it was, to be stored in its place: but if that cannot be
/// stored either, it is let go.
fn reject(submission: Submission, error: &StoreError) -> Option<Submission> {
    const KIND: &str = "not-stored";
    let is_a_record = matches!(&submission.input, Input::Refused { kind, .. } if kind == KIND);
    let mut text = format!("{:?}", submission.input);
    text.truncate(text.floor_char_boundary(200));
    let message = format!("an input could not be stored ({}): {text}", crate::chain(error));
    tracing::error!("{message}");
    submission.refuse(SubmitError::NotStored);
    let told = Input::Refused { node: None, kind: KIND.to_owned(), message };
    (!is_a_record).then(|| Submission::of_our_own(told))
}

impl Writer {
    pub(super) fn recover(
        &mut self,
        batch: Vec<Submission>,
        outcomes: Vec<Applied>,
        changes: Vec<Change>,
    ) -> anyhow::Result<()> {
        match self.look_up()? {
            LookedUp::Written => self.conclude(batch, outcomes, changes),
            LookedUp::NotWritten => return self.one_at_a_time(batch),
            LookedUp::Unknown => return self.wait_for_store(batch, outcomes, changes),
        }
        Ok(())
    }

    /// Loads the world anew, which tells what came of the commit.
    fn look_up(&mut self) -> anyhow::Result<LookedUp> {
        match patiently(self.patience, || self.store.load()) {
            Ok(loaded) => self.adopt(loaded),
            Err(error) if error.is_unavailable() => Ok(LookedUp::Unknown),
            Err(error) => Err(error).context("the store failed, and cannot be read any more"),
        }
    }

    fn adopt(&mut self, loaded: Loaded) -> anyhow::Result<LookedUp> {
        let (found, ours) = (loaded.last, self.number);
        if found.epoch != ours.epoch {
            return Err(StoreError::Superseded { ours, found }.into());
        }
        let mut world = World::new(self.timing.clone());
        world.restore(loaded.changes);
        self.world = world;
        Ok(if loaded.last == self.number { LookedUp::Written } else { LookedUp::NotWritten })
    }

    /// So that one that cannot be stored takes no other with it.
    fn one_at_a_time(&mut self, batch: Vec<Submission>) -> anyhow::Result<()> {
        let mut rest = VecDeque::from(batch);
        while let Some(submission) = rest.pop_front() {
            let applied = self.apply(submission.input.clone());
            let mut changes = self.world.take_changes();
            let Err(error) = self.store(&mut changes) else {
                self.conclude(vec![submission], vec![applied], changes);
                continue;
            };
            match self.look_up()? {
                LookedUp::Written => self.conclude(vec![submission], vec![applied], changes),
                LookedUp::NotWritten if error.is_unavailable() => {
                    // It can be read, but does not write in time: nobody is made to wait for one after the other.
                    std::iter::once(submission).chain(rest).for_each(|s| s.refuse(SubmitError::Unavailable));
                    return Ok(());
                }
                LookedUp::NotWritten => {
                    if let Some(told) = reject(submission, &error) {
                        rest.push_front(told);
                    }
                }
                LookedUp::Unknown => {
                    let batch = std::iter::once(submission).chain(rest).collect();
                    return self.wait_for_store(batch, vec![applied], changes);
                }
            }
        }
        Ok(())
    }

    /// Until the store is back nobody is answered but with that. Of the batch, `outcomes` and `changes` are of a commit
    /// of unknown outcome. If it was written it is published then; its effects are not handed out, since they are as
    /// old as the outage. What follows is what follows a start: every wait begins anew, and attempts that nobody
    /// answered for are taken up again.
    fn wait_for_store(
        &mut self,
        batch: Vec<Submission>,
        outcomes: Vec<Applied>,
        changes: Vec<Change>,
    ) -> anyhow::Result<()> {
        tracing::error!("the store is away; until it is back, nothing is changed");
        let began = Instant::now();
        let inputs: Vec<_> = outcomes.iter().zip(&batch).map(|(a, s)| (a.at, s.input.clone())).collect();
        batch.into_iter().for_each(|submission| submission.refuse(SubmitError::Unavailable));
        let loaded = loop {
            self.refuse_all()?;
            match self.store.load() {
                Ok(loaded) => break loaded,
                Err(error) if error.is_unavailable() => std::thread::sleep(PAUSES[1].min(self.patience)),
                Err(error) => return Err(error).context("the store is back, and cannot be read"),
            }
        };
        if matches!(self.adopt(loaded)?, LookedUp::Written) {
            inputs.iter().for_each(|(at, input)| self.record(*at, input));
            self.published.publish(changes, self.world.next_deadline());
        }
        let message = format!("the store was away for {} s", began.elapsed().as_secs());
        tracing::warn!("{message}");
        let told = Input::Refused { node: None, kind: "store-away".to_owned(), message };
        self.own = [told, Input::Started].map(Submission::of_our_own).into();
        Ok(())
    }

    /// Answers everybody who waits.
    fn refuse_all(&mut self) -> anyhow::Result<()> {
        loop {
            match self.inbox.try_recv() {
                Ok(submission) => submission.refuse(SubmitError::Unavailable),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => anyhow::bail!("stopped while the store was away"),
            }
        }
    }
}
