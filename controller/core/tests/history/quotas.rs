//! What quotas and priorities promise, counted anew from who has which machines.

use crate::invariants::Verdict;
use hostler_core::course::Interruption;
use hostler_core::hardware::Arch;
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::lease::{Assigned, Lease, LeaseState};
use hostler_core::node::Node;
use hostler_core::world::World;
use std::collections::BTreeMap;

/// A start never exceeds a quota of machines: those that started with this input, held against all that their tenants
/// have.
pub(crate) fn no_start_exceeds_a_quota(before: &BTreeMap<LeaseId, bool>, world: &World) -> Verdict {
    let has_started = |lease: &&Lease| {
        matches!(lease.state, LeaseState::Deploying { .. }) && before.get(&lease.id) != Some(&true)
    };
    for lease in world.leases.values().filter(has_started) {
        let Some(tenant) = world.tenants.get(lease.tenant) else { continue };
        let has = |kind: &dyn Fn(&Node) -> bool| {
            world.nodes.values().filter(|node| owner(world, node) == Some(tenant.id) && kind(node)).count()
        };
        let all = has(&|_| true);
        if tenant.allowance.machines.is_some_and(|most| all > most as usize) {
            return Err(format!("{:?} started, and {} has {all} machines", lease.id, tenant.name));
        }
        for (arch, most) in &tenant.allowance.machines_of {
            let of = has(&|node| node.spec.arch == *arch);
            if of > *most as usize && lease_has(world, lease, *arch) {
                return Err(format!("{:?} started, and {} has {of} {arch} machines", lease.id, tenant.name));
            }
        }
    }
    Ok(())
}

/// What tenants are said to have in use is what they have.
pub(crate) fn what_is_in_use_is_counted(world: &World) -> Verdict {
    for tenant in world.tenants.values() {
        for arch in Arch::ALL {
            let is_its = |node: &&Node| owner(world, node) == Some(tenant.id) && node.spec.arch == arch;
            let (has, said) = (world.nodes.values().filter(is_its).count(), tenant.usage.in_use(arch));
            if has != said as usize {
                return Err(format!("{} has {has} {arch} machines, and {said} are counted", tenant.name));
            }
        }
    }
    Ok(())
}

/// Which leases have machines.
pub(crate) fn with_machines(world: &World) -> BTreeMap<LeaseId, bool> {
    world.leases.values().map(|lease| (lease.id, !lease.group().is_empty())).collect()
}

/// Only what was asked for as preemptible loses its machines to others, after its notice, and not twice within a day.
pub(crate) fn only_the_preemptible_give_way(world: &World) -> Verdict {
    for lease in world.leases.values() {
        let course = &lease.course;
        let told = course.notice.is_some() || !course.interruptions.is_empty();
        if told && lease.spec.terms.grace_ms.is_none() {
            return Err(format!("{:?} gives way and is not preemptible", lease.id));
        }
        let is_again = |pair: &[Interruption]| pair[1].at.0 < pair[0].at.0 + 24 * 3_600_000;
        if course.interruptions.windows(2).any(is_again) {
            return Err(format!("{:?} gave way twice within a day", lease.id));
        }
        let has_begun = |i: &Interruption| i.at.since(i.active).as_millis() >= 60_000;
        if !course.interruptions.iter().all(has_begun) {
            return Err(format!("{:?} gave way without its notice", lease.id));
        }
    }
    Ok(())
}

/// Active leases that wait again, although none of them gave way.
pub(crate) fn nobody_else_goes_back(before: &World, world: &World) -> Verdict {
    let goes_back = |lease: &&Lease| {
        let known = before.leases.get(lease.id);
        known.is_some_and(|known| {
            matches!(known.state, LeaseState::Active { .. })
                && lease.is_queued()
                && known.course.interruptions.len() == lease.course.interruptions.len()
        })
    };
    match world.leases.values().find(goes_back) {
        Some(lease) => Err(format!("{:?} lost its machines", lease.id)),
        None => Ok(()),
    }
}

fn owner(world: &World, node: &Node) -> Option<TenantId> {
    Some(world.leases.get(node.state.lease()?)?.tenant)
}

fn lease_has(world: &World, lease: &Lease, arch: Arch) -> bool {
    let of = |assigned: &Assigned| world.nodes.get(assigned.node).is_some_and(|node| node.spec.arch == arch);
    lease.group().iter().any(of)
}
