//! Tenants: what they may have, and what becomes of it.

use super::registration::check_word;
use super::{Result, exhausted};
use crate::catalogue::Tenant;
use crate::event::Severity;
use crate::hardware::Arch;
use crate::ids::{LeaseId, NodeId, TenantId};
use crate::input::{Refusal, Reply};
use crate::lease::{Lease, LeaseState};
use crate::schedule::{self, Past};
use crate::tenancy::{Allowance, Demand, NodeHours, Setting, Standing, Usage};
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeMap;

impl World {
    pub(super) fn on_add_tenant(&mut self, name: String) -> Result {
        check_word("tenant name", &name, "-")?;
        if let Some(tenant) = self.tenant_named(&name) {
            return Ok(Reply::Tenant(tenant.id));
        }
        let id = self.meta.counters.next_tenant().ok_or_else(exhausted)?;
        self.tell(Severity::Info, "tenant-added", (), format!("tenant {name} added"));
        let (past, allowance, usage) = (Past::default(), Allowance::default(), Usage::default());
        let reservations = Vec::new();
        self.tenants
            .insert(id, Tenant { id, name, added: self.meta.now, past, allowance, usage, reservations });
        Ok(Reply::Tenant(id))
    }

    pub(super) fn on_set_tenant(&mut self, author: &str, name: &str, settings: &[Setting]) -> Result {
        let tenant = self.tenant_named(name).ok_or_else(|| {
            Refusal::NotFound(format!("there is no tenant {name:?}; `hostler tenant list` shows them"))
        })?;
        let (id, before) = (tenant.id, tenant.allowance.clone());
        let mut allowance = before.clone();
        for setting in settings {
            allowance.set(*setting).map_err(Refusal::Invalid)?;
        }
        if allowance == before {
            return Ok(Reply::Tenant(id));
        }
        let has_new_hours = allowance.node_hours != before.node_hours;
        if let Some(tenant) = self.tenants.get_mut(id) {
            tenant.allowance = allowance;
        }
        if has_new_hours {
            self.count_granted_anew(id);
        }
        self.tell(Severity::Info, "tenant-set", (), format!("tenant {name}: set by {author}"));
        self.withdraw_promises(id);
        self.reschedule = true;
        Ok(Reply::Tenant(id))
    }

    /// Another quota of machine time is in force from now on: what is leased at the moment counts against it.
    fn count_granted_anew(&mut self, id: TenantId) {
        let now = self.meta.now;
        let open = self.leases.values().filter(|lease| lease.tenant == id);
        let granted: u64 = open.map(|lease| left_of(lease, now.0)).sum();
        let Some(tenant) = self.tenants.get_mut(id) else { return };
        let mut usage = std::mem::take(&mut tenant.usage);
        usage.forget_granted();
        if let Some(quota) = tenant.allowance.node_hours {
            usage.grant(granted, quota, now);
        }
        tenant.usage = usage;
    }

    /// Nobody is promised what the quota does not allow any more: the later a request came, the sooner.
    pub(super) fn withdraw_promises(&mut self, id: TenantId) {
        let Some(tenant) = self.tenants.get(id) else { return };
        let mut standing = Standing::of(self, tenant, self.meta.now).without_promises();
        let promised = self.queue().into_iter().filter(|l| l.tenant == id && l.promise.is_some());
        let mut withdrawn = Vec::new();
        for lease in promised {
            let demand = Demand::of(&lease.spec);
            match standing.bar(&tenant.allowance, demand.at_worst, demand.node_ms) {
                Some(why) => withdrawn.push((lease.id, why)),
                None => standing.promise(&demand),
            }
        }
        for (lease, why) in withdrawn {
            self.withdraw_promise(lease, &why);
        }
    }

    pub(super) fn withdraw_promise(&mut self, id: LeaseId, why: &str) {
        self.change_lease(id, |l| l.promise = None);
        let message = format!("lease {id} has no latest start any more: {why}");
        self.tell(Severity::Warning, "promise-withdrawn", id, message);
    }

    /// A lease may have its machines for a while: that counts against the quota of machine time at once.
    pub(super) fn grant_time(&mut self, id: LeaseId) {
        self.count_time(id, Usage::grant);
    }

    /// What is left of that time counts no more.
    pub(super) fn return_time(&mut self, id: LeaseId) {
        self.count_time(id, Usage::give_back);
    }

    fn count_time(&mut self, id: LeaseId, count: impl FnOnce(&mut Usage, u64, NodeHours, Timestamp)) {
        let now = self.meta.now;
        let Some(lease) = self.leases.get(id) else { return };
        let (tenant, left) = (lease.tenant, left_of(lease, now.0));
        if let Some(quota) = self.tenants.get(tenant).and_then(|tenant| tenant.allowance.node_hours)
            && let Some(tenant) = self.tenants.get_mut(tenant)
        {
            count(&mut tenant.usage, left, quota, now);
        }
    }

    /// A tenant has one machine more.
    pub(super) fn machine_taken(&mut self, id: LeaseId, node: NodeId) {
        self.count_machine(id, node, |machines| machines.saturating_add(1));
    }

    /// A tenant has one machine less: it is clean, or given up. The quota may have room for another.
    pub(super) fn machine_given_back(&mut self, id: LeaseId, node: NodeId) {
        let has_it = |lease: &Lease| lease.group().iter().any(|assigned| assigned.node == node);
        if self.leases.get(id).is_some_and(has_it) {
            self.count_machine(id, node, |machines| machines.saturating_sub(1));
            self.reschedule = true;
        }
    }

    fn count_machine(&mut self, id: LeaseId, node: NodeId, count: impl FnOnce(u32) -> u32) {
        let now = self.meta.now;
        let Some(tenant) = self.leases.get(id).map(|lease| lease.tenant) else { return };
        let Some(arch) = self.nodes.get(node).map(|node| node.spec.arch) else { return };
        if let Some(tenant) = self.tenants.get_mut(tenant) {
            tenant.usage.set_in_use(arch, count(tenant.usage.in_use(arch)), now);
        }
    }

    /// Counts in how busy all are.
    pub(super) fn note_busy(&mut self) {
        let (now, mut busy) = (self.meta.now, self.meta.busy);
        busy.note(now, || schedule::used_by_all(self, now));
        self.meta.busy = busy;
    }

    /// Counts who has which machines. Stores of earlier versions do not say it.
    pub(super) fn count_machines(&mut self) {
        let now = self.meta.now;
        let mut counts = BTreeMap::<(TenantId, Arch), u32>::new();
        for node in self.nodes.values() {
            if let Some(lease) = node.state.lease().and_then(|id| self.leases.get(id)) {
                *counts.entry((lease.tenant, node.spec.arch)).or_default() += 1;
            }
        }
        let all = self.tenants.values().flat_map(|tenant| Arch::ALL.map(|arch| (tenant.id, arch)));
        for (id, arch) in all.collect::<Vec<_>>() {
            let machines = counts.get(&(id, arch)).copied().unwrap_or(0);
            if self.tenants.get(id).is_some_and(|tenant| tenant.usage.in_use(arch) != machines)
                && let Some(tenant) = self.tenants.get_mut(id)
            {
                tenant.usage.set_in_use(arch, machines, now);
            }
        }
    }
}

/// Machines times the time that a lease may still have them, in milliseconds.
fn left_of(lease: &Lease, now: u64) -> u64 {
    let ms = match &lease.state {
        LeaseState::Deploying { .. } => lease.spec.duration_ms,
        LeaseState::Active { expires, .. } => expires.0.saturating_sub(now),
        _ => 0,
    };
    (lease.group().len() as u64).saturating_mul(ms)
}
