//! Reading rows back.

use crate::{BatchNumber, EventFilter, History, Loaded, StoreError};
use hostler_core::event::{Event, Severity};
use hostler_core::ids::{LeaseId, NodeId, RunId, TenantId};
use hostler_core::lease::Lease;
use hostler_core::run::Run;
use hostler_core::time::Timestamp;
use hostler_core::world::Change;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;
use std::path::Path;

pub(super) fn load(db: &Connection) -> Result<Loaded, StoreError> {
    let (epoch, batch, meta): (i64, i64, String) =
        db.query_row("SELECT epoch, batch, body FROM meta", [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    let mut changes = Vec::new();
    if !meta.is_empty() {
        changes.push(Change::Meta(parse("meta", 1, &meta)?));
    }
    bodies(db, "bmc", "SELECT id, body FROM bmc ORDER BY id", |row| changes.push(Change::Bmc(row)))?;
    bodies(db, "node", "SELECT id, body FROM node ORDER BY id", |row| changes.push(Change::Node(row)))?;
    bodies(db, "tenant", "SELECT id, body FROM tenant ORDER BY id", |row| changes.push(Change::Tenant(row)))?;
    bodies(db, "image", "SELECT id, body FROM image ORDER BY id", |row| changes.push(Change::Image(row)))?;
    let leases = "SELECT id, body FROM lease WHERE remembered ORDER BY id";
    bodies(db, "lease", leases, |row| changes.push(Change::Lease(row)))?;
    let runs = "SELECT id, body FROM run WHERE remembered ORDER BY id";
    bodies(db, "run", runs, |row| changes.push(Change::Run(row)))?;
    let last = BatchNumber { epoch: to_u64(epoch), batch: to_u64(batch) };
    Ok(Loaded { changes, last })
}

fn bodies<T: DeserializeOwned>(
    db: &Connection,
    table: &'static str,
    query: &str,
    mut each: impl FnMut(T),
) -> Result<(), StoreError> {
    let mut statement = db.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, body): (i64, String) = (row.get(0)?, row.get(1)?);
        each(parse(table, id, &body)?);
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(table: &'static str, id: i64, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|source| StoreError::Row { table, id, source })
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

    fn one<T: DeserializeOwned>(
        &self,
        table: &'static str,
        query: &str,
        id: u32,
    ) -> Result<Option<T>, StoreError> {
        let body: Option<String> =
            self.db.prepare_cached(query)?.query_row(params![id], |row| row.get(0)).optional()?;
        body.map(|body| parse(table, i64::from(id), &body)).transpose()
    }
}

impl History for SqliteHistory {
    fn events(&self, filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT id, at, severity, kind, node, lease, message FROM event
             WHERE id > ?1 AND (?2 IS NULL OR node = ?2) AND (?3 IS NULL OR lease = ?3)
             ORDER BY id LIMIT ?4",
        )?;
        let after = i64::try_from(filter.after).unwrap_or(i64::MAX);
        let wanted = params![after, filter.node.map(|n| n.0), filter.lease.map(|l| l.0), filter.limit];
        let events = statement.query_map(wanted, event)?.collect::<Result<_, _>>()?;
        Ok(events)
    }

    fn lease(&self, id: LeaseId) -> Result<Option<Lease>, StoreError> {
        self.one("lease", "SELECT body FROM lease WHERE id = ?1", id.0)
    }

    fn leases(&self, tenant: Option<TenantId>, limit: u32) -> Result<Vec<Lease>, StoreError> {
        self.leases_before(tenant, LeaseId(u32::MAX), limit)
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
            leases.push(parse("lease", id, &body)?);
        }
        Ok(leases)
    }

    fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.one("run", "SELECT body FROM run WHERE id = ?1", id.0)
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let severity: String = row.get(2)?;
    Ok(Event {
        id: to_u64(row.get(0)?),
        at: Timestamp(to_u64(row.get(1)?)),
        severity: [Severity::Info, Severity::Warning, Severity::Incident]
            .into_iter()
            .find(|s| s.as_str() == severity)
            .unwrap_or(Severity::Incident),
        kind: row.get(3)?,
        node: row.get::<_, Option<u32>>(4)?.map(NodeId),
        lease: row.get::<_, Option<u32>>(5)?.map(LeaseId),
        message: row.get(6)?,
    })
}

fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
