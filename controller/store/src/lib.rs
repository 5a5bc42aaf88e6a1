//! The memory of Hostler. Three verbs: [`Store::load`], [`Store::commit`], and queries of [`History`]; it decides
//! nothing.
//!
//! An engine implements [`Store`] for the writer and [`History`] for readers. [`SqliteStore`] is the default.

mod history;
mod sqlite;

pub use history::{EventFilter, History};
pub use sqlite::{SqliteHistory, SqliteStore};

use hostler_core::world::Change;

/// What one transaction writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Names this batch among all that were ever written.
    pub number: BatchNumber,
    /// Rows as they are to be stored.
    pub changes: Vec<Change>,
}

/// `(epoch, batch)`: the start of the controller, and the transactions since. Written with each transaction, so that
/// a commit whose outcome is unknown can be looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchNumber {
    /// Grows with each start of a controller.
    pub epoch: u64,
    /// Grows with each transaction of an epoch.
    pub batch: u64,
}

/// Everything that a world is loaded from.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Rows, to be given to `World::restore`.
    pub changes: Vec<Change>,
    /// The last batch that was written.
    pub last: BatchNumber,
}

/// The writer's side. Synchronous: one thread owns it.
pub trait Store: Send {
    /// Reads everything that decisions are made from.
    ///
    /// # Errors
    /// If the store cannot be read, or was written by a newer version.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Writes a batch in one transaction that survives the loss of power.
    ///
    /// # Errors
    /// If it was not written, or nobody knows; then [`Loaded::last`] of a fresh [`Store::load`] tells.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("{path} is in use by another hostlerd; stop it first, or choose another store")]
    Locked {
        /// The lock file.
        path: String,
    },
    /// The file system refused.
    #[error("cannot {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: String,
        /// What came back.
        #[source]
        source: std::io::Error,
    },
    /// It was written by a newer version.
    #[error(
        "{path} has the schema version {found}, this hostlerd knows up to {known}: use the newer hostlerd"
    )]
    TooNew {
        /// The database.
        path: String,
        /// Its version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// A row is not what this version writes.
    #[error("the {table} row {id} cannot be understood")]
    Row {
        /// Which table.
        table: &'static str,
        /// Which row.
        id: i64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The database refused.
    #[error("the database refused")]
    Database(#[from] rusqlite::Error),
    /// A row cannot be written as text.
    #[error("a {table} row cannot be written")]
    Encode {
        /// Which table.
        table: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}
