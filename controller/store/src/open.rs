//! From a URL to an engine.

use crate::{History, PostgresHistory, PostgresStore, PostgresUrl, SqliteStore, Store, StoreError, StoreUrl};

/// The two sides of one store.
pub struct Opened {
    /// For the writer.
    pub store: Box<dyn Store>,
    /// For readers.
    pub history: Box<dyn History>,
}

/// Opens the store, or makes it in an empty database, and brings its schema up to date.
///
/// # Errors
/// If another process has it, it is newer than this program, or cannot be had.
pub fn open(url: &StoreUrl) -> Result<Opened, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => {
            let store = SqliteStore::open(path)?;
            let history = store.history()?;
            Ok(Opened { store: Box::new(store), history: Box::new(history) })
        }
        StoreUrl::Postgres(url) => {
            let store = PostgresStore::open(url)?;
            Ok(Opened { store: Box::new(store), history: Box::new(PostgresHistory::new(url)) })
        }
    }
}

/// Opens the store for the controller that leads with this epoch.
///
/// # Errors
/// As [`open`], or if another leads now.
pub fn open_as_leader(url: &PostgresUrl, epoch: u64) -> Result<Opened, StoreError> {
    let store = PostgresStore::of_leader(url, epoch)?;
    Ok(Opened { store: Box::new(store), history: Box::new(PostgresHistory::new(url)) })
}
