//! What the writer does.

use super::inbox::{Inbox, Submission};
use super::recovery::PATIENCE;
use crate::clock::Clock;
use crate::published::Published;
use crate::record::Record;
use anyhow::Context as _;
use hostler_core::input::{Effect, Input, Outcome};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use hostler_store::{Batch, BatchNumber, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Inputs that may wait; more callers wait for room.
const INBOX: usize = 4096;

/// Inputs in one transaction.
const MAX_BATCH: usize = 1024;

/// An input that was applied, not yet stored.
pub(super) struct Applied {
    pub(super) at: Timestamp,
    pub(super) outcome: Outcome,
}

/// Owns world and store.
pub(crate) struct Writer {
    pub(super) world: World,
    pub(super) timing: Timing,
    pub(super) store: Box<dyn Store>,
    pub(super) number: BatchNumber,
    clock: Clock,
    pub(super) published: Arc<Published>,
    effects: mpsc::Sender<Effect>,
    pub(super) inbox: mpsc::Receiver<Submission>,
    /// Inputs of the writer's own that go before those of the inbox.
    pub(super) own: Vec<Submission>,
    record: Option<Record>,
    /// How long the store may be away before those who wait are told.
    pub(super) patience: Duration,
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
    /// Takes the store, loads the world and makes the writer; it works when [`Writer::run`] is called.
    pub(crate) fn open(
        mut store: Box<dyn Store>,
        timing: Timing,
        record: Option<Record>,
    ) -> anyhow::Result<Opened> {
        let epoch = store.claim().context("cannot take the store")?;
        let loaded = store.load().context("cannot load the stored state")?;
        let mut world = World::new(timing.clone());
        world.restore(loaded.changes);
        let clock = Clock::starting_after(world.meta.now);
        let published = Arc::new(Published::new(world.clone()));
        let (effects, effects_out) = mpsc::channel(INBOX);
        let (sender, inbox) = Inbox::new(INBOX);
        let writer = Self {
            world,
            timing,
            store,
            number: BatchNumber { epoch, batch: 0 },
            clock,
            published: published.clone(),
            effects,
            inbox,
            own: Vec::new(),
            record,
            patience: PATIENCE,
        };
        Ok(Opened { writer, inbox: sender, published, clock, effects: effects_out })
    }

    /// This start of the controller.
    pub(crate) const fn epoch(&self) -> u64 {
        self.number.epoch
    }

    /// Works until every [`Inbox`] is gone.
    ///
    /// # Errors
    /// If the store can no longer be read, or somebody else has it.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while self.inbox.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
            self.process(std::mem::take(&mut batch))?;
            while !self.own.is_empty() {
                let own = std::mem::take(&mut self.own);
                self.process(own)?;
            }
        }
        Ok(())
    }

    fn process(&mut self, batch: Vec<Submission>) -> anyhow::Result<()> {
        let outcomes: Vec<_> = batch.iter().map(|s| self.apply(s.input.clone())).collect();
        let mut changes = self.world.take_changes();
        if let Err(error) = self.store(&mut changes) {
            tracing::error!(error = &error as &dyn std::error::Error, "a batch could not be stored");
            return self.recover(batch, outcomes, changes);
        }
        self.conclude(batch, outcomes, changes);
        Ok(())
    }

    pub(super) fn apply(&mut self, input: Input) -> Applied {
        let at = self.clock.now();
        Applied { at, outcome: self.world.apply(at, input) }
    }

    /// A batch that changed nothing but the time is not worth a transaction.
    pub(super) fn store(&mut self, changes: &mut Vec<Change>) -> Result<(), StoreError> {
        if changes.iter().all(|c| matches!(c, Change::Meta(_))) {
            return Ok(());
        }
        self.number.batch += 1;
        let batch = Batch { number: self.number, changes: std::mem::take(changes) };
        let stored = self.store.commit(&batch);
        *changes = batch.changes;
        stored
    }

    /// What is stored is published, answered, and its effects are handed out.
    pub(super) fn conclude(&mut self, batch: Vec<Submission>, outcomes: Vec<Applied>, changes: Vec<Change>) {
        self.published.publish(changes, self.world.next_deadline());
        for (submission, applied) in batch.into_iter().zip(outcomes) {
            self.record(applied.at, &submission.input);
            for effect in applied.outcome.effects {
                // The executor is gone only when the controller is ending; the attempt is stored, and is taken up
                // again.
                let _ = self.effects.blocking_send(effect);
            }
            // Whoever asked may have gone away.
            let _ = submission.answer.send(applied.outcome.reply.map_err(Into::into));
        }
    }

    pub(super) fn record(&mut self, at: Timestamp, input: &Input) {
        if let Some(record) = &mut self.record
            && let Err(error) = record.append(at, input)
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the record of inputs ends here");
            self.record = None;
        }
    }
}
