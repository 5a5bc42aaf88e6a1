//! The one writer: takes the inputs that wait, applies each to the core, stores all changes in one transaction, and
//! only then publishes, answers and hands out effects.
//!
//! A commit that fails throws the world away. It is loaded again, and the batch is applied again one input at a time;
//! the input that cannot be stored is answered with an internal error and recorded.

use crate::clock::Clock;
use crate::published::Published;
use anyhow::Context as _;
use hostler_core::input::{Effect, Input, Outcome, Refusal, Reply};
use hostler_core::time::Timing;
use hostler_core::world::{Change, World};
use hostler_store::{Batch, BatchNumber, Store, StoreError};
use std::io::Write as _;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Inputs that may wait; more callers wait for room.
const INBOX: usize = 4096;

/// Inputs in one transaction.
const MAX_BATCH: usize = 1024;

/// The way to the writer.
#[derive(Clone, Debug)]
pub(crate) struct Inbox(mpsc::Sender<Submission>);

/// Why an input was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    /// The core said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not keep it. Nothing was changed.
    #[error("this could not be stored; nothing was changed")]
    NotStored,
    /// The controller is ending.
    #[error("the controller is shutting down")]
    Closed,
}

struct Submission {
    input: Input,
    answer: oneshot::Sender<Result<Reply, SubmitError>>,
}

impl Inbox {
    /// Hands an input to the writer and waits until it is stored.
    ///
    /// # Errors
    /// If the core refuses it or the store cannot keep it.
    pub(crate) async fn submit(&self, input: Input) -> Result<Reply, SubmitError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Submission { input, answer }).await.map_err(|_| SubmitError::Closed)?;
        answered.await.map_err(|_| SubmitError::Closed)?
    }
}

/// Owns world and store.
pub(crate) struct Writer {
    world: World,
    timing: Timing,
    store: Box<dyn Store>,
    number: BatchNumber,
    clock: Clock,
    published: Arc<Published>,
    effects: mpsc::Sender<Effect>,
    inbox: mpsc::Receiver<Submission>,
    record: Option<std::fs::File>,
}

/// What a writer comes with.
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) inbox: Inbox,
    pub(crate) published: Arc<Published>,
    pub(crate) clock: Clock,
    /// To be carried out. Whoever reads them must not wait for the writer while it does.
    pub(crate) effects: mpsc::Receiver<Effect>,
}

impl Writer {
    /// Loads the world and makes the writer; it works when [`Writer::run`] is called.
    pub(crate) fn open(
        mut store: Box<dyn Store>,
        timing: Timing,
        record: Option<std::fs::File>,
    ) -> anyhow::Result<Opened> {
        let loaded = store.load().context("cannot load the stored state")?;
        let mut world = World::new(timing.clone());
        world.restore(loaded.changes);
        let clock = Clock::starting_after(world.meta.now);
        let published = Arc::new(Published::new(world.clone()));
        let (effects, effects_out) = mpsc::channel(INBOX);
        let (sender, inbox) = mpsc::channel(INBOX);
        let number = BatchNumber { epoch: loaded.last.epoch + 1, batch: 0 };
        let writer = Self {
            world,
            timing,
            store,
            number,
            clock,
            published: published.clone(),
            effects,
            inbox,
            record,
        };
        Ok(Opened { writer, inbox: Inbox(sender), published, clock, effects: effects_out })
    }

    /// This start of the controller.
    pub(crate) const fn epoch(&self) -> u64 {
        self.number.epoch
    }

    /// Works until every [`Inbox`] is gone.
    ///
    /// # Errors
    /// If the store can no longer be read.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while self.inbox.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
            self.process(std::mem::take(&mut batch))?;
        }
        Ok(())
    }

    fn process(&mut self, batch: Vec<Submission>) -> anyhow::Result<()> {
        let outcomes: Vec<Outcome> = batch.iter().map(|s| self.apply(s.input.clone())).collect();
        let changes = self.world.take_changes();
        if let Err(error) = self.store(&changes) {
            tracing::error!(error = &error as &dyn std::error::Error, "a batch could not be stored");
            return self.recover(batch, outcomes, changes);
        }
        self.publish(changes);
        for (submission, outcome) in batch.into_iter().zip(outcomes) {
            self.deliver(submission, outcome);
        }
        Ok(())
    }

    fn apply(&mut self, input: Input) -> Outcome {
        let now = self.clock.now();
        if let Some(file) = &mut self.record
            && let Err(error) = record(file, now, &input)
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the record of inputs ends here");
            self.record = None;
        }
        self.world.apply(now, input)
    }

    /// A batch that changed nothing but the time is not worth a transaction.
    fn store(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if changes.iter().all(|c| matches!(c, Change::Meta(_))) {
            return Ok(());
        }
        self.number.batch += 1;
        self.store.commit(&Batch { number: self.number, changes: changes.to_vec() })
    }

    fn publish(&self, changes: Vec<Change>) {
        self.published.publish(changes, self.world.next_deadline());
    }

    fn deliver(&self, submission: Submission, outcome: Outcome) {
        for effect in outcome.effects {
            // The executor is gone only when the controller is ending; the attempt is stored, and is taken up again.
            let _ = self.effects.blocking_send(effect);
        }
        // Whoever asked may have gone away.
        let _ = submission.answer.send(outcome.reply.map_err(Into::into));
    }

    fn recover(
        &mut self,
        batch: Vec<Submission>,
        outcomes: Vec<Outcome>,
        changes: Vec<Change>,
    ) -> anyhow::Result<()> {
        if self.reload()? {
            // The commit had happened after all.
            self.publish(changes);
            for (submission, outcome) in batch.into_iter().zip(outcomes) {
                self.deliver(submission, outcome);
            }
            return Ok(());
        }
        for submission in batch {
            let outcome = self.apply(submission.input.clone());
            let changes = self.world.take_changes();
            match self.store(&changes) {
                Ok(()) => {
                    self.publish(changes);
                    self.deliver(submission, outcome);
                }
                Err(error) => {
                    let committed = self.reload()?;
                    if committed {
                        self.publish(changes);
                        self.deliver(submission, outcome);
                    } else {
                        self.reject(submission, &error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Loads the world anew; true if the last batch had been written.
    fn reload(&mut self) -> anyhow::Result<bool> {
        let loaded = self.store.load().context("the store failed, and cannot be read any more")?;
        let mut world = World::new(self.timing.clone());
        world.restore(loaded.changes);
        self.world = world;
        Ok(loaded.last == self.number)
    }

    /// The offender is answered, and what it was is recorded, if that can be stored.
    fn reject(&mut self, submission: Submission, error: &StoreError) {
        let kind = "not-stored".to_owned();
        let mut text = format!("{:?}", submission.input);
        text.truncate(text.floor_char_boundary(200));
        let message = format!("an input could not be stored ({}): {text}", crate::chain(error));
        tracing::error!("{message}");
        let _ = self.apply(Input::Refused { node: None, kind, message });
        let changes = self.world.take_changes();
        if self.store(&changes).is_ok() {
            self.publish(changes);
        }
        let _ = submission.answer.send(Err(SubmitError::NotStored));
    }
}

fn record(
    file: &mut std::fs::File,
    now: hostler_core::time::Timestamp,
    input: &Input,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(&(now, input))?;
    line.push(b'\n');
    file.write_all(&line)
}
