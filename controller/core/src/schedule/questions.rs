//! What is asked of a scheduler that knows the world.

use super::plan::FORESEEN;
use super::promise::{Lost, Promise};
use super::scene::{Scene, Work, cost, factor};
use super::scheduler::{Passed, Waiting};
use crate::ids::{LeaseId, NodeId, ReservationId, TenantId};
use crate::lease::{Lease, LeaseSpec};
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeSet;

impl Scene {
    /// Who starts now. Until their rows say so, nobody counts on it.
    pub(super) fn pass(&mut self, now: Timestamp) -> Passed {
        let passed = self.scheduler.pass(now.0);
        for start in &passed.starts {
            self.started.0.insert(LeaseId(start.lease));
            self.started.1.extend(start.nodes.iter().copied().map(NodeId));
        }
        passed
    }

    /// What a request that comes now can be promised, and whose plans change with it.
    pub(super) fn promise(
        &mut self,
        world: &World,
        tenant: TenantId,
        spec: &LeaseSpec,
        reservation: Option<ReservationId>,
        now: Timestamp,
    ) -> (Option<Promise>, Vec<(u32, Promise)>) {
        let mut work = Work::default();
        let kind = self.add_kind(spec, reservation, &mut work);
        self.coming = Some(kind);
        self.carry_out(world, work);
        self.scheduler.promise(kind, self.spans(world, tenant, spec, kind), now.0)
    }

    /// Whose plans change so that all promises are kept if an active lease lasts until then; none if one would break.
    pub(super) fn keeping(
        &mut self,
        world: &World,
        lease: &Lease,
        until: Timestamp,
        now: Timestamp,
    ) -> Option<Vec<(u32, Promise)>> {
        let group: BTreeSet<_> = lease.group().iter().map(|assigned| assigned.node).collect();
        let lost = self.scheduler.lost_but_by_windows(now.0);
        self.tell_standings(world, &group, Some(until));
        let plans = self.scheduler.keeping(now.0, &lost);
        self.tell_standings(world, &group, None);
        plans.ok()
    }

    /// When a request that comes now would probably start.
    pub(super) fn foresee(
        &mut self,
        world: &World,
        tenant: TenantId,
        spec: &LeaseSpec,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut work = Work::default();
        let named = world.tenants.get(tenant).zip(spec.terms.reservation.as_deref());
        let reservation = named.and_then(|(tenant, name)| tenant.reservation_named(name)).map(|r| r.id);
        let kind = self.add_kind(spec, reservation, &mut work);
        self.carry_out(world, work);
        self.tell_all_tenants(world, tenant, now);
        let before = self.tenants.get(&tenant).map_or(0, |tenant| tenant.leases().count());
        let waiting = Waiting {
            id: u32::MAX,
            tenant: tenant.0,
            shape: kind,
            submitted: now.0,
            spans: self.spans(world, tenant, spec, kind),
            factor: factor(spec, before),
            promise: None,
            cost: cost(spec),
            claims: false,
        };
        self.scheduler.enqueue(waiting);
        let start = self.scheduler.forecast(now.0, FORESEEN).get(&u32::MAX).copied();
        self.scheduler.withdraw(u32::MAX, kind, now.0);
        start.map(Timestamp)
    }

    /// True if some machines are wanted otherwise at some time.
    pub(crate) fn has_windows(&self) -> bool {
        self.scheduler.windows.any()
    }

    /// Whose promises cannot be kept as machines are now.
    pub(crate) fn lost(&self, now: Timestamp) -> Lost {
        self.scheduler.lost(now.0)
    }

    /// Whose plans change so that all promises are kept with machines as they have become.
    ///
    /// # Errors
    /// Whose promises would break.
    pub(crate) fn all_kept(&self, lost: &Lost, now: Timestamp) -> Result<Vec<(u32, Promise)>, Vec<u32>> {
        self.scheduler.keeping(now.0, lost)
    }
}
