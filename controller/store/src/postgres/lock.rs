//! One hostlerd for each database: a lock that ends with the session. It keeps a second one away in words; what keeps
//! its writes away is the epoch.

use super::link::Link;
use crate::StoreError;
use std::time::Duration;

/// "host", "ler": ours among the advisory locks of a database.
const KEYS: &str = "1752134516, 7103858";

/// More than `lock_timeout`: what a killed hostlerd left behind ends when the server notices.
const LIMIT: Duration = Duration::from_secs(9);

/// Waits for the lock, but not for long.
pub(super) fn take(link: &Link) -> Result<(), StoreError> {
    match link.run(LIMIT, link.client().batch_execute(&format!("SELECT pg_advisory_lock({KEYS})"))) {
        Err(error) if error.is_unavailable() => match holder(link)? {
            Some(holder) => Err(StoreError::Locked { store: link.store().to_owned(), holder }),
            None => Err(error),
        },
        other => other,
    }
}

/// Who has the lock, if somebody has.
fn holder(link: &Link) -> Result<Option<String>, StoreError> {
    let (class, object) = KEYS.split_once(", ").unwrap_or_default();
    let sql = format!(
        "SELECT a.pid, coalesce(host(a.client_addr), 'the host of the database')
         FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE l.locktype = 'advisory' AND l.granted AND l.classid = {class} AND l.objid = {object}
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    let row = link.run(LIMIT, link.client().query_opt(&sql, &[]))?;
    Ok(row.map(|row| {
        let (pid, host): (i32, String) = (row.get(0), row.get(1));
        format!(" (session {pid} of the server, from {host})")
    }))
}
