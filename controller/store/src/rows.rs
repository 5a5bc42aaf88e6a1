//! A batch as rows of tables: what both engines write, and in which order.

use crate::table::{self, Row, Table, Value, to_i64};
use crate::{Batch, StoreError};
use hostler_core::event::Event;
use hostler_core::lease::{Assigned, Lease, LeaseState};
use hostler_core::world::Change;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Events kept. Older ones make room.
const KEPT_EVENTS: u64 = 1_000_000;

/// What a batch writes. The engines write it from top to bottom.
#[derive(Debug)]
pub(crate) struct Rows {
    /// The new body of the one row of `meta`.
    pub(crate) meta: Option<String>,
    /// These leave the controller's memory. They come first: what takes their place may come in the same batch.
    pub(crate) forgotten: Vec<(&'static Table, Vec<i64>)>,
    /// Rows that may be there already, by table. A row that the batch has twice is written as it was the last time.
    pub(crate) upserts: Vec<(&'static Table, Vec<Row>)>,
    /// Every membership of these leases goes before those below come: a node may pass from one lease to another within
    /// a batch.
    pub(crate) leases: Vec<i64>,
    /// `membership` and `event`.
    pub(crate) inserts: Vec<(&'static Table, Vec<Row>)>,
    /// Events up to this one make room.
    pub(crate) last_old_event: Option<i64>,
}

/// Rows of one table by their id.
type ById = BTreeMap<i64, Row>;

/// What was found in a batch so far.
#[derive(Default)]
struct Found<'b> {
    meta: Option<String>,
    bmcs: ById,
    nodes: ById,
    tenants: ById,
    images: ById,
    pools: ById,
    leases: ById,
    runs: ById,
    forgotten_leases: BTreeSet<i64>,
    forgotten_runs: BTreeSet<i64>,
    /// Of the changed leases.
    groups: BTreeMap<i64, &'b [Assigned]>,
    events: Vec<Row>,
    last_old_event: Option<i64>,
}

impl Rows {
    pub(crate) fn of(batch: &Batch) -> Result<Self, StoreError> {
        let mut found = Found::default();
        for change in &batch.changes {
            found.add(change)?;
        }
        Ok(found.into_rows())
    }
}

impl<'b> Found<'b> {
    fn add(&mut self, change: &'b Change) -> Result<(), StoreError> {
        match change {
            Change::Meta(row) => self.meta = Some(body(&table::META, row)?),
            Change::Bmc(row) => put(&mut self.bmcs, &table::BMC, row.id.0, [text(&row.spec.address)], row)?,
            Change::Node(row) => {
                let columns = [text(&row.spec.name), text(row.state.name().as_str())];
                put(&mut self.nodes, &table::NODE, row.id.0, columns, row)?;
            }
            Change::Tenant(row) => {
                put(&mut self.tenants, &table::TENANT, row.id.0, [text(&row.name)], row)?;
            }
            Change::Image(row) => {
                let columns = [text(&row.name), text(row.arch.as_str()), text(&row.content.sha256)];
                put(&mut self.images, &table::IMAGE, row.id.0, columns, row)?;
            }
            Change::Pool(row) => put(&mut self.pools, &table::POOL, row.id.0, [text(&row.name)], row)?,
            Change::Lease(row) => {
                self.groups.insert(row.id.0.into(), row.group());
                let tenant = Value::Number(row.tenant.0.into());
                let columns = [tenant, text(&row.key), text(state(row)), REMEMBERED];
                put(&mut self.leases, &table::LEASE, row.id.0, columns, row)?;
            }
            Change::Run(row) => {
                let columns = [Value::Number(row.lease.0.into()), REMEMBERED];
                put(&mut self.runs, &table::RUN, row.id.0, columns, row)?;
            }
            Change::Event(row) => {
                if row.id.is_multiple_of(4096) {
                    self.last_old_event = Some(to_i64(row.id.saturating_sub(KEPT_EVENTS)));
                }
                self.events.push(event(row));
            }
            Change::ForgetLease(id) => self.forgotten_leases.extend([i64::from(id.0)]),
            Change::ForgetRun(id) => self.forgotten_runs.extend([i64::from(id.0)]),
        }
        Ok(())
    }

    fn into_rows(mut self) -> Rows {
        // What comes and is forgotten within one batch was never in memory.
        forget(&mut self.leases, &self.forgotten_leases);
        forget(&mut self.runs, &self.forgotten_runs);
        let member = |lease: i64, node: u32| vec![Value::Number(node.into()), Value::Number(lease)];
        let members =
            self.groups.iter().flat_map(|(&id, group)| group.iter().map(move |a| member(id, a.node.0)));
        let members = members.collect();
        let upserts = [
            (&table::BMC, self.bmcs),
            (&table::NODE, self.nodes),
            (&table::TENANT, self.tenants),
            (&table::IMAGE, self.images),
            (&table::POOL, self.pools),
            (&table::LEASE, self.leases),
            (&table::RUN, self.runs),
        ];
        Rows {
            meta: self.meta,
            forgotten: vec![
                (&table::LEASE, self.forgotten_leases.into_iter().collect()),
                (&table::RUN, self.forgotten_runs.into_iter().collect()),
            ],
            upserts: upserts.into_iter().map(|(t, rows)| (t, rows.into_values().collect())).collect(),
            leases: self.groups.into_keys().collect(),
            inserts: vec![(&table::MEMBERSHIP, members), (&table::EVENT, self.events)],
            last_old_event: self.last_old_event,
        }
    }
}

/// In the column of this name until it turns out otherwise; no other column is a flag.
const REMEMBERED: Value = Value::Flag(true);

fn forget(rows: &mut ById, ids: &BTreeSet<i64>) {
    for (_, row) in rows.iter_mut().filter(|(id, _)| ids.contains(id)) {
        row.iter_mut().filter(|value| **value == REMEMBERED).for_each(|value| *value = Value::Flag(false));
    }
}

fn text(text: &str) -> Value {
    Value::text(text)
}

/// The id is the first column, the body the last.
fn put<const N: usize>(
    rows: &mut ById,
    table: &Table,
    id: u32,
    columns: [Value; N],
    row: &impl Serialize,
) -> Result<(), StoreError> {
    let id = i64::from(id);
    let mut values = Vec::with_capacity(N + 2);
    values.push(Value::Number(id));
    values.extend(columns);
    values.push(Value::Text(body(table, row)?));
    rows.insert(id, values);
    Ok(())
}

fn body(table: &Table, row: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(row).map_err(|source| StoreError::Encode { table: table.name, source })
}

const fn state(lease: &Lease) -> &'static str {
    match lease.state {
        LeaseState::Queued { .. } => "queued",
        LeaseState::Deploying { .. } => "deploying",
        LeaseState::Active { .. } => "active",
        LeaseState::Closing { .. } => "closing",
        LeaseState::Closed { .. } => "closed",
    }
}

fn event(row: &Event) -> Row {
    let reference = |id: Option<u32>| id.map_or(Value::Null, |id| Value::Number(id.into()));
    vec![
        Value::number(row.id),
        Value::number(row.at.0),
        text(row.severity.as_str()),
        text(&row.kind),
        reference(row.node.map(|n| n.0)),
        reference(row.lease.map(|l| l.0)),
        text(&row.message),
    ]
}
