//! What a database would keep: rows by id, as the changes say. It decides nothing.

use hostler_core::catalogue::{Image, Tenant};
use hostler_core::ids::{BmcId, ImageId, LeaseId, NodeId, PoolId, RunId, TenantId};
use hostler_core::lease::Lease;
use hostler_core::node::{Bmc, Node};
use hostler_core::pool::Pool;
use hostler_core::run::Run;
use hostler_core::table::Table;
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, Meta, World};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Rows by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    meta: Meta,
    nodes: BTreeMap<NodeId, Node>,
    bmcs: BTreeMap<BmcId, Bmc>,
    leases: BTreeMap<LeaseId, Lease>,
    tenants: BTreeMap<TenantId, Tenant>,
    images: BTreeMap<ImageId, Image>,
    pools: BTreeMap<PoolId, Pool>,
    runs: BTreeMap<RunId, Run>,
    last_event: u64,
}

impl Store {
    /// One transaction.
    pub(crate) fn commit(&mut self, changes: &[Change]) -> Result<(), String> {
        for change in changes.iter().cloned() {
            match change {
                Change::Meta(row) => self.meta = row,
                Change::Node(row) => drop(self.nodes.insert(row.id, *row)),
                Change::Bmc(row) => drop(self.bmcs.insert(row.id, row)),
                Change::Lease(row) => drop(self.leases.insert(row.id, *row)),
                Change::ForgetLease(id) => drop(self.leases.remove(&id)),
                Change::Tenant(row) => drop(self.tenants.insert(row.id, row)),
                Change::Image(row) => drop(self.images.insert(row.id, row)),
                Change::Pool(row) => drop(self.pools.insert(row.id, row)),
                Change::Run(row) => drop(self.runs.insert(row.id, *row)),
                Change::ForgetRun(id) => drop(self.runs.remove(&id)),
                Change::Event(event) => {
                    if event.id <= self.last_event {
                        return Err(format!("event {} comes after event {}", event.id, self.last_event));
                    }
                    if event.message.is_empty() || event.kind.is_empty() {
                        return Err(format!("event {} says nothing", event.id));
                    }
                    self.last_event = event.id;
                }
            }
        }
        Ok(())
    }

    /// The world as a controller finds it when it starts.
    pub(crate) fn load(&self, timing: &Timing) -> World {
        let mut world = World::new(timing.clone());
        world.restore(self.rows());
        world
    }

    /// The last moment that was stored.
    pub(crate) const fn now(&self) -> Timestamp {
        self.meta.now
    }

    fn rows(&self) -> Vec<Change> {
        let mut rows = vec![Change::Meta(self.meta.clone())];
        rows.extend(self.bmcs.values().cloned().map(Change::Bmc));
        rows.extend(self.nodes.values().cloned().map(Box::new).map(Change::Node));
        rows.extend(self.tenants.values().cloned().map(Change::Tenant));
        rows.extend(self.images.values().cloned().map(Change::Image));
        rows.extend(self.pools.values().cloned().map(Change::Pool));
        rows.extend(self.leases.values().cloned().map(Box::new).map(Change::Lease));
        rows.extend(self.runs.values().cloned().map(Box::new).map(Change::Run));
        rows
    }

    /// Says where the store and the memory of the writer differ.
    pub(crate) fn compare(&self, world: &World) -> Result<(), String> {
        same("nodes", &self.nodes, &world.nodes)?;
        same("bmcs", &self.bmcs, &world.bmcs)?;
        same("leases", &self.leases, &world.leases)?;
        same("tenants", &self.tenants, &world.tenants)?;
        same("images", &self.images, &world.images)?;
        same("pools", &self.pools, &world.pools)?;
        same("runs", &self.runs, &world.runs)?;
        if self.meta == world.meta {
            Ok(())
        } else {
            Err(format!("meta: stored {:?}, in memory {:?}", self.meta, world.meta))
        }
    }

    /// The first row that `changes` would make different. Events and the time of the last input do not count.
    pub(crate) fn first_difference(&self, changes: &[Change]) -> Option<String> {
        changes.iter().find_map(|change| {
            let same = match change {
                Change::Meta(row) => quiet(row).is_ok_and(|quieted| Ok(quieted) == quiet(&self.meta)),
                Change::Node(row) => self.nodes.get(&row.id) == Some(&**row),
                Change::Bmc(row) => self.bmcs.get(&row.id) == Some(row),
                Change::Lease(row) => self.leases.get(&row.id) == Some(&**row),
                Change::ForgetLease(id) => !self.leases.contains_key(id),
                Change::Tenant(row) => self.tenants.get(&row.id) == Some(row),
                Change::Image(row) => self.images.get(&row.id) == Some(row),
                Change::Pool(row) => self.pools.get(&row.id) == Some(row),
                Change::Run(row) => self.runs.get(&row.id) == Some(&**row),
                Change::ForgetRun(id) => !self.runs.contains_key(id),
                Change::Event(_) => true,
            };
            (!same).then(|| match change {
                Change::Node(row) => contrast(&self.nodes.get(&row.id), &Some(row)),
                Change::Lease(row) => contrast(&self.leases.get(&row.id), &Some(row)),
                Change::Run(row) => contrast(&self.runs.get(&row.id), &Some(row)),
                other => format!("{other:?}"),
            })
        })
    }
}

/// Everything of it but the clock and the number of the last event.
fn quiet(meta: &Meta) -> Result<serde_json::Value, String> {
    let mut value = serde_json::to_value(meta).map_err(|e| e.to_string())?;
    value["now"].take();
    value["counters"]["event"].take();
    Ok(value)
}

fn same<K, V>(what: &str, stored: &BTreeMap<K, V>, memory: &Table<K, V>) -> Result<(), String>
where
    K: Ord + Copy + Debug,
    V: PartialEq + Debug,
{
    if stored.len() != memory.len() {
        return Err(format!("{what}: {} stored, {} in memory", stored.len(), memory.len()));
    }
    match stored.iter().find(|(id, row)| memory.get(**id) != Some(row)) {
        None => Ok(()),
        Some((id, row)) => Err(format!("{id:?}, stored: {}", contrast(&Some(row), &memory.get(*id)))),
    }
}

/// Only the lines that differ.
fn contrast(before: &impl Debug, after: &impl Debug) -> String {
    let (before, after) = (format!("{before:#?}"), format!("{after:#?}"));
    let lines = before.lines().zip(after.lines());
    let different: Vec<_> = lines.filter(|(a, b)| a != b).map(|(a, b)| format!("{a} -> {b}")).collect();
    let name = before.lines().find(|l| l.contains("name:")).unwrap_or_default().trim();
    format!("{name} {}", different.join("; "))
}
