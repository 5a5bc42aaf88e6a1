//! From stored rows to what the core knows.

use crate::StoreError;
use crate::table::{self, Table, to_u64};
use hostler_core::event::{Event, Severity};
use hostler_core::ids::{LeaseId, NodeId};
use hostler_core::time::Timestamp;
use hostler_core::world::Change;
use serde::de::DeserializeOwned;

/// What a world is loaded from besides `meta`, in this order: id and body.
pub(crate) static QUERIES: [(&Table, &str); 7] = [
    (&table::BMC, "SELECT id, body FROM bmc ORDER BY id"),
    (&table::NODE, "SELECT id, body FROM node ORDER BY id"),
    (&table::TENANT, "SELECT id, body FROM tenant ORDER BY id"),
    (&table::IMAGE, "SELECT id, body FROM image ORDER BY id"),
    (&table::POOL, "SELECT id, body FROM pool ORDER BY id"),
    (&table::LEASE, "SELECT id, body FROM lease WHERE remembered ORDER BY id"),
    (&table::RUN, "SELECT id, body FROM run WHERE remembered ORDER BY id"),
];

/// The change that puts a row in place.
pub(crate) fn change(table: &Table, id: i64, body: &str) -> Result<Change, StoreError> {
    match table.name {
        "meta" => parse(table, id, body).map(Change::Meta),
        "bmc" => parse(table, id, body).map(Change::Bmc),
        "node" => parse(table, id, body).map(Change::Node),
        "tenant" => parse(table, id, body).map(Change::Tenant),
        "image" => parse(table, id, body).map(Change::Image),
        "pool" => parse(table, id, body).map(Change::Pool),
        "lease" => parse(table, id, body).map(Change::Lease),
        _ => parse(table, id, body).map(Change::Run),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(table: &Table, id: i64, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|source| StoreError::Row { table: table.name, id, source })
}

/// A row of `event`, in the order of its columns.
pub(crate) struct EventRow {
    pub(crate) id: i64,
    pub(crate) at: i64,
    pub(crate) severity: String,
    pub(crate) kind: String,
    pub(crate) node: Option<i64>,
    pub(crate) lease: Option<i64>,
    pub(crate) message: String,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        let reference = |id: i64| u32::try_from(id).unwrap_or(0);
        Self {
            id: to_u64(row.id),
            at: Timestamp(to_u64(row.at)),
            severity: [Severity::Info, Severity::Warning, Severity::Incident]
                .into_iter()
                .find(|s| s.as_str() == row.severity)
                .unwrap_or(Severity::Incident),
            kind: row.kind,
            node: row.node.map(|id| NodeId(reference(id))),
            lease: row.lease.map(|id| LeaseId(reference(id))),
            message: row.message,
        }
    }
}
