//! Which machines, where it does not matter to anybody else.

use super::words::stay;
use crate::catalogue::{Image, ImageStatus};
use crate::hardware::Arch;
use crate::ids::ImageId;
use crate::lease::{Assigned, Lease};
use crate::node::Node;
use crate::request::{Want, admits, can_hold};
use crate::tenancy::{Count, Standing};
use crate::world::World;

/// A free node that can take the place of `failed` in a group, and the image for it: the one that the group has, where
/// the architecture is the same. Nodes that queued leases could use are not spared: the group was there first.
#[must_use]
pub fn substitute(world: &World, lease: &Lease, failed: &Assigned) -> Option<Assigned> {
    substitutes(world, lease, failed).into_iter().next()
}

/// The same: all that there are. First those that need not boot, of these those on which the least has to be written, and
/// of these the least recently used.
pub(super) fn substitutes(world: &World, lease: &Lease, failed: &Assigned) -> Vec<Assigned> {
    let Some(want) = lease.spec.members.get(failed.member).map(|member| Want::new(world, member)) else {
        return Vec::new();
    };
    let image = world.images.get(failed.image).filter(|image| image.status != ImageStatus::Suspect);
    let allowed = allowed_architectures(world, lease, failed);
    let stay = stay(world, lease);
    let free = world.in_order_of_choice(|node| stay.finds_free(node));
    let suiting = free.into_iter().filter_map(|node| {
        let usable = |i: &&Image| i.arch == node.spec.arch && want.suits(node) && can_hold(node, &i.content);
        if !allowed.contains(&node.spec.arch) || !admits(world, &lease.spec, lease.group(), failed, node) {
            return None;
        }
        let same = image.filter(usable).map(|image| image.id);
        let image = same.or_else(|| want.image_on(node))?;
        Some((node, Assigned { node: node.id, member: failed.member, image }))
    });
    let mut suiting: Vec<_> = suiting.collect();
    suiting.sort_by_key(|(node, assigned)| (!node.is_warm(), left_to_write(node, assigned.image)));
    suiting.into_iter().map(|(_, assigned)| assigned).collect()
}

/// The less there is to do for a deployment of the image: it is there, or nothing is, or another image has to go.
fn left_to_write(node: &Node, image: ImageId) -> u8 {
    match node.ahead() {
        Some(_) if node.written() == Some(image) => 0,
        None => 1,
        Some(_) => 2,
    }
}

/// That of the failed node, and those of which the tenant's quota has room for one more.
fn allowed_architectures(world: &World, lease: &Lease, failed: &Assigned) -> Vec<Arch> {
    let arch = world.nodes.get(failed.node).map(|node| node.spec.arch);
    let Some(tenant) = world.tenants.get(lease.tenant) else { return Arch::ALL.into() };
    if tenant.allowance.machines_of.is_empty() {
        return Arch::ALL.into();
    }
    let standing = Standing::of(world, tenant, world.meta.planned);
    let has_room = |other: &Arch| standing.bar(&tenant.allowance, Count::exchanged_for(*other), 0).is_none();
    Arch::ALL.into_iter().filter(|other| Some(*other) == arch || has_room(other)).collect()
}
