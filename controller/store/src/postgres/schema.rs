//! The schema, as the sequence of steps that made it.

use super::link::Link;
use crate::StoreError;
use std::time::Duration;

/// Each step brings a database from one version to the next; `hostler_schema` counts those that were taken. The steps
/// of both engines have the same numbers and the same tables, but for those that several controllers agree by.
const MIGRATIONS: &[&str] =
    &[include_str!("0001_first.sql"), include_str!("0002_pools.sql"), include_str!("0003_leader.sql")];

/// How long one step may take.
const STEP: Duration = Duration::from_secs(600);

/// The newest version.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Brings the database to the newest version.
pub(super) fn migrate(link: &Link) -> Result<(), StoreError> {
    let found = version(link)?;
    for (step, version) in MIGRATIONS.iter().zip(1..).skip(usize::try_from(found).unwrap_or(0)) {
        let sql = format!(
            "BEGIN; SET LOCAL statement_timeout = 0; {step};
             CREATE TABLE IF NOT EXISTS hostler_schema (version BIGINT NOT NULL);
             DELETE FROM hostler_schema;
             INSERT INTO hostler_schema VALUES ({version});
             COMMIT;"
        );
        link.run(STEP, link.client().batch_execute(&sql))?;
    }
    Ok(())
}

/// The version of the database; 0 if there is nothing of ours in it.
///
/// # Errors
/// If it is newer than this program.
pub(super) fn version(link: &Link) -> Result<i64, StoreError> {
    let there = "SELECT to_regclass('hostler_schema') IS NOT NULL";
    if !link.run(STEP, link.client().query_one(there, &[]))?.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = link.run(STEP, link.client().query_one("SELECT max(version) FROM hostler_schema", &[]))?;
    let found = row.get::<_, Option<i64>>(0).unwrap_or(0);
    if found > known() {
        return Err(StoreError::TooNew { store: link.store().to_owned(), found, known: known() });
    }
    Ok(found)
}
