//! Pools.

use super::{all, optional, time};
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
    /// Free machines whose agents wait in the ramdisk.
    pub(crate) warm: u32,
    /// Free machines that are powered off.
    pub(crate) off: u32,
    pub(crate) keep: Keep,
    /// What leases ask for, and what is written ahead.
    pub(crate) images: Vec<Image>,
    pub(crate) racks: Vec<Rack>,
}

/// What is done with machines that nobody uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Keep {
    /// So many are warm at least.
    pub(crate) warm: u32,
    /// So many have power at most; none for any number.
    pub(crate) max_powered: Option<u32>,
    /// Whoever is unused for so long is powered off; none for never.
    pub(crate) idle_off_ms: Option<u64>,
    /// Whoever is unused for so long is looked at anew; none for never.
    pub(crate) refresh_ms: Option<u64>,
    /// So many stay powered now however long they are unused.
    pub(crate) spared: u32,
    /// So many of the warm ones have an image written ahead.
    pub(crate) ahead: u32,
}

/// An image that leases of the pool ask for, or that is written ahead there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) arch: String,
    /// How often it was given in this hour or in the one before, whichever is more.
    pub(crate) asked: u32,
    /// Warm machines that have it.
    pub(crate) written: u32,
    /// Warm machines that will have it.
    pub(crate) writing: u32,
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
    pub(crate) warm: u32,
    pub(crate) off: u32,
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
            warm: sum(|rack| rack.warm),
            off: sum(|rack| rack.off),
            keep: Keep {
                warm: pool.warm,
                max_powered: bound(pool.max_powered),
                idle_off_ms: time(pool.idle_off_ms),
                refresh_ms: time(pool.refresh_ms),
                spared: pool.spared,
                ahead: pool.ahead,
            },
            images: all(pool.images),
            racks,
        }
    }
}

impl From<pb::PoolImage> for Image {
    fn from(image: pb::PoolImage) -> Self {
        let pb::PoolImage { name, arch, asked, written, writing } = image;
        Self { name: clean(&name), arch: clean(&arch), asked, written, writing }
    }
}

impl From<pb::PoolRack> for Rack {
    fn from(rack: pb::PoolRack) -> Self {
        let pb::PoolRack { rack, machines, starting, waiting, warm, off } = rack;
        Self { rack: optional(&rack), machines, starting, waiting, warm, off }
    }
}
