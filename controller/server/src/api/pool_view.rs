//! Pools as they are shown.

use hostler_core::ahead::{Stock, stock};
use hostler_core::pool::{Census, census};
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use hostler_proto::node::v1 as wire;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};

/// Those that have machines or were spoken of.
pub(super) fn pools(world: &World, now: Timestamp) -> Vec<wire::Pool> {
    census(world).into_iter().map(|(name, racks)| pool(world, now, name, racks)).collect()
}

fn pool(world: &World, now: Timestamp, name: &str, racks: BTreeMap<Option<&str>, Census>) -> wire::Pool {
    let known = world.pool_named(name);
    let bounds = known.map(|pool| pool.bounds).unwrap_or_default();
    let (keep, demand) = known.map(|pool| (pool.keep, pool.demand)).unwrap_or_default();
    let after = |ms: Option<NonZeroU64>| ms.map_or(0, NonZeroU64::get);
    let number = |bound: Option<NonZeroU32>| bound.map_or(0, NonZeroU32::get);
    wire::Pool {
        name: name.to_owned(),
        max_booting: number(bounds.max_booting),
        max_booting_per_rack: number(bounds.max_booting_per_rack),
        racks: racks.into_iter().map(rack).collect(),
        warm: keep.warm,
        max_powered: number(keep.max_powered),
        idle_off_ms: after(keep.idle_off_ms),
        refresh_ms: after(keep.refresh_ms),
        spared: keep.spared(demand, now),
        ahead: keep.ahead,
        images: stock(world, name).map(image).collect(),
    }
}

fn image(stock: Stock<'_>) -> wire::PoolImage {
    let Stock { image, asked, written, writing } = stock;
    wire::PoolImage { name: image.name.clone(), arch: image.arch.to_string(), asked, written, writing }
}

fn rack((rack, census): (Option<&str>, Census)) -> wire::PoolRack {
    let Census { machines, starting, waiting, warm, off } = census;
    wire::PoolRack { rack: rack.unwrap_or_default().to_owned(), machines, starting, waiting, warm, off }
}
