//! The controller's database, of either engine, as a test looks at it and changes it behind the controller's back.

use anyhow::{Context as _, bail};
use hostler_checkout::postgres::{self, Options, Server};
use hostler_checkout::skip::skip;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in the controller's directory.
    Sqlite,
    /// A database of a server that belongs to the stage.
    Postgres,
}

/// The database of one stage.
#[derive(Clone, Debug)]
pub enum Database {
    /// The file.
    Sqlite(PathBuf),
    /// The server, and the database on it.
    Postgres(Arc<Server>, postgres::Database),
}

impl Engine {
    /// True if it is on this computer; else the skip of `test` was recorded.
    ///
    /// # Panics
    /// With `CI=true`, if it is not.
    #[must_use]
    pub fn is_there(self, test: &str) -> bool {
        match (self, postgres::binaries()) {
            (Self::Postgres, Err(reason)) => {
                skip(test, &reason);
                false
            }
            _ => true,
        }
    }

    /// An empty one, for the controller of this directory.
    pub(super) fn database(self, controller: &Path) -> anyhow::Result<Database> {
        match self {
            Self::Sqlite => Ok(Database::Sqlite(controller.join("state.db"))),
            Self::Postgres => {
                let server = Arc::new(Server::start(Options::default())?);
                let database = server.database()?;
                Ok(Database::Postgres(server, database))
            }
        }
    }
}

impl Database {
    /// As the controller's configuration has it.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(_, database) => database.url.clone(),
        }
    }

    /// Which kind it is.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(..) => Engine::Postgres,
        }
    }

    /// The file.
    ///
    /// # Errors
    /// If it is none.
    pub fn file(&self) -> anyhow::Result<&Path> {
        match self {
            Self::Sqlite(path) => Ok(path),
            Self::Postgres(..) => bail!("PostgreSQL has no file"),
        }
    }

    /// The server.
    ///
    /// # Errors
    /// If there is none.
    pub fn server(&self) -> anyhow::Result<&Server> {
        match self {
            Self::Sqlite(_) => bail!("SQLite has no server"),
            Self::Postgres(server, _) => Ok(server),
        }
    }

    /// Executes statements.
    ///
    /// # Errors
    /// If one makes no sense.
    pub fn execute(&self, sql: &str) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(path) => Ok(Connection::open(path)?.execute_batch(sql)?),
            Self::Postgres(server, database) => server.sql(&database.name, sql).map(drop),
        }
    }

    /// What a query gives, as text. Nothing is the empty text.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn rows(&self, query: &str) -> anyhow::Result<Vec<Vec<String>>> {
        match self {
            Self::Sqlite(path) => sqlite_rows(path, query),
            Self::Postgres(server, database) => {
                let text = server.sql(&database.name, query)?;
                Ok(text.lines().map(|line| line.split('\u{1f}').map(str::to_owned).collect()).collect())
            }
        }
    }
}

fn sqlite_rows(path: &Path, query: &str) -> anyhow::Result<Vec<Vec<String>>> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .context("cannot open the database")?;
    let mut statement = database.prepare(query)?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns).map(|column| row.get_ref(column).map(text)).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}
