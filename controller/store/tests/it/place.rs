//! Where a store can be, and what a test does to it behind its back.

use hostler_checkout::postgres::{Database, Options, Server, binaries};
use hostler_checkout::skip::skip;
use hostler_store::{History, Opened, Store, StoreError, StoreUrl, open};
use std::path::Path;
use std::sync::Arc;

/// A place for one store, empty.
pub(crate) struct Place {
    pub(crate) url: StoreUrl,
    engine: Engine,
}

enum Engine {
    Sqlite(tempfile::TempDir),
    Postgres(Arc<Server>, Database),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(dir.path().join("state.db"));
        Self { url, engine: Engine::Sqlite(dir) }
    }

    /// A database of a server that tests share; `None` after the skip of `test` was recorded.
    pub(crate) fn postgres(test: &str) -> Option<Self> {
        is_there(test).then(|| Self::on(Server::shared().unwrap()))
    }

    /// A database of a server that this test may stop.
    pub(crate) fn postgres_alone(test: &str) -> Option<Self> {
        is_there(test).then(|| Self::on(Arc::new(Server::start(Options::default()).unwrap())))
    }

    pub(crate) fn on(server: Arc<Server>) -> Self {
        let database = server.database().unwrap();
        let url = StoreUrl::parse(&database.url, Path::new("/")).unwrap();
        Self { url, engine: Engine::Postgres(server, database) }
    }

    pub(crate) fn try_open(&self) -> Result<Opened, StoreError> {
        open(&self.url)
    }

    pub(crate) fn open(&self) -> (Box<dyn Store>, Box<dyn History>) {
        let Opened { store, history } = self.try_open().unwrap();
        (store, history)
    }

    /// Executes SQL of the test's own.
    pub(crate) fn sql(&self, sql: &str) -> String {
        match &self.engine {
            Engine::Sqlite(dir) => {
                let db = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
                db.execute_batch(sql).unwrap();
                String::new()
            }
            Engine::Postgres(server, database) => server.sql(&database.name, sql).unwrap(),
        }
    }

    /// Executes SQL on a server, and says what came of it.
    pub(crate) fn try_sql(&self, sql: &str) -> anyhow::Result<String> {
        match &self.engine {
            Engine::Sqlite(_) => anyhow::bail!("SQLite has no server"),
            Engine::Postgres(server, database) => server.sql(&database.name, sql),
        }
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres(..))
    }

    pub(crate) fn server(&self) -> &Server {
        self.postgres_parts().0
    }

    pub(crate) fn database(&self) -> &Database {
        self.postgres_parts().1
    }

    fn postgres_parts(&self) -> (&Server, &Database) {
        match &self.engine {
            Engine::Postgres(server, database) => (server, database),
            Engine::Sqlite(_) => panic!("this is SQLite"),
        }
    }
}

pub(crate) fn is_there(test: &str) -> bool {
    let missing = binaries().err();
    if let Some(reason) = &missing {
        skip(test, reason);
    }
    missing.is_none()
}
