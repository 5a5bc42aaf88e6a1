//! The schema, as the sequence of steps that made it.

use crate::StoreError;
use rusqlite::Connection;

/// Each step brings a database from one version to the next; `user_version` counts those that were taken.
const MIGRATIONS: &[&str] = &[include_str!("0001_first.sql")];

/// Brings the database to the newest version.
pub(super) fn migrate(db: &mut Connection, path: &str) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::TooNew { path: path.to_owned(), found, known });
    }
    for (step, version) in MIGRATIONS.iter().zip(1..).skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = db.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
