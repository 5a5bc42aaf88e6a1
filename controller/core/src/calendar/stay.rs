//! Which machines a group could have for as long as it needs them.

use super::reserved::Reserved;
use crate::ids::ReservationId;
use crate::node::Node;
use crate::world::World;

/// A group that begins now and has its machines for a while.
pub(crate) struct Stay {
    reserved: Reserved,
    own: Option<ReservationId>,
    now: u64,
    until: u64,
    /// What comes on top of that, in milliseconds.
    overhead: fn(&Node) -> u64,
}

impl Stay {
    /// The tenant has the machines until this, in milliseconds since the epoch, and they come back after the overhead; `own`
    /// is its reservation.
    pub(crate) fn new(
        world: &World,
        own: Option<ReservationId>,
        until: u64,
        overhead: fn(&Node) -> u64,
    ) -> Self {
        Self { reserved: Reserved::of(world), own, now: world.meta.now.0, until, overhead }
    }

    /// True if the machine is free, and nothing is planned with it meanwhile.
    pub(crate) fn finds_free(&self, node: &Node) -> bool {
        node.is_free() && self.bar(node).is_none()
    }

    /// True if the machine is anybody's, or of the reservation that the group names.
    pub(crate) fn concerns(&self, node: &Node) -> bool {
        self.own.is_none() || self.reserved.windows(node).iter().any(|window| window.reserved == self.own)
    }

    /// What is planned with a machine that is free, for people.
    pub(crate) fn bar(&self, node: &Node) -> Option<String> {
        let until = self.until.saturating_add((self.overhead)(node));
        let bar = self.reserved.bar(node, self.own, self.now, until).filter(|_| node.is_free())?;
        Some(bar.word(self.now))
    }
}
