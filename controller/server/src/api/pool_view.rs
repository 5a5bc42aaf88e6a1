//! Pools as they are shown.

use hostler_core::pool::{Census, census};
use hostler_core::world::World;
use hostler_proto::node::v1 as wire;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// Those that have machines or were spoken of.
pub(super) fn pools(world: &World) -> Vec<wire::Pool> {
    census(world).into_iter().map(|(name, racks)| pool(world, name, racks)).collect()
}

fn pool(world: &World, name: &str, racks: BTreeMap<Option<&str>, Census>) -> wire::Pool {
    let bounds = world.pool_named(name).map(|pool| pool.bounds).unwrap_or_default();
    let number = |bound: Option<NonZeroU32>| bound.map_or(0, NonZeroU32::get);
    wire::Pool {
        name: name.to_owned(),
        max_booting: number(bounds.max_booting),
        max_booting_per_rack: number(bounds.max_booting_per_rack),
        racks: racks.into_iter().map(rack).collect(),
    }
}

fn rack((rack, census): (Option<&str>, Census)) -> wire::PoolRack {
    let Census { machines, starting, waiting } = census;
    wire::PoolRack { rack: rack.unwrap_or_default().to_owned(), machines, starting, waiting }
}
