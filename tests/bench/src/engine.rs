//! Where the controller of a benchmark keeps its state.

use clap::ValueEnum;
use hostler_checkout::postgres::{Options, Server};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// A file in the controller's directory.
    Sqlite,
    /// A server of its own, on the same file system and with its defaults.
    Postgres,
}

/// A store for one controller. Dropped, its server ends.
#[derive(Debug)]
pub struct Store {
    /// As the configuration has it; none for the default.
    pub url: Option<String>,
    _server: Option<Server>,
}

/// A new directory, through which the user of a server may go.
///
/// # Errors
/// If it cannot be made.
pub fn directory() -> anyhow::Result<TempDir> {
    let permissions = Permissions::from_mode(0o711);
    Ok(tempfile::Builder::new().prefix("hostler-bench-").permissions(permissions).tempdir()?)
}

impl Engine {
    /// The word in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// For the names of figures; those of the default have none.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => ", PostgreSQL",
        }
    }

    /// An empty store, in this directory.
    ///
    /// # Errors
    /// If there is no such engine on this computer.
    pub fn store(self, dir: &Path) -> anyhow::Result<Store> {
        match self {
            Self::Sqlite => Ok(Store { url: None, _server: None }),
            Self::Postgres => {
                std::fs::create_dir_all(dir)?;
                let server = Server::start(Options { parent: Some(dir), ..Options::default() })?;
                Ok(Store { url: Some(server.database()?.url), _server: Some(server) })
            }
        }
    }
}
