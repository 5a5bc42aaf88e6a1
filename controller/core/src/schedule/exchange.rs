//! Machines that are alike to everybody, exchanged for those on which a deployment has the least to do.

use super::scene::Scene;
use crate::ids::{ImageId, NodeId};
use crate::lease::Assigned;
use crate::node::Node;
use crate::world::World;
use std::collections::BTreeSet;

/// Of so many machines it is found out whether they are alike.
const LOOKED_AT: usize = 64;

/// Of a group's machines, exchanges each for one of its class that has the image which it is to get, or else for one that
/// has no image where it has another. `taken` are those that groups have got, this one included.
///
/// Whoever waits cannot tell machines of a class apart, so that this changes nobody's plans.
pub(super) fn exchange(scene: &Scene, world: &World, group: &mut [Assigned], taken: &mut BTreeSet<NodeId>) {
    if world.unused.all().all(|machines| machines.has_no_image()) {
        return;
    }
    for assigned in &mut *group {
        if let Some(other) = better(scene, world, assigned, taken) {
            taken.remove(&assigned.node);
            taken.insert(other);
            assigned.node = other;
        }
    }
    group.sort_by_key(|assigned| (assigned.member, assigned.node));
}

fn better(scene: &Scene, world: &World, had: &Assigned, taken: &BTreeSet<NodeId>) -> Option<NodeId> {
    let node = world.nodes.get(had.node)?;
    let (class, _) = scene.class(node.id)?;
    let is_alike = |id: &NodeId| {
        let free = world.nodes.get(*id).filter(|other| other.is_free() && other.is_warm());
        free.filter(|_| !taken.contains(id) && scene.class(*id).is_some_and(|(other, _)| other == class))
    };
    if node.written() == Some(had.image) {
        return None;
    }
    let pools = world.unused.all();
    let written = pools.flat_map(|machines| machines.with(had.image)).take(LOOKED_AT);
    let has_it = |node: &&Node| node.written() == Some(had.image);
    written.filter_map(|id| is_alike(&id)).find(has_it).map(|node| node.id).or_else(|| {
        let blank = world.unused.of(&node.spec.pool).filter(|_| has_another(node, had.image))?;
        let mut blank = blank.blank(node.spec.arch).take(LOOKED_AT);
        blank.find(|id| is_alike(id).is_some_and(|other| other.ahead().is_none()))
    })
}

fn has_another(node: &Node, image: ImageId) -> bool {
    node.ahead().is_some_and(|ahead| ahead.image != image)
}
