//! PostgreSQL: one session that holds a lock, one transaction for each batch, full synchronisation.
//!
//! * [`leadership`] is how several controllers agree whose session that is, [`follow`] how the others read.
//! * [`link`] is a connection, and says which errors are a loss of the database and which are its refusal.
//! * A commit that fails ends the session, whatever the reason. The next one takes the lock only after the server has
//!   ended the old one, so that what is loaded then is what came of the commit.

mod follow;
mod leadership;
mod link;
mod lock;
mod read;
mod schema;
mod tables;
mod tls;
mod write;

pub use follow::Follower;
pub use leadership::{Leader, Leadership, Member, Roster};
pub use read::PostgresHistory;
pub(crate) use tables::PostgresTables;

use crate::url::PostgresUrl;
use crate::{Batch, BatchNumber, Loaded, Store, StoreError};
use link::Link;
use write::Statements;

/// The writer's side.
pub struct PostgresStore {
    url: PostgresUrl,
    session: Option<Session>,
    /// What was claimed.
    epoch: Option<u64>,
    /// It was claimed with the leadership.
    leads: bool,
}

/// A connection that has the lock.
struct Session {
    link: Link,
    statements: Statements,
}

impl PostgresStore {
    /// Connects, makes the tables if there are none, and brings the schema up to date.
    ///
    /// # Errors
    /// If the database cannot be reached, another hostlerd has it, or it is newer than this program.
    pub fn open(url: &PostgresUrl) -> Result<Self, StoreError> {
        let mut store = Self { url: url.clone(), session: None, epoch: None, leads: false };
        store.session()?;
        Ok(store)
    }

    /// The same for the controller that leads with this epoch: it has claimed the store already.
    ///
    /// # Errors
    /// As [`PostgresStore::open`], or if another leads now.
    pub fn of_leader(url: &PostgresUrl, epoch: u64) -> Result<Self, StoreError> {
        let mut store = Self { url: url.clone(), session: None, epoch: Some(epoch), leads: true };
        store.session()?;
        Ok(store)
    }

    fn session(&mut self) -> Result<&Session, StoreError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connect()?,
        };
        Ok(self.session.insert(session))
    }

    fn connect(&self) -> Result<Session, StoreError> {
        let link = Link::connect(&self.url)?;
        match self.epoch {
            Some(epoch) => seize(&link, epoch)?,
            None => lock::take_as_writer(&link)?,
        }
        schema::migrate(&link)?;
        let statements = Statements::prepare(&link)?;
        Ok(Session { link, statements })
    }

    /// Uses the session. It is not used again after an error.
    fn with<T>(&mut self, work: impl FnOnce(&Session) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let done = work(self.session()?);
        if done.is_err() {
            self.session = None;
        }
        done
    }
}

/// Takes the lock for whoever has the epoch. A session that has it then is our own last one, which the server has not
/// missed yet, or that of an earlier leader, which does not know yet that it is one: the server ends it.
fn seize(link: &Link, epoch: u64) -> Result<(), StoreError> {
    let (ours, found) = (BatchNumber { epoch, batch: 0 }, write::found(link)?);
    if found.epoch != epoch {
        return Err(StoreError::Superseded { ours, found });
    }
    lock::end_writer(link)?;
    match lock::take_as_writer(link) {
        Err(StoreError::Locked { store, holder }) => {
            let source = format!("it is locked{holder}").into();
            Err(StoreError::Unavailable { store, source })
        }
        taken => taken,
    }
}

impl Store for PostgresStore {
    fn claim(&mut self) -> Result<u64, StoreError> {
        if let Some(epoch) = self.epoch.filter(|_| self.leads) {
            return Ok(epoch);
        }
        let epoch = self.with(|session| write::claim(&session.link))?;
        self.epoch = Some(epoch);
        Ok(epoch)
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        let had_session = self.session.is_some();
        match self.with(|session| read::load(&session.link)) {
            // It was lost while nobody used it.
            Err(error) if error.is_unavailable() && had_session => {
                self.with(|session| read::load(&session.link))
            }
            other => other,
        }
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.with(|session| write::commit(&session.link, &session.statements, batch))
    }
}
