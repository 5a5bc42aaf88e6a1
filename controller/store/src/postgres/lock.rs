//! One writer for each database: a lock that ends with the session. What keeps the writes of another away is the epoch;
//! the lock tells a writer that its last transaction is over, and keeps copies of a store away that is in use.

use super::link::Link;
use crate::StoreError;
use std::time::Duration;

/// "host", "ler": ours among the advisory locks of a database.
const CLASS: i64 = 1_752_134_516;
const OBJECT: i64 = 7_103_858;

/// How sessions of writers are called in `pg_stat_activity`.
const WRITER: &str = "hostlerd writer";

/// More than `lock_timeout`: what a killed hostlerd left behind ends when the server notices.
const LIMIT: Duration = Duration::from_secs(9);

/// Waits for the lock, but not for long.
pub(super) fn take(link: &Link) -> Result<(), StoreError> {
    match say(link, &format!("SELECT pg_advisory_lock({CLASS}, {OBJECT})")) {
        Err(error) if error.is_unavailable() => match holder(link)? {
            Some(holder) => Err(StoreError::Locked { store: link.store().to_owned(), holder }),
            None => Err(error),
        },
        other => other,
    }
}

/// The same for the writer of a leader, whose session a successor may end.
pub(super) fn take_as_writer(link: &Link) -> Result<(), StoreError> {
    say(link, &format!("SET application_name = '{WRITER}'"))?;
    take(link)
}

/// Gives it back.
pub(super) fn release(link: &Link) -> Result<(), StoreError> {
    say(link, &format!("SELECT pg_advisory_unlock({CLASS}, {OBJECT})"))
}

/// Ends the session of the writer that has it. Copies that have it are left alone.
pub(super) fn end_writer(link: &Link) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT pg_terminate_backend(a.pid) {} AND a.application_name = '{WRITER}' AND a.pid <> pg_backend_pid()",
        holders()
    );
    link.run(LIMIT, link.client().query(&sql, &[])).map(drop)
}

/// Who has the lock, if somebody has.
fn holder(link: &Link) -> Result<Option<String>, StoreError> {
    let sql =
        format!("SELECT a.pid, coalesce(host(a.client_addr), 'the host of the database') {}", holders());
    let row = link.run(LIMIT, link.client().query_opt(&sql, &[]))?;
    Ok(row.map(|row| {
        let (pid, host): (i32, String) = (row.get(0), row.get(1));
        format!(" (session {pid} of the server, from {host})")
    }))
}

fn holders() -> String {
    format!(
        "FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE l.locktype = 'advisory' AND l.granted AND l.classid = {CLASS} AND l.objid = {OBJECT}
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
}

fn say(link: &Link, sql: &str) -> Result<(), StoreError> {
    link.run(LIMIT, link.client().batch_execute(sql))
}
