//! How the tenants of those who wait stand to each other, and to their quotas.

use super::budget::Budget;
use super::machines::Machines;
use super::scheduler::{Policy, Scheduler};
use crate::catalogue::Tenant;
use crate::hardware::Arch;
use crate::ids::TenantId;
use crate::tenancy::{Standing, part_of};
use crate::time::Timestamp;
use crate::world::World;

/// Machines of each architecture, in the order of [`Arch::ALL`].
pub(super) type Capacity = [u32; Arch::ALL.len()];

/// Tells the scheduler how these tenants stand now.
pub(super) fn tell(
    scheduler: &mut Scheduler,
    world: &World,
    machines: &Machines,
    tenants: impl Iterator<Item = TenantId>,
    now: Timestamp,
) {
    for tenant in tenants.filter_map(|id| world.tenants.get(id)) {
        let dominant = dominant(tenant, machines.capacity(), now) / f64::from(tenant.allowance.share.max(1));
        let budget = tenant.allowance.has_quota().then(|| budget(world, tenant, machines));
        scheduler.set_tenant(tenant.id.0, Policy::default().share_factor(dominant), budget);
    }
}

/// The part of the machines that a tenant had of late, of the architecture of which it had most.
#[must_use]
pub fn dominant_share(world: &World, tenant: &Tenant, now: Timestamp) -> f64 {
    dominant(tenant, capacity(world), now)
}

/// The machines in service.
pub(super) fn capacity(world: &World) -> Capacity {
    let mut machines = Capacity::default();
    for node in world.nodes.values().filter(|node| node.in_service()) {
        machines[node.spec.arch as usize] += 1;
    }
    machines
}

/// What all tenants had of each architecture, as far as it counts still, and how many machines there are of it.
pub(crate) fn used_by_all(world: &World, now: Timestamp) -> [(u64, u32); Arch::ALL.len()] {
    let machines = capacity(world);
    Arch::ALL.map(|arch| {
        let used = world.tenants.values().map(|tenant| tenant.usage.used(arch, now));
        (used.fold(0, u64::saturating_add), machines[arch as usize])
    })
}

fn dominant(tenant: &Tenant, capacity: Capacity, now: Timestamp) -> f64 {
    let part = |arch: Arch| part_of(tenant.usage.used(arch, now), capacity[arch as usize]);
    Arch::ALL.into_iter().map(part).fold(0.0, f64::max)
}

/// What its quotas leave of what is neither in use nor promised.
fn budget(world: &World, tenant: &Tenant, machines: &Machines) -> Budget {
    let standing = Standing::of(world, tenant, world.meta.planned);
    let (allowance, in_use, promised) = (&tenant.allowance, standing.in_use, standing.promised);
    let left = |most: u32, used: u32, promised: u32| most.saturating_sub(used).saturating_sub(promised);
    let of = |(arch, most): (&Arch, &u32)| {
        let index = *arch as usize;
        (machines.classes_of(*arch), left(*most, in_use.of[index], promised.of[index]))
    };
    let taken = standing.granted_node_ms.saturating_add(standing.promised_node_ms);
    Budget {
        machines: allowance.machines.map_or(u32::MAX, |most| left(most, in_use.all, promised.all)),
        of: allowance.machines_of.iter().map(of).collect(),
        node_ms: allowance.node_hours.map_or(u64::MAX, |quota| quota.node_ms.saturating_sub(taken)),
    }
}
