//! Reading rows back.

use crate::load::{self, EventRow, QUERIES};
use crate::table::{self, Table, to_i64, to_u64};
use crate::{BatchNumber, EventFilter, History, Loaded, StoreError};
use hostler_core::event::Event;
use hostler_core::ids::{LeaseId, RunId, TenantId};
use hostler_core::lease::Lease;
use hostler_core::run::Run;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;
use std::path::Path;

pub(super) fn load(db: &Connection) -> Result<Loaded, StoreError> {
    let (epoch, batch, meta): (i64, i64, String) =
        db.query_row("SELECT epoch, batch, body FROM meta", [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    let mut changes = Vec::new();
    if !meta.is_empty() {
        changes.push(load::change(&table::META, 1, &meta)?);
    }
    for (table, query) in &QUERIES {
        let mut statement = db.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, body): (i64, String) = (row.get(0)?, row.get(1)?);
            changes.push(load::change(table, id, &body)?);
        }
    }
    Ok(Loaded { changes, last: BatchNumber { epoch: to_u64(epoch), batch: to_u64(batch) } })
}

/// A reader beside the writer: sees what was committed.
#[derive(Debug)]
pub struct SqliteHistory {
    db: Connection,
}

impl SqliteHistory {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self { db })
    }

    fn one<T: DeserializeOwned>(&self, table: &'static Table, id: u32) -> Result<Option<T>, StoreError> {
        let sql = format!("SELECT body FROM {} WHERE id = ?1", table.name);
        let body: Option<String> =
            self.db.prepare_cached(&sql)?.query_row(params![id], |row| row.get(0)).optional()?;
        body.map(|body| load::parse(table, i64::from(id), &body)).transpose()
    }
}

impl History for SqliteHistory {
    fn events(&self, filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT id, at, severity, kind, node, lease, message FROM event
             WHERE id > ?1 AND (?2 IS NULL OR node = ?2) AND (?3 IS NULL OR lease = ?3)
             ORDER BY id LIMIT ?4",
        )?;
        let after = to_i64(filter.after);
        let wanted = params![after, filter.node.map(|n| n.0), filter.lease.map(|l| l.0), filter.limit];
        let rows = statement.query_map(wanted, event)?.collect::<Result<Vec<_>, _>>()?;
        Ok(rows.into_iter().map(Event::from).collect())
    }

    fn lease(&self, id: LeaseId) -> Result<Option<Lease>, StoreError> {
        self.one(&table::LEASE, id.0)
    }

    fn leases_before(
        &self,
        tenant: Option<TenantId>,
        before: LeaseId,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT id, body FROM lease WHERE id < ?1 AND (?2 IS NULL OR tenant = ?2) ORDER BY id DESC LIMIT ?3",
        )?;
        let mut rows = statement.query(params![before.0, tenant.map(|t| t.0), limit])?;
        let mut leases = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, body): (i64, String) = (row.get(0)?, row.get(1)?);
            leases.push(load::parse(&table::LEASE, id, &body)?);
        }
        Ok(leases)
    }

    fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.one(&table::RUN, id.0)
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        id: row.get(0)?,
        at: row.get(1)?,
        severity: row.get(2)?,
        kind: row.get(3)?,
        node: row.get(4)?,
        lease: row.get(5)?,
        message: row.get(6)?,
    })
}
