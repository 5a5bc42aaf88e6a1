//! The memory of Hostler. Verbs of the writer: [`Store::claim`], [`Store::load`], [`Store::commit`]; beside it, queries
//! of [`History`]. It decides nothing.
//!
//! An engine implements [`Store`] for the writer and [`History`] for readers. [`SqliteStore`] is the default,
//! [`PostgresStore`] the other one; [`StoreUrl`] says which, and [`open()`] opens it. Both write the rows that `rows`
//! makes of a batch into the tables that `table` describes.
//!
//! * [`Leadership`] is where several controllers on one database agree who writes; those that do not write read through a
//!   [`Follower`].
//! * [`copy`] brings all rows from one store to another, or to a file and back.

pub mod copy;
mod error;
mod history;
mod load;
mod open;
mod postgres;
mod rows;
mod sqlite;
mod table;
mod url;

pub use error::StoreError;
pub use history::{EventFilter, History};
pub use open::{Opened, open, open_as_leader};
pub use postgres::{Follower, Leader, Leadership, Member, PostgresHistory, PostgresStore, Roster};
pub use sqlite::{SqliteHistory, SqliteStore};
pub use url::{PostgresUrl, StoreUrl, without_password};

use hostler_core::world::Change;

/// What one transaction writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Names this batch among all that were ever written.
    pub number: BatchNumber,
    /// Rows as they are to be stored.
    pub changes: Vec<Change>,
}

/// `(epoch, batch)`: who has the store, and the transactions since. Written with each transaction, so that a commit
/// whose outcome is unknown can be looked up, and that nobody writes who has lost the store to somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchNumber {
    /// What [`Store::claim`] gave.
    pub epoch: u64,
    /// Grows with each transaction of an epoch, from 1.
    pub batch: u64,
}

/// Everything that a world is loaded from.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Rows, to be given to `World::restore`.
    pub changes: Vec<Change>,
    /// The last batch that was written; batch 0 if none was since the epoch was claimed.
    pub last: BatchNumber,
}

/// The writer's side. Synchronous: one thread owns it.
pub trait Store: Send {
    /// Takes a new epoch, which is stored before this returns. From then on nothing is written with an older one.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    fn claim(&mut self) -> Result<u64, StoreError>;

    /// Reads everything that decisions are made from. After a lost connection this makes a new one; when it succeeds,
    /// no commit is under way any more.
    ///
    /// # Errors
    /// If the store cannot be read, somebody else has it, or it was written by a newer version.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Writes a batch in one transaction that survives the loss of power.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] if the store has another epoch than the batch, or the batch is not newer than the
    /// last one. Else if it was not written, or nobody knows; then [`Loaded::last`] of a fresh [`Store::load`] tells.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;
}
