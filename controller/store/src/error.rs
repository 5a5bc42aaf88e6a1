//! What can go wrong with a store, in words.

use crate::BatchNumber;

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no store.
    #[error("no store can be opened: {0}")]
    Url(String),
    /// Another process has it.
    #[error("{store} is in use by another hostlerd{holder}; stop it first, or choose another store")]
    Locked {
        /// The lock file, or the database.
        store: String,
        /// Who that is, as far as the database knows: empty, or in parentheses after a space.
        holder: String,
    },
    /// Another process has taken it since.
    #[error("another hostlerd has taken the store over: it has the epoch {}, this one {}", found.epoch, ours.epoch)]
    Superseded {
        /// What was to be written.
        ours: BatchNumber,
        /// The last that was written.
        found: BatchNumber,
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
        "{store} has the schema version {found}, this hostlerd knows up to {known}: use the newer hostlerd"
    )]
    TooNew {
        /// The database or the backup.
        store: String,
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
    /// The database refused. Nothing was written.
    #[error("the database refused")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be reached, is starting or stopping, or did not answer in time. Whether it did what it was
    /// asked to is not known.
    #[error("{store} cannot be used now")]
    Unavailable {
        /// The database, without the password.
        store: String,
        /// What came back.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row cannot be written as text.
    #[error("a {table} row cannot be written")]
    Encode {
        /// Which table.
        table: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Only an empty store is filled.
    #[error("{store} is not empty: choose an empty database, or one that does not exist yet")]
    NotEmpty {
        /// The database.
        store: String,
    },
    /// A backup is damaged, cut short, or something else.
    #[error("{path} is not a whole backup: {why}")]
    Backup {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A copy is not what it was copied from.
    #[error("the copy differs: {table} row {id}; nothing was kept")]
    Differs {
        /// Which table.
        table: &'static str,
        /// Which row.
        id: i64,
    },
}

impl StoreError {
    /// Trying again later may help, without anybody doing anything about the store.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Box::new(error))
    }
}
