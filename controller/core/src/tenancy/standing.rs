//! What tenants have at the moment, held against their quotas.
//!
//! A start never exceeds a quota, and a quota never breaks a promise: what was promised counts as if it were in use.
//! Whoever was promised nothing has to leave room for it.

use super::allowance::{Allowance, hours};
use crate::catalogue::Tenant;
use crate::hardware::Arch;
use crate::ids::TenantId;
use crate::lease::{Lease, LeaseSpec};
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeMap;

/// So many machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Of all architectures.
    pub all: u32,
    /// Of each, in the order of [`Arch::ALL`].
    pub of: [u32; Arch::ALL.len()],
}

/// What a request counts for. A range counts with its most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The machines that it needs, whichever it gets: those of one architecture count for that.
    pub surely: Count,
    /// The machines that it may get: alternatives count for each architecture.
    pub at_worst: Count,
    /// Machines times duration, in milliseconds.
    pub node_ms: u64,
}

/// When the quota of node-hours of somebody who waits, and whom it kept waiting when it was last decided who starts, has
/// room for it, if nothing else changes.
pub(crate) fn next_opening(world: &World) -> Option<Timestamp> {
    let has_hours =
        |tenant: &&Tenant| tenant.allowance.node_hours.is_some() && world.index().queued(tenant.id) > 0;
    let limited = world.tenants.values().filter(has_hours);
    let rooms: BTreeMap<_, _> = limited
        .filter_map(|tenant| {
            let quota = tenant.allowance.node_hours?;
            let promised = Standing::of(world, tenant, world.meta.planned).promised_node_ms;
            Some((tenant.id, (&tenant.usage, quota, quota.node_ms.saturating_sub(promised))))
        })
        .collect();
    if rooms.is_empty() {
        return None;
    }
    let opens = |lease: &Lease| {
        let (usage, quota, room) = rooms.get(&lease.tenant)?;
        let left = room.checked_sub(Demand::of(&lease.spec).node_ms)?;
        Some(usage.granted_falls_to(left, *quota)).filter(|at| *at > world.meta.planned)
    };
    world.queue().into_iter().filter(|lease| lease.promise.is_none()).filter_map(opens).min()
}

/// What a tenant has at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Machines in use: from the assignment until they are clean.
    pub in_use: Count,
    /// Machines that it was promised, as many as those may be.
    pub promised: Count,
    /// Machine time that it was promised, in milliseconds of one machine.
    pub promised_node_ms: u64,
    /// What counts of the machine time that it was granted; nothing where there is no quota of it.
    pub granted_node_ms: u64,
}

impl Count {
    /// One machine of this architecture.
    pub(crate) fn one(arch: Arch) -> Self {
        Self { all: 1, ..Self::exchanged_for(arch) }
    }

    /// One machine of this architecture in place of one of another.
    pub(crate) fn exchanged_for(arch: Arch) -> Self {
        let mut count = Self::default();
        count.add(arch, 1);
        count
    }

    fn add(&mut self, arch: Arch, machines: u32) {
        self.of[arch as usize] = self.of[arch as usize].saturating_add(machines);
    }

    fn plus(self, other: Self) -> Self {
        let mut sum = self;
        sum.all = sum.all.saturating_add(other.all);
        for (sum, other) in sum.of.iter_mut().zip(other.of) {
            *sum = sum.saturating_add(other);
        }
        sum
    }
}

impl Demand {
    /// What a request counts for.
    #[must_use]
    pub fn of(spec: &LeaseSpec) -> Self {
        let (mut surely, mut at_worst) = (Count::default(), Count::default());
        for member in &spec.members {
            let most = member.most();
            surely.all = surely.all.saturating_add(most);
            if let (Some(only), 1) = (member.arch.first(), member.arch.len()) {
                surely.add(*only, most);
            }
            for arch in Arch::ALL.into_iter().filter(|a| member.arch.is_empty() || member.arch.contains(a)) {
                at_worst.add(arch, most);
            }
        }
        at_worst.all = surely.all;
        Self { surely, at_worst, node_ms: u64::from(surely.all).saturating_mul(spec.duration_ms) }
    }
}

/// What the quota of a tenant says at `moment` to so many machines and so much machine time more, for people; none if it
/// has room for them, or there is none.
pub(crate) fn bar(
    world: &World,
    tenant: TenantId,
    moment: Timestamp,
    wanted: Count,
    node_ms: u64,
) -> Option<String> {
    let tenant = world.tenants.get(tenant).filter(|tenant| tenant.allowance.has_quota())?;
    Standing::of(world, tenant, moment).bar(&tenant.allowance, wanted, node_ms)
}

impl Standing {
    /// Of one tenant; its quota of node-hours counts as it stood at `moment`.
    #[must_use]
    pub fn of(world: &World, tenant: &Tenant, moment: Timestamp) -> Self {
        let mut standing = Self::default();
        for arch in Arch::ALL {
            let machines = tenant.usage.in_use(arch);
            standing.in_use.all += machines;
            standing.in_use.add(arch, machines);
        }
        if let Some(quota) = tenant.allowance.node_hours {
            standing.granted_node_ms = tenant.usage.granted(quota, moment);
        }
        let promised = world.index().promised().filter_map(|(_, id)| world.leases.get(id));
        for lease in promised.filter(|lease| lease.tenant == tenant.id) {
            standing.promise(&Demand::of(&lease.spec));
        }
        standing
    }

    /// Counts what is promised.
    pub(crate) fn promise(&mut self, demand: &Demand) {
        self.promised = self.promised.plus(demand.at_worst);
        self.promised_node_ms = self.promised_node_ms.saturating_add(demand.node_ms);
    }

    /// The same without anything promised.
    pub(crate) fn without_promises(self) -> Self {
        Self { promised: Count::default(), promised_node_ms: 0, ..self }
    }

    /// Why so many machines for so long cannot be had beside what there is, for people; none if they can.
    pub(crate) fn bar(&self, allowance: &Allowance, wanted: Count, node_ms: u64) -> Option<String> {
        let beyond = |most: u32, wanted: u32, used: u32, promised: u32| {
            wanted > 0 && u64::from(wanted) + u64::from(used) + u64::from(promised) > u64::from(most)
        };
        let told = |most: u32, kind: &str, wanted: u32, used: u32, promised: u32| {
            let promised = if promised == 0 {
                String::new()
            } else {
                format!(", {promised} promised to leases that wait for them")
            };
            format!("quota: {used} of {most} {kind}machines in use{promised}, {wanted} wanted")
        };
        let (used, promised) = (self.in_use, self.promised);
        if let Some(most) = allowance.machines
            && beyond(most, wanted.all, used.all, promised.all)
        {
            return Some(told(most, "", wanted.all, used.all, promised.all));
        }
        for (arch, most) in &allowance.machines_of {
            let index = *arch as usize;
            if beyond(*most, wanted.of[index], used.of[index], promised.of[index]) {
                return Some(told(
                    *most,
                    &format!("{arch} "),
                    wanted.of[index],
                    used.of[index],
                    promised.of[index],
                ));
            }
        }
        let quota = allowance.node_hours?;
        let taken = self.granted_node_ms.saturating_add(self.promised_node_ms);
        (taken.saturating_add(node_ms) > quota.node_ms).then(|| {
            let (taken, wanted) = (hours(taken), hours(node_ms));
            format!("quota: {taken} of {quota} are taken, {wanted} wanted")
        })
    }
}
