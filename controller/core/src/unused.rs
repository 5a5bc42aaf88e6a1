//! The machines that nobody uses, by pool and by what it costs to begin with them. Derived from the rows, never stored.

use crate::ahead::{Ahead, AheadState};
use crate::hardware::Arch;
use crate::ids::{BmcId, ImageId, NodeId};
use crate::node::{Bmc, Node, NodeState};
use crate::pool::Pool;
use crate::standby::Standby;
use crate::table::{News, Table};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The machines that nobody uses. Those that are held are somebody's affair, and those that share a BMC are left alone:
/// many chassis have one power supply.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unused {
    known: BTreeMap<NodeId, Known>,
    pools: BTreeMap<String, Machines>,
}

/// A machine as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    pool: String,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Since then.
    Unused(Standby, Timestamp, Disks),
    /// It will be warm.
    Preparing,
}

/// What is on the disks of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disks {
    /// Nothing, and an image may be written to them.
    Blank(Arch),
    /// This image.
    Image(ImageId),
    /// Since then, this image is being written to them.
    Writing(ImageId, Timestamp),
    /// Nothing of use.
    Useless,
}

/// Those of a pool, the longest unused first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machines {
    warm: BTreeSet<(Timestamp, NodeId)>,
    cold: BTreeSet<(Timestamp, NodeId)>,
    off: BTreeSet<(Timestamp, NodeId)>,
    preparing: u32,
    /// Of the warm ones, those to which nothing was written ahead, by architecture in the order of [`Arch::ALL`].
    blank: [BTreeSet<(Timestamp, NodeId)>; Arch::ALL.len()],
    /// Of the warm ones, those that have an image, or will have it.
    images: BTreeMap<ImageId, BTreeSet<(Timestamp, NodeId)>>,
    /// Since when it is being written.
    writing: BTreeSet<(Timestamp, NodeId)>,
}

impl Unused {
    /// Looks at the machines that changed since the last call.
    pub(crate) fn refresh(&mut self, nodes: &mut Table<NodeId, Node>, bmcs: &Table<BmcId, Bmc>) {
        let changed: Vec<_> = match nodes.take_unused_news() {
            News::Of(ids) => ids.into_iter().collect(),
            News::All => nodes.values().map(|n| n.id).collect(),
        };
        for id in changed {
            let place = nodes.get(id).and_then(|node| Some((node, place(node, bmcs)?)));
            self.put(id, place);
        }
    }

    fn put(&mut self, id: NodeId, now: Option<(&Node, Place)>) {
        let same = |known: &Known, node: &Node, place| known.place == place && known.pool == node.spec.pool;
        match (self.known.get(&id), now) {
            (None, None) => return,
            (Some(known), Some((node, place))) if same(known, node, place) => return,
            _ => {}
        }
        if let Some(Known { pool, place }) = self.known.remove(&id)
            && let Some(machines) = self.pools.get_mut(&pool)
        {
            machines.remove(id, place);
        }
        if let Some((node, place)) = now {
            let pool = node.spec.pool.clone();
            self.pools.entry(pool.clone()).or_default().add(id, place);
            self.known.insert(id, Known { pool, place });
        }
    }

    /// Those of each pool.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Machines> {
        self.pools.values()
    }

    pub(crate) fn of(&self, pool: &str) -> Option<&Machines> {
        self.pools.get(pool)
    }
}

fn place(node: &Node, bmcs: &Table<BmcId, Bmc>) -> Option<Place> {
    if !node.holds.is_empty() || bmcs.get(node.bmc).is_none_or(|bmc| bmc.spec.shared) {
        return None;
    }
    match node.state {
        NodeState::Inspecting { .. } | NodeState::Cleaning { .. } => Some(Place::Preparing),
        _ => node.standby().map(|standby| Place::Unused(standby, node.since, disks(node))),
    }
}

fn disks(node: &Node) -> Disks {
    match node.ahead() {
        None if node.is_warm() => Disks::Blank(node.spec.arch),
        None => Disks::Useless,
        Some(Ahead { image, state }) => match state {
            AheadState::Writing { since } => Disks::Writing(*image, *since),
            AheadState::Written => Disks::Image(*image),
            AheadState::Failed { .. } => Disks::Useless,
        },
    }
}

impl Machines {
    fn add(&mut self, id: NodeId, place: Place) {
        match place {
            Place::Unused(standby, since, disks) => {
                self.those(standby).insert((since, id));
                if let Disks::Writing(_, began) = disks {
                    self.writing.insert((began, id));
                }
                match disks {
                    Disks::Blank(arch) => _ = self.blank[arch as usize].insert((since, id)),
                    Disks::Image(image) | Disks::Writing(image, _) => {
                        self.images.entry(image).or_default().insert((since, id));
                    }
                    Disks::Useless => {}
                }
            }
            Place::Preparing => self.preparing += 1,
        }
    }

    fn remove(&mut self, id: NodeId, place: Place) {
        match place {
            Place::Unused(standby, since, disks) => {
                self.those(standby).remove(&(since, id));
                if let Disks::Writing(_, began) = disks {
                    self.writing.remove(&(began, id));
                }
                match disks {
                    Disks::Blank(arch) => _ = self.blank[arch as usize].remove(&(since, id)),
                    Disks::Image(image) | Disks::Writing(image, _) => {
                        if let Some(those) = self.images.get_mut(&image) {
                            those.remove(&(since, id));
                        }
                        self.images.retain(|_, those| !those.is_empty());
                    }
                    Disks::Useless => {}
                }
            }
            Place::Preparing => self.preparing -= 1,
        }
    }

    const fn those(&mut self, standby: Standby) -> &mut BTreeSet<(Timestamp, NodeId)> {
        match standby {
            Standby::Warm => &mut self.warm,
            Standby::Cold => &mut self.cold,
            Standby::Off => &mut self.off,
        }
    }

    /// True if no image was written ahead to any of them.
    pub(crate) fn has_no_image(&self) -> bool {
        self.images.is_empty()
    }

    /// The warm ones of this architecture to which nothing was written ahead.
    pub(crate) fn blank(&self, arch: Arch) -> impl DoubleEndedIterator<Item = NodeId> {
        self.blank[arch as usize].iter().map(|(_, id)| *id)
    }

    /// The warm ones that have this image, or will have it.
    pub(crate) fn with(&self, image: ImageId) -> impl Iterator<Item = NodeId> {
        self.images.get(&image).into_iter().flatten().map(|(_, id)| *id)
    }

    /// How many of the warm ones have this image, or will have it.
    pub(crate) fn count_with(&self, image: ImageId) -> usize {
        self.images.get(&image).map_or(0, BTreeSet::len)
    }

    /// The warm ones that have such an image, or will have it.
    pub(crate) fn others(&self, such: impl Fn(ImageId) -> bool) -> impl Iterator<Item = NodeId> {
        let images = self.images.iter().filter(move |(image, _)| such(**image));
        images.flat_map(|(_, those)| those).map(|(_, id)| *id)
    }

    /// Those to which an image is being written, and since when.
    pub(crate) fn writing(&self) -> impl Iterator<Item = (Timestamp, NodeId)> {
        self.writing.iter().copied()
    }

    /// How many have power, as far as is known.
    pub(crate) fn powered(&self) -> u32 {
        count(&self.warm) + count(&self.cold)
    }

    /// How many will be warm.
    pub(crate) const fn preparing(&self) -> u32 {
        self.preparing
    }

    /// How many are missing of those that are to be warm.
    pub(crate) fn missing(&self, pool: &Pool) -> u32 {
        pool.keep.warm.saturating_sub(count(&self.warm) + self.preparing)
    }

    /// Those that have power and have to boot all the same.
    pub(crate) fn cold(&self) -> impl Iterator<Item = NodeId> {
        self.cold.iter().map(|(_, id)| *id)
    }

    /// Those that were powered off.
    pub(crate) fn off(&self) -> impl Iterator<Item = NodeId> {
        self.off.iter().map(|(_, id)| *id)
    }

    /// Those that have power and since when they are unused, in the order in which they can be spared.
    pub(crate) fn to_spare(&self) -> impl Iterator<Item = (Timestamp, NodeId)> {
        self.cold.iter().chain(&self.warm).copied()
    }

    /// Those that are unused since `moment` or longer.
    pub(crate) fn since(&self, moment: Timestamp) -> impl Iterator<Item = NodeId> {
        let all = [&self.warm, &self.cold, &self.off].into_iter();
        all.flat_map(move |those| those.iter().take_while(move |(since, _)| *since <= moment))
            .map(|(_, id)| *id)
    }

    /// When time alone next makes a difference in this pool, after `now`, as far as these machines tell.
    pub(crate) fn next(&self, pool: &Pool, now: Timestamp) -> Option<Timestamp> {
        let keep = &pool.keep;
        let later = |those: &BTreeSet<_>, ms: u64| {
            let passed = Timestamp(now.0.saturating_sub(ms));
            let next = those.range((Bound::Excluded((passed, NodeId(u32::MAX))), Bound::Unbounded)).next();
            next.map(|(since, _): &(Timestamp, NodeId)| Timestamp(since.0.saturating_add(ms)))
        };
        let too_many = self.powered() > keep.spared(pool.demand, now);
        let off = keep.idle_off_ms.filter(|_| too_many).map(|ms| ms.get());
        let off = off.and_then(|ms| earliest([later(&self.warm, ms), later(&self.cold, ms)]));
        let demand = keep.idle_off_ms.filter(|_| self.powered() > keep.warm).map(|_| pool.demand.falls(now));
        let refresh = keep
            .refresh_ms
            .map(|ms| earliest([&self.warm, &self.cold, &self.off].map(|those| later(those, ms.get()))));
        earliest([off, demand.flatten(), refresh.flatten()])
    }
}

fn earliest<const N: usize>(moments: [Option<Timestamp>; N]) -> Option<Timestamp> {
    moments.into_iter().flatten().min()
}

fn count(those: &BTreeSet<(Timestamp, NodeId)>) -> u32 {
    u32::try_from(those.len()).unwrap_or(u32::MAX)
}
