//! What quotas promise, counted anew from who has which machines.

use crate::invariants::Verdict;
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

fn owner(world: &World, node: &Node) -> Option<TenantId> {
    Some(world.leases.get(node.state.lease()?)?.tenant)
}

fn lease_has(world: &World, lease: &Lease, arch: Arch) -> bool {
    let of = |assigned: &Assigned| world.nodes.get(assigned.node).is_some_and(|node| node.spec.arch == arch);
    lease.group().iter().any(of)
}
