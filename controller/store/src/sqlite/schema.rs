//! The schema, as the sequence of steps that made it.

use crate::StoreError;
use rusqlite::Connection;

/// Each step brings a database from one version to the next; `user_version` counts those that were taken. The steps of
/// both engines have the same numbers and the same tables, but for those that several controllers agree by.
const MIGRATIONS: &[&str] =
    &[include_str!("0001_first.sql"), include_str!("0002_pools.sql"), include_str!("0003_leader.sql")];

/// The newest version.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The version of the database; 0 if there is nothing of ours in it.
///
/// # Errors
/// If it is newer than this program.
pub(super) fn version(db: &Connection, path: &str) -> Result<i64, StoreError> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known() {
        return Err(StoreError::TooNew { store: path.to_owned(), found, known: known() });
    }
    Ok(found)
}

/// Brings the database to the newest version.
pub(super) fn migrate(db: &mut Connection, path: &str) -> Result<(), StoreError> {
    let found = version(db, path)?;
    for (step, version) in MIGRATIONS.iter().zip(1..).skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = db.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
