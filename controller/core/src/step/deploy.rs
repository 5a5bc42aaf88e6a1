//! The beginning of a deployment: where the machine waits, or in a boot of its own.

use crate::attempt::{Purpose, Rung};
use crate::ids::{LeaseId, NodeId};
use crate::lease::Assigned;
use crate::node::{NodeState, Presence};
use crate::world::World;

impl World {
    /// Begins to deploy on a machine of a group.
    pub(super) fn deploy(&mut self, assigned: &Assigned, lease: LeaseId) {
        let Some(image) = self.images.get(assigned.image) else { return };
        let purpose = image.content.purpose();
        if !self.take_over(assigned.node, purpose, lease) {
            let Some(boot) = self.order_boot(purpose, Rung::First, None) else { return };
            let now = self.meta.now;
            let Some(node) = self.nodes.get_mut(assigned.node) else { return };
            node.agent = Presence::Absent;
            node.unexpected_boot = None;
            node.enter(NodeState::Deploying { boot, lease }, now, None);
        }
        self.machine_taken(lease, assigned.node);
        self.note_demand(assigned);
    }

    /// Where the number of machines that stay powered depends on it, or what is written to them, each one that is given to
    /// a lease counts.
    fn note_demand(&mut self, assigned: &Assigned) {
        let now = self.meta.now;
        let pool = self.nodes.get(assigned.node).and_then(|node| self.pool_named(&node.spec.pool));
        let Some((id, keep)) = pool.map(|pool| (pool.id, pool.keep)) else { return };
        if keep.idle_off_ms.is_none() && keep.ahead == 0 {
            return;
        }
        let Some(pool) = self.pools.get_mut(id) else { return };
        if keep.idle_off_ms.is_some() {
            pool.demand.add(now);
        }
        if keep.ahead > 0 {
            pool.wishes.add(assigned.image, now);
        }
    }

    /// A machine that waits in the ramdisk in which it was wiped deploys there: no firmware runs in between. False if it
    /// does not wait there; one that does not answer in time boots as if it had not.
    fn take_over(&mut self, id: NodeId, purpose: Purpose, lease: LeaseId) -> bool {
        let (now, deadline) = (self.meta.now, self.within(self.timing.inspect_ms));
        let Some(node) = self.nodes.get_mut(id).filter(|n| n.is_warm()) else { return false };
        let Some(boot) = node.state.boot().cloned() else { return false };
        let boot = Box::new(boot.taken_over(purpose, now));
        node.unexpected_boot = None;
        node.enter(NodeState::Deploying { boot, lease }, now, deadline);
        true
    }
}
