//! Images that are written to machines before anybody asks for them: what a machine has, and what was asked for of late.

use crate::catalogue::Image;
use crate::ids::ImageId;
use crate::keep::Demand;
use crate::node::Node;
use crate::time::Timestamp;
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many images are counted in each pool. Of more, those that were asked for least are forgotten.
const MOST_IMAGES: usize = 32;

/// An image that is written to the disk of a machine that nobody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// Which.
    pub image: ImageId,
    /// How far it is.
    pub state: AheadState,
}

/// How far an image is that is written ahead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AheadState {
    /// The agent is told to write it.
    Writing {
        /// Since when.
        since: Timestamp,
    },
    /// The agent has said that all of it is there.
    Written,
    /// It could not be written. The machine is left alone until its next boot.
    Failed {
        /// What was seen.
        reason: String,
    },
}

impl Node {
    /// What is written ahead to this machine, if its agent still waits: no other agent takes anything for written.
    #[must_use]
    pub fn ahead(&self) -> Option<&Ahead> {
        self.state.boot().filter(|_| self.is_warm())?.ahead.as_ref()
    }

    /// The image that a lease of this machine need not write.
    #[must_use]
    pub fn written(&self) -> Option<ImageId> {
        self.ahead().filter(|ahead| ahead.state == AheadState::Written).map(|ahead| ahead.image)
    }
}

/// An image that leases of a pool ask for, or that is written ahead there.
#[derive(Clone, Copy, Debug)]
pub struct Stock<'w> {
    /// Which.
    pub image: &'w Image,
    /// How often it may be asked for soon.
    pub asked: u32,
    /// So many warm machines have it.
    pub written: u32,
    /// To so many it is being written.
    pub writing: u32,
}

/// What leases of a pool ask for, and what is written ahead there.
pub fn stock<'w>(world: &'w World, pool: &str) -> impl Iterator<Item = Stock<'w>> {
    let asked = world.pool_named(pool).map(|pool| world.wanted_ahead(pool)).unwrap_or_default();
    let mut counts: BTreeMap<ImageId, (u32, u32, u32)> =
        asked.into_iter().map(|(image, asked)| (image, (asked, 0, 0))).collect();
    for id in world.unused.of(pool).into_iter().flat_map(|machines| machines.others(|_| true)) {
        let Some(ahead) = world.nodes.get(id).and_then(Node::ahead) else { continue };
        let (_, written, writing) = counts.entry(ahead.image).or_default();
        *if ahead.state == AheadState::Written { written } else { writing } += 1;
    }
    counts.into_iter().filter_map(|(image, (asked, written, writing))| {
        Some(Stock { image: world.images.get(image)?, asked, written, writing })
    })
}

/// How often leases were given a machine with each image, in this hour and in the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wishes(BTreeMap<ImageId, Demand>);

impl Wishes {
    /// A lease was given one more.
    pub(crate) fn add(&mut self, image: ImageId, now: Timestamp) {
        self.0.retain(|_, demand| demand.at(now) > 0);
        self.0.entry(image).or_default().add(now);
        if self.0.len() > MOST_IMAGES {
            let others = self.0.iter().filter(|(id, _)| **id != image);
            let least = others.min_by_key(|(id, demand)| (demand.at(now), **id)).map(|(id, _)| *id);
            least.and_then(|least| self.0.remove(&least));
        }
    }

    /// The images and how often each may be asked for soon.
    pub fn at(&self, now: Timestamp) -> impl Iterator<Item = (ImageId, u32)> {
        let at = move |(id, demand): (&ImageId, &Demand)| (*id, demand.at(now));
        self.0.iter().map(at).filter(|(_, demand)| *demand > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_counted_of_so_many_images() {
        let hour = |hour: u64| Timestamp(hour * 3_600_000);
        let mut wishes = Wishes::default();
        for id in [1, 2, 2] {
            wishes.add(ImageId(id), hour(100));
        }
        assert_eq!(wishes.at(hour(101)).collect::<Vec<_>>(), [(ImageId(1), 1), (ImageId(2), 2)]);
        assert_eq!(wishes.at(hour(102)).count(), 0);
        for id in 3..36 {
            wishes.add(ImageId(id), hour(101));
        }
        let known: Vec<_> = wishes.at(hour(101)).map(|(id, _)| id.0).collect();
        assert_eq!((known.len(), known.contains(&1), known.contains(&2)), (MOST_IMAGES, false, true));
        let stored = serde_json::to_string(&wishes).unwrap();
        assert_eq!(serde_json::from_str::<Wishes>(&stored).unwrap(), wishes);
        wishes.add(ImageId(99), hour(200));
        assert_eq!(wishes.at(hour(200)).collect::<Vec<_>>(), [(ImageId(99), 1)]);
    }
}
