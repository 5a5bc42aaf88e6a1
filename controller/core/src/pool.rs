//! What is said about a pool of machines.

use crate::ahead::Wishes;
use crate::ids::PoolId;
use crate::inrush::{Turn, turn};
use crate::keep::{Demand, Keep, KeepChange};
use crate::standby::Standby;
use crate::time::Timestamp;
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

/// A named set of nodes that something was said about. Which nodes are in it, their registrations say; a pool of which
/// nothing was said has no row, and no bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Unique.
    pub name: String,
    /// Since when.
    pub added: Timestamp,
    /// How many of its machines may be starting at once.
    #[serde(default)]
    pub bounds: Bounds,
    /// What is done with those that nobody uses.
    #[serde(default)]
    pub keep: Keep,
    /// How many of them were asked for of late. Counted where it makes a difference.
    #[serde(default)]
    pub demand: Demand,
    /// What they were asked for with of late. Counted where images are written ahead.
    #[serde(default)]
    pub wishes: Wishes,
}

/// How many machines of a pool may be starting at once; none for any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Of all its machines.
    pub max_booting: Option<NonZeroU32>,
    /// Of those that stand in one rack. Machines of which nobody said where they stand are in none.
    pub max_booting_per_rack: Option<NonZeroU32>,
}

/// What is to be different about a pool. What is not said stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Zero for any number.
    pub max_booting: Option<u32>,
    /// Zero for any number.
    pub max_booting_per_rack: Option<u32>,
    /// What is done with those that nobody uses.
    #[serde(default)]
    pub keep: KeepChange,
}

impl Bounds {
    /// With what is to be different.
    #[must_use]
    pub fn with(self, limits: Limits) -> Self {
        let changed = |old, new: Option<u32>| new.map_or(old, NonZeroU32::new);
        Self {
            max_booting: changed(self.max_booting, limits.max_booting),
            max_booting_per_rack: changed(self.max_booting_per_rack, limits.max_booting_per_rack),
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |bound: Option<NonZeroU32>| bound.map_or("any number".to_owned(), |n| n.to_string());
        let (all, rack) = (bound(self.max_booting), bound(self.max_booting_per_rack));
        write!(f, "{all} of its machines may be starting at once, {rack} in each rack")
    }
}

/// How many machines there are, how many of them are to start, and how many free ones are warm or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// In service.
    pub machines: u32,
    /// Between their power order and their ramdisk's agent.
    pub starting: u32,
    /// Those whose power order waits its turn.
    pub waiting: u32,
    /// Free, and their agents wait in the ramdisk.
    pub warm: u32,
    /// Free, and powered off.
    pub off: u32,
}

/// The machines of each pool, by rack; those of which nobody said where they stand are in none. A pool that was only
/// spoken of has no racks.
#[must_use]
pub fn census(world: &World) -> BTreeMap<&str, BTreeMap<Option<&str>, Census>> {
    let mut pools: BTreeMap<&str, BTreeMap<_, Census>> =
        world.pools.values().map(|pool| (pool.name.as_str(), BTreeMap::new())).collect();
    for node in world.nodes.values().filter(|n| n.in_service()) {
        let racks = pools.entry(&node.spec.pool).or_default();
        let count = racks.entry(node.spec.rack.as_deref()).or_default();
        count.machines += 1;
        match turn(node) {
            Some(Turn::Starting) => count.starting += 1,
            Some(Turn::Waiting(_)) => count.waiting += 1,
            None => {}
        }
        match node.standby().filter(|_| node.is_free()) {
            Some(Standby::Warm) => count.warm += 1,
            Some(Standby::Off) => count.off += 1,
            Some(Standby::Cold) | None => {}
        }
    }
    pools
}
