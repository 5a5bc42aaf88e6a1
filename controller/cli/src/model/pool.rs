//! Pools.

use super::{all, optional};
use crate::text::clean;
use hostler_proto::node::v1 as pb;
use serde::Serialize;

/// A named set of machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pool {
    pub(crate) name: String,
    /// How many of its machines may be starting at once; none for any number.
    pub(crate) max_booting: Option<u32>,
    pub(crate) max_booting_per_rack: Option<u32>,
    pub(crate) machines: u32,
    pub(crate) starting: u32,
    pub(crate) waiting: u32,
    pub(crate) racks: Vec<Rack>,
}

/// Its machines in one rack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rack {
    /// None where nobody said where they stand.
    pub(crate) rack: Option<String>,
    pub(crate) machines: u32,
    pub(crate) starting: u32,
    /// Those whose power order waits until others have started.
    pub(crate) waiting: u32,
}

impl From<pb::Pool> for Pool {
    fn from(pool: pb::Pool) -> Self {
        let racks: Vec<Rack> = all(pool.racks);
        let bound = |bound: u32| (bound > 0).then_some(bound);
        let sum = |part: fn(&Rack) -> u32| racks.iter().map(part).sum();
        Self {
            name: clean(&pool.name),
            max_booting: bound(pool.max_booting),
            max_booting_per_rack: bound(pool.max_booting_per_rack),
            machines: sum(|rack| rack.machines),
            starting: sum(|rack| rack.starting),
            waiting: sum(|rack| rack.waiting),
            racks,
        }
    }
}

impl From<pb::PoolRack> for Rack {
    fn from(rack: pb::PoolRack) -> Self {
        let pb::PoolRack { rack, machines, starting, waiting } = rack;
        Self { rack: optional(&rack), machines, starting, waiting }
    }
}
