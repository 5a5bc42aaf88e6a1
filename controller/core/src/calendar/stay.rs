//! Which machines a group could have for as long as it needs them.

use super::reserved::Reserved;
use crate::ids::ReservationId;
use crate::node::Node;
use crate::schedule::Pace;
use crate::time::Timestamp;
use crate::world::World;

/// A group that begins now and has its machines for a while.
pub(crate) struct Stay {
    reserved: Reserved,
    own: Option<ReservationId>,
    now: u64,
    /// When the tenant gives them back.
    until: u64,
    /// What comes on top of that before they can be had again, in milliseconds.
    overhead: fn(&Node) -> u64,
}

impl Stay {
    /// Of a group that begins now and is used for so long, in milliseconds: its machines are deployed before and cleaned after.
    pub(crate) fn beginning(world: &World, own: Option<ReservationId>, duration_ms: u64) -> Self {
        let until = world.meta.now.0.saturating_add(duration_ms);
        Self::new(world, own, until, |node| Pace::of(node).overhead_ms())
    }

    /// Of a group that goes on until `end`: its machines are cleaned then. `own` is its reservation.
    pub(crate) fn lasting(world: &World, own: Option<ReservationId>, end: Timestamp) -> Self {
        Self::new(world, own, end.0, |node| Pace::of(node).clean_ms)
    }

    fn new(world: &World, own: Option<ReservationId>, until: u64, overhead: fn(&Node) -> u64) -> Self {
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
