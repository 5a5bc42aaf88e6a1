use super::*;
use crate::published::Published;
use crate::record::Record;
use hostler_core::input::{Input, Reply};
use hostler_core::time::Timing;
use hostler_store::{Batch, Loaded, SqliteStore, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The real store; on demand it commits and then says that it did not, as a connection that breaks does.
struct Unlucky {
    store: SqliteStore,
    lie: Arc<AtomicBool>,
}

impl Store for Unlucky {
    fn claim(&mut self) -> Result<u64, StoreError> {
        self.store.claim()
    }

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
        tokio::time::timeout(Duration::from_secs(60), act(inbox, published)).await.expect("the writer hangs");
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
    assert!(recorded.message.contains("poisoned") && recorded.message.contains("AddTenant"), "{recorded:?}");
}

#[test]
fn what_cannot_even_be_recorded_leaves_nothing_in_what_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    let poison = "CREATE TRIGGER poison BEFORE INSERT ON tenant BEGIN SELECT RAISE(ABORT, 'poisoned'); END;
                  CREATE TRIGGER silence BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'silenced'); END";
    rusqlite::Connection::open(&path).unwrap().execute_batch(poison).unwrap();
    with_writer(Box::new(store), None, |inbox, published| async move {
        let before = published.read(|w| serde_json::to_value(w.meta.counters).unwrap());
        assert!(matches!(inbox.submit(add("a")).await, Err(SubmitError::NotStored)));
        // It changes nothing but the time, so that no transaction would correct what is in memory.
        assert!(inbox.submit(Input::Tick).await.is_ok());
        assert_eq!(published.read(|w| serde_json::to_value(w.meta.counters).unwrap()), before);
    });
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

/// The real store, unless it is away.
struct Away {
    store: SqliteStore,
    away: Arc<AtomicBool>,
    /// Commits are written although nobody is told.
    writes: bool,
}

impl Away {
    fn unless_away<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable { store: "the store".into(), source: "cut off".into() });
        }
        done
    }
}

impl Store for Away {
    fn claim(&mut self) -> Result<u64, StoreError> {
        self.store.claim()
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        let loaded = self.store.load();
        self.unless_away(loaded)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if !self.away.load(Ordering::SeqCst) || std::mem::take(&mut self.writes) {
            self.store.commit(batch)?;
        }
        self.unless_away(Ok(()))
    }
}

/// Runs a writer whose store goes away, is asked for a tenant "b", and comes back.
fn while_the_store_is_away(writes: bool, expected: &'static [&'static str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let away = Arc::new(AtomicBool::new(false));
    let store = Away { store: SqliteStore::open(&path).unwrap(), away: away.clone(), writes };
    let Opened { mut writer, inbox, published, effects, .. } =
        Writer::open(Box::new(store), Timing::default(), None).unwrap();
    writer.patience = Duration::ZERO;
    let thread = std::thread::spawn(move || writer.run());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        inbox.submit(add("a")).await.unwrap();
        away.store(true, Ordering::SeqCst);
        // The first is in a commit of unknown outcome, the second comes while nobody can know.
        for _ in 0..2 {
            let told = inbox.submit(add("b")).await;
            assert!(matches!(told, Err(SubmitError::Unavailable)), "{told:?}");
        }
        assert_eq!(published.read(|w| w.tenants.len()), 1, "nothing is shown that may not be stored");
        away.store(false, Ordering::SeqCst);
        let mut told = inbox.submit(add("c")).await;
        while matches!(told, Err(SubmitError::Unavailable)) {
            told = inbox.submit(add("c")).await;
        }
        told.unwrap();
        let names: Vec<_> = published.read(|w| w.tenants.values().map(|t| t.name.clone()).collect());
        assert_eq!(names, expected);
    });
    drop(effects);
    thread.join().unwrap().unwrap();
    let history = SqliteStore::open(&path).unwrap().history().unwrap();
    let filter = hostler_store::EventFilter { limit: 100, ..Default::default() };
    let events = hostler_store::History::events(&history, filter).unwrap();
    let kinds: Vec<_> = events.iter().map(|e| e.kind.as_str()).collect();
    assert!(kinds.contains(&"store-away") && kinds.contains(&"controller-started"), "{kinds:?}");
}

#[test]
fn while_the_store_is_away_everybody_is_told_to_ask_again() {
    while_the_store_is_away(false, &["a", "c"]);
}

#[test]
fn invariant_5_what_was_stored_before_the_store_went_away_is_shown_when_it_is_back() {
    while_the_store_is_away(true, &["a", "b", "c"]);
}

/// The real store, of which somebody else takes an epoch.
struct Taken(SqliteStore, Arc<AtomicBool>);

impl Store for Taken {
    fn claim(&mut self) -> Result<u64, StoreError> {
        self.0.claim()
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.0.load()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.1.swap(false, Ordering::SeqCst) {
            self.0.claim()?;
        }
        self.0.commit(batch)
    }
}

#[test]
fn a_controller_that_has_lost_its_store_to_another_ends() {
    let dir = tempfile::tempdir().unwrap();
    let taken = Arc::new(AtomicBool::new(false));
    let store = Taken(SqliteStore::open(&dir.path().join("state.db")).unwrap(), taken.clone());
    let Opened { writer, inbox, .. } = Writer::open(Box::new(store), Timing::default(), None).unwrap();
    let thread = std::thread::spawn(move || writer.run());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async move {
        inbox.submit(add("a")).await.unwrap();
        taken.store(true, Ordering::SeqCst);
        let told = inbox.submit(add("b")).await;
        assert!(matches!(told, Err(SubmitError::Closed)), "{told:?}");
    });
    let ended = thread.join().unwrap().unwrap_err().to_string();
    assert!(ended.contains("another hostlerd has taken the store over"), "{ended}");
}
