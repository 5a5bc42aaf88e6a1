//! One connection, with a small runtime of its own: the store is synchronous, as its writer is.

use super::tls::Rustls;
use crate::url::PostgresUrl;
use crate::{StoreError, url};
use std::error::Error as _;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, NoTls};

/// How long a connection may take until it is ready for use.
const READY: Duration = Duration::from_secs(8);

/// What the server is to do when it waits for us or for others, and what a commit means. A stricter setting of the
/// server's (`remote_apply`) stays.
const SETTINGS: &str = "
    SET statement_timeout = '10s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '20s';
    SET tcp_keepalives_idle = 15;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3;
    SET client_min_messages = warning;
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local');
";

/// One connection. Its runtime works only while somebody waits in [`Link::run`].
pub(super) struct Link {
    client: Client,
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
    store: String,
}

impl Link {
    /// Connects, once.
    pub(super) fn connect(url: &PostgresUrl) -> Result<Self, StoreError> {
        Self::connect_within(url, READY)
    }

    /// Connects, once, if that takes no longer.
    pub(super) fn connect_within(url: &PostgresUrl, limit: Duration) -> Result<Self, StoreError> {
        let store = url.to_string();
        let unavailable = |source| StoreError::Unavailable { store: store.clone(), source };
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|e| unavailable(e.into()))?;
        let connected = runtime.block_on(async { timeout(limit, connect(url)).await });
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(refused(error, &store)),
            Err(_) => return Err(unavailable(slow(limit))),
        };
        Ok(Self { client, runtime: Some(runtime), store })
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// The database, as it is shown.
    pub(super) fn store(&self) -> &str {
        &self.store
    }

    /// Waits for an answer. After [`StoreError::Unavailable`] the connection may be of no use any more.
    pub(super) fn run<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        let unavailable = |source| StoreError::Unavailable { store: self.store.clone(), source };
        let Some(runtime) = &self.runtime else { return Err(unavailable("the connection is closed".into())) };
        match runtime.block_on(async { timeout(limit, work).await }) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failed(error, &self.store)),
            Err(_) => Err(unavailable(slow(limit))),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It may be dropped where others await, which is no place to wait for a runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn connect(url: &PostgresUrl) -> Result<Client, ConnectError> {
    let client = match &url.tls {
        url::Tls::Disabled => {
            let (client, connection) = url.config.connect(NoTls).await?;
            tokio::spawn(connection);
            client
        }
        url::Tls::VerifyFull { roots } => {
            let tls = Rustls::trusting(roots).map_err(ConnectError::Roots)?;
            let (client, connection) = url.config.connect(tls).await?;
            tokio::spawn(connection);
            client
        }
    };
    client.batch_execute(SETTINGS).await?;
    Ok(client)
}

enum ConnectError {
    Database(Error),
    Roots(Box<dyn std::error::Error + Send + Sync>),
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// Nobody there, or somebody who does not let us in. What only an administrator can mend is told as it is.
fn refused(error: ConnectError, store: &str) -> StoreError {
    match error {
        ConnectError::Roots(source) => {
            StoreError::Url(format!("the authorities of the database's certificate cannot be read: {source}"))
        }
        ConnectError::Database(error) if error.as_db_error().is_some() => failed(error, store),
        ConnectError::Database(error) => {
            StoreError::Unavailable { store: store.to_owned(), source: Box::new(error) }
        }
    }
}

/// A refusal of the database's, or the loss of it.
fn failed(error: Error, store: &str) -> StoreError {
    let lost = match error.code() {
        Some(code) => passes(code),
        None => error.is_closed() || error.source().is_some_and(|s| s.is::<io::Error>()),
    };
    if lost {
        return StoreError::Unavailable { store: store.to_owned(), source: said(error) };
    }
    StoreError::Database(said(error))
}

/// What the server said, without what the library says about it.
fn said(error: Error) -> Box<dyn std::error::Error + Send + Sync> {
    if error.as_db_error().is_none() {
        return Box::new(error);
    }
    error.into_source().unwrap_or_else(|| "the database gave no reason".into())
}

/// The server is starting, stopping, overloaded, out of space or too slow; that is not about what it was asked.
fn passes(code: &SqlState) -> bool {
    ["08", "53", "58"].iter().any(|class| code.code().starts_with(class))
        || [
            SqlState::QUERY_CANCELED,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(code)
}

fn slow(limit: Duration) -> Box<dyn std::error::Error + Send + Sync> {
    format!("no answer within {} s", limit.as_secs_f32()).into()
}
