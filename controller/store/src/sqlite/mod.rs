//! SQLite: write-ahead log, full synchronisation, one writer.

mod read;
mod schema;
mod tables;
mod write;

pub use read::SqliteHistory;
pub(crate) use tables::SqliteTables;

use crate::{Batch, Loaded, Store, StoreError};
use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The writer's connection. A lock beside the database keeps a second controller away; it ends with the process,
/// however that ends.
#[derive(Debug)]
pub struct SqliteStore {
    db: Connection,
    path: PathBuf,
    _lock: File,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// If another process has it, it is newer than this program, or the file system refuses.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let mut db = connect(path)?;
        schema::migrate(&mut db, &path.display().to_string())?;
        Ok(Self { db, path: path.to_owned(), _lock: lock })
    }

    /// A reader of the same database.
    ///
    /// # Errors
    /// If the database cannot be opened a second time.
    pub fn history(&self) -> Result<SqliteHistory, StoreError> {
        SqliteHistory::open(&self.path)
    }
}

impl Store for SqliteStore {
    fn claim(&mut self) -> Result<u64, StoreError> {
        write::claim(&mut self.db)
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        read::load(&self.db)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        write::commit(&mut self.db, batch)
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let path = path.with_extension("lock");
    let shown = path.display().to_string();
    let file = File::options().create(true).append(true).open(&path).map_err(|source| StoreError::File {
        what: "create",
        path: shown.clone(),
        source,
    })?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| StoreError::Locked { store: shown, holder: String::new() })?;
    Ok(file)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", "ON")?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}
