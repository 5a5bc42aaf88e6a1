//! Which store: `sqlite:///path/of/state.db`, or `postgres://user@host/database`.

mod passfile;
mod postgres;

pub use postgres::PostgresUrl;
pub(crate) use postgres::Tls;

use crate::StoreError;
use std::fmt;
use std::path::{Path, PathBuf};

/// Which store. Displayed, it is the URL without the password.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A database of a server.
    Postgres(Box<PostgresUrl>),
}

impl StoreUrl {
    /// Reads a URL. Paths that do not begin with `/` are relative to `dir`.
    ///
    /// A password of PostgreSQL that is not in the URL is taken from `PGPASSWORD` or from a file (`passfile=` in the
    /// URL, `PGPASSFILE`, `~/.pgpass`), as libpq does.
    ///
    /// # Errors
    /// If it is no URL of a store. What it says is not repeated in the error: there may be a password in it.
    pub fn parse(text: &str, dir: &Path) -> Result<Self, StoreError> {
        let no_url = || {
            StoreError::Url(
                "a store is named by sqlite:///PATH, or by postgres://USER@HOST/DATABASE".to_owned(),
            )
        };
        let (scheme, rest) = text.split_once(':').ok_or_else(no_url)?;
        match scheme {
            "sqlite" => {
                // Two slashes begin a host, which a file has not.
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() || (rest.starts_with("//") && !path.starts_with('/')) {
                    let why =
                        "sqlite:///PATH has three slashes; sqlite:PATH is relative to the configuration";
                    return Err(StoreError::Url(why.to_owned()));
                }
                Ok(Self::Sqlite(dir.join(path)))
            }
            "postgres" | "postgresql" => Ok(Self::Postgres(Box::new(PostgresUrl::parse(text, dir)?))),
            _ => Err(no_url()),
        }
    }
}

/// The URL of a PostgreSQL database as it was written, but for the password, and whether it had one.
#[must_use]
pub fn without_password(url: &str) -> (String, bool) {
    postgres::without_password(url)
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
