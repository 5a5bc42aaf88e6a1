//! One batch, one transaction.

use crate::{Batch, StoreError};
use hostler_core::event::Event;
use hostler_core::lease::{Lease, LeaseState};
use hostler_core::world::{Change, Meta};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;

/// Events kept. Older ones make room.
const KEPT_EVENTS: u64 = 1_000_000;

pub(super) fn commit(db: &mut Connection, batch: &Batch) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let epoch = to_i64(batch.number.epoch);
    transaction
        .prepare_cached("UPDATE meta SET epoch = ?1, batch = ?2")?
        .execute(params![epoch, to_i64(batch.number.batch)])?;
    for change in &batch.changes {
        write(&transaction, change)?;
    }
    write_memberships(&transaction, &batch.changes)?;
    transaction.commit()?;
    Ok(())
}

fn write(db: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Meta(row) => write_meta(db, row),
        Change::Node(row) => db
            .prepare_cached("INSERT OR REPLACE INTO node (id, name, state, body) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![row.id.0, row.spec.name, row.state.name().as_str(), body("node", row)?])
            .map(drop)
            .map_err(Into::into),
        Change::Bmc(row) => db
            .prepare_cached("INSERT OR REPLACE INTO bmc (id, address, body) VALUES (?1, ?2, ?3)")?
            .execute(params![row.id.0, row.spec.address, body("bmc", row)?])
            .map(drop)
            .map_err(Into::into),
        Change::Lease(row) => write_lease(db, row),
        Change::ForgetLease(id) => forget(db, "UPDATE lease SET remembered = 0 WHERE id = ?1", id.0),
        Change::Tenant(row) => db
            .prepare_cached("INSERT OR REPLACE INTO tenant (id, name, body) VALUES (?1, ?2, ?3)")?
            .execute(params![row.id.0, row.name, body("tenant", row)?])
            .map(drop)
            .map_err(Into::into),
        Change::Image(row) => db
            .prepare_cached(
                "INSERT OR REPLACE INTO image (id, name, arch, sha256, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![row.id.0, row.name, row.arch.as_str(), row.content.sha256, body("image", row)?])
            .map(drop)
            .map_err(Into::into),
        Change::Run(row) => db
            .prepare_cached(
                "INSERT OR REPLACE INTO run (id, lease, remembered, body) VALUES (?1, ?2, 1, ?3)",
            )?
            .execute(params![row.id.0, row.lease.0, body("run", row)?])
            .map(drop)
            .map_err(Into::into),
        Change::ForgetRun(id) => forget(db, "UPDATE run SET remembered = 0 WHERE id = ?1", id.0),
        Change::Event(row) => write_event(db, row),
    }
}

fn write_meta(db: &Transaction<'_>, row: &Meta) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE meta SET body = ?1")?.execute(params![body("meta", row)?])?;
    Ok(())
}

fn write_lease(db: &Transaction<'_>, row: &Lease) -> Result<(), StoreError> {
    let state = match row.state {
        LeaseState::Queued { .. } => "queued",
        LeaseState::Deploying { .. } => "deploying",
        LeaseState::Active { .. } => "active",
        LeaseState::Closing { .. } => "closing",
        LeaseState::Closed { .. } => "closed",
    };
    db.prepare_cached(
        "INSERT INTO lease (id, tenant, key, state, remembered, body) VALUES (?1, ?2, ?3, ?4, 1, ?5)
         ON CONFLICT (id) DO UPDATE SET state = ?4, body = ?5",
    )?
    .execute(params![row.id.0, row.tenant.0, row.key, state, body("lease", row)?])?;
    Ok(())
}

/// First every membership of the changed leases goes, then the present ones come: a node may pass from one lease to
/// another within a batch.
fn write_memberships(db: &Transaction<'_>, changes: &[Change]) -> Result<(), StoreError> {
    let leases = || {
        changes.iter().filter_map(|c| match c {
            Change::Lease(lease) => Some(lease),
            _ => None,
        })
    };
    let mut delete = db.prepare_cached("DELETE FROM membership WHERE lease = ?1")?;
    for lease in leases() {
        delete.execute(params![lease.id.0])?;
    }
    let mut insert = db.prepare_cached("INSERT INTO membership (node, lease) VALUES (?1, ?2)")?;
    for lease in leases() {
        for assigned in lease.group() {
            insert.execute(params![assigned.node.0, lease.id.0])?;
        }
    }
    Ok(())
}

fn write_event(db: &Transaction<'_>, row: &Event) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO event (id, at, severity, kind, node, lease, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        to_i64(row.id),
        to_i64(row.at.0),
        row.severity.as_str(),
        row.kind,
        row.node.map(|n| n.0),
        row.lease.map(|l| l.0),
        row.message
    ])?;
    if row.id.is_multiple_of(4096) {
        let last = to_i64(row.id.saturating_sub(KEPT_EVENTS));
        db.prepare_cached("DELETE FROM event WHERE id <= ?1")?.execute(params![last])?;
    }
    Ok(())
}

fn forget(db: &Transaction<'_>, statement: &str, id: u32) -> Result<(), StoreError> {
    db.prepare_cached(statement)?.execute(params![id])?;
    Ok(())
}

fn body<T: Serialize>(table: &'static str, row: &T) -> Result<String, StoreError> {
    serde_json::to_string(row).map_err(|source| StoreError::Encode { table, source })
}

/// SQLite's integers are signed; ours never come near the difference.
fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
