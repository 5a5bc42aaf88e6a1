//! The one writer: takes the inputs that wait, applies each to the core, stores all changes in one transaction, and
//! only then publishes, answers and hands out effects.
//!
//! A commit that fails throws the world away. It is loaded again, and the batch is applied again one input at a time;
//! the input that cannot be stored is answered with an internal error and recorded.

use crate::clock::Clock;
use crate::published::Published;
use crate::record::Record;
use anyhow::Context as _;
use hostler_core::input::{Effect, Input, Outcome, Refusal, Reply};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use hostler_store::{Batch, BatchNumber, Store, StoreError};
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
pub enum SubmitError {
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

/// An input that was applied, not yet stored.
struct Applied {
    at: Timestamp,
    outcome: Outcome,
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

    /// Hands an input to the writer and does not wait for what comes of it.
    ///
    /// # Errors
    /// If the controller is ending.
    pub(crate) async fn post(&self, input: Input) -> Result<(), SubmitError> {
        let (answer, _nobody_waits) = oneshot::channel();
        self.0.send(Submission { input, answer }).await.map_err(|_| SubmitError::Closed)
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
    record: Option<Record>,
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
        record: Option<Record>,
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
        let outcomes: Vec<_> = batch.iter().map(|s| self.apply(s.input.clone())).collect();
        let mut changes = self.world.take_changes();
        if let Err(error) = self.store(&mut changes) {
            tracing::error!(error = &error as &dyn std::error::Error, "a batch could not be stored");
            return self.recover(batch, outcomes, changes);
        }
        self.conclude(batch, outcomes, changes);
        Ok(())
    }

    fn apply(&mut self, input: Input) -> Applied {
        let at = self.clock.now();
        Applied { at, outcome: self.world.apply(at, input) }
    }

    /// A batch that changed nothing but the time is not worth a transaction.
    fn store(&mut self, changes: &mut Vec<Change>) -> Result<(), StoreError> {
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
    fn conclude(&mut self, batch: Vec<Submission>, outcomes: Vec<Applied>, changes: Vec<Change>) {
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

    fn record(&mut self, at: Timestamp, input: &Input) {
        if let Some(record) = &mut self.record
            && let Err(error) = record.append(at, input)
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the record of inputs ends here");
            self.record = None;
        }
    }

    fn recover(
        &mut self,
        batch: Vec<Submission>,
        outcomes: Vec<Applied>,
        changes: Vec<Change>,
    ) -> anyhow::Result<()> {
        if self.reload()? {
            // The commit had happened after all.
            self.conclude(batch, outcomes, changes);
            return Ok(());
        }
        for submission in batch {
            let applied = self.apply(submission.input.clone());
            let mut changes = self.world.take_changes();
            match self.store(&mut changes) {
                Ok(()) => self.conclude(vec![submission], vec![applied], changes),
                Err(_) if self.reload()? => self.conclude(vec![submission], vec![applied], changes),
                Err(error) => self.reject(submission, &error),
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
        let input = Input::Refused { node: None, kind, message };
        let at = self.apply(input.clone()).at;
        let mut changes = self.world.take_changes();
        if self.store(&mut changes).is_ok() {
            self.record(at, &input);
            self.published.publish(changes, self.world.next_deadline());
        }
        let _ = submission.answer.send(Err(SubmitError::NotStored));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_store::{Loaded, SqliteStore};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// The real store; on demand it commits and then says that it did not, as a connection that breaks does.
    struct Unlucky {
        store: SqliteStore,
        lie: Arc<AtomicBool>,
    }

    impl Store for Unlucky {
        fn load(&mut self) -> Result<Loaded, StoreError> {
            self.store.load()
        }

        fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
            self.store.commit(batch)?;
            if self.lie.swap(false, Ordering::SeqCst) {
                let source = std::io::ErrorKind::BrokenPipe.into();
                return Err(StoreError::File { what: "answer for", path: "the commit".into(), source });
            }
            Ok(())
        }
    }

    fn add(name: &str) -> Input {
        Input::AddTenant { name: name.into() }
    }

    /// Runs the writer on a thread, and `act` beside it.
    fn with_writer<F: Future<Output = ()>>(
        store: Box<dyn Store>,
        record: Option<Record>,
        act: impl FnOnce(Inbox, Arc<Published>) -> F,
    ) {
        let Opened { writer, inbox, published, effects, .. } =
            Writer::open(store, Timing::default(), record).unwrap();
        let thread = std::thread::spawn(move || writer.run());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(60), act(inbox, published))
                .await
                .expect("the writer hangs");
        });
        drop(effects);
        thread.join().unwrap().unwrap();
    }

    #[test]
    fn one_bad_input_does_not_take_others_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let store = SqliteStore::open(&path).unwrap();
        let poison = "CREATE TRIGGER poison BEFORE INSERT ON tenant WHEN NEW.name = 'poison'
                      BEGIN SELECT RAISE(ABORT, 'poisoned'); END";
        rusqlite::Connection::open(&path).unwrap().execute_batch(poison).unwrap();
        with_writer(Box::new(store), None, |inbox, published| async move {
            // Submitted together, so that they are one batch.
            let (a, bad, b) =
                tokio::join!(inbox.submit(add("a")), inbox.submit(add("poison")), inbox.submit(add("b")));
            assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
            assert!(matches!(bad, Err(SubmitError::NotStored)), "{bad:?}");
            let names: Vec<_> = published.read(|w| w.tenants.values().map(|t| t.name.clone()).collect());
            assert_eq!(names, ["a", "b"]);
            assert!(inbox.submit(add("c")).await.is_ok(), "and it goes on");
        });
        let history = SqliteStore::open(&path).unwrap().history().unwrap();
        let filter = hostler_store::EventFilter { limit: 100, ..Default::default() };
        let events = hostler_store::History::events(&history, filter).unwrap();
        let recorded = events.iter().find(|e| e.kind == "not-stored").unwrap();
        assert!(
            recorded.message.contains("poisoned") && recorded.message.contains("AddTenant"),
            "{recorded:?}"
        );
    }

    #[test]
    fn a_commit_of_unknown_outcome_is_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        let lie = Arc::new(AtomicBool::new(true));
        let store = SqliteStore::open(&dir.path().join("state.db")).unwrap();
        let unlucky = Unlucky { store, lie: lie.clone() };
        with_writer(Box::new(unlucky), None, |inbox, published| async move {
            assert_eq!(inbox.submit(add("a")).await.unwrap(), Reply::Tenant(hostler_core::ids::TenantId(1)));
            assert!(!lie.load(Ordering::SeqCst), "the lie was told");
            assert_eq!(published.read(|w| w.tenants.len()), 1, "stored once, published");
            assert_eq!(inbox.submit(add("b")).await.unwrap(), Reply::Tenant(hostler_core::ids::TenantId(2)));
        });
    }

    #[test]
    fn invariant_10_a_record_replays_to_the_same_state() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("inputs.jsonl");
        let store = SqliteStore::open(&dir.path().join("state.db")).unwrap();
        let live = Arc::new(std::sync::Mutex::new(String::new()));
        let state = live.clone();
        with_writer(Box::new(store), Some(Record::create(&record).unwrap()), |inbox, published| async move {
            for name in ["a", "b", "Not a name", "a"] {
                // The third is refused; refusals are part of history as well.
                let _ = inbox.submit(add(name)).await;
            }
            *state.lock().unwrap() = published.read(|w| serde_json::to_string(w).unwrap());
        });
        let replayed = crate::record::replay(&record, Timing::default()).unwrap();
        assert_eq!(serde_json::to_string(&replayed).unwrap(), *live.lock().unwrap());
    }
}
