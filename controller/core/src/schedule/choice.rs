//! Which machines, where it does not matter to anybody else.

use super::words::stay;
use crate::catalogue::{Image, ImageStatus};
use crate::hardware::Arch;
use crate::lease::{Assigned, Lease};
use crate::request::{Want, admits, can_hold};
use crate::tenancy::{Count, Standing};
use crate::world::World;

/// A free node that can take the place of `failed` in a group, and the image for it: the one that the group has, where
/// the architecture is the same. Nodes that queued leases could use are not spared: the group was there first.
#[must_use]
pub fn substitute(world: &World, lease: &Lease, failed: &Assigned) -> Option<Assigned> {
    substitutes(world, lease, failed).next()
}

/// The same: all that there are, the least recently used first.
pub(super) fn substitutes<'w>(
    world: &'w World,
    lease: &'w Lease,
    failed: &'w Assigned,
) -> impl Iterator<Item = Assigned> + 'w {
    let want = lease.spec.members.get(failed.member).map(|member| Want::new(world, member));
    let image = world.images.get(failed.image).filter(|image| image.status != ImageStatus::Suspect);
    let allowed = allowed_architectures(world, lease, failed);
    let stay = stay(world, lease);
    world.in_order_of_choice(|node| stay.finds_free(node)).into_iter().filter_map(move |node| {
        let want = want.as_ref()?;
        let usable = |i: &&Image| i.arch == node.spec.arch && want.suits(node) && can_hold(node, &i.content);
        if !allowed.contains(&node.spec.arch) || !admits(world, &lease.spec, lease.group(), failed, node) {
            return None;
        }
        let same = image.filter(usable).map(|image| image.id);
        let image = same.or_else(|| want.image_on(node))?;
        Some(Assigned { node: node.id, member: failed.member, image })
    })
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
