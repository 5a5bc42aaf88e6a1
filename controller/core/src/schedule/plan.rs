//! What follows from the world for its leases.

use super::exchange::exchange;
use super::promise::Promise;
use super::scene::Scene;
use super::scheduler::Policy;
use crate::ids::{LeaseId, NodeId, ReservationId, TenantId};
use crate::lease::{Assigned, Lease, LeaseSpec, LeaseState};
use crate::request::Request;
use crate::tenancy::{self, Demand};
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeMap;

/// Of so many of those who wait it is worked out when they will probably start: it bounds what a look at them costs.
pub(super) const FORESEEN: usize = 256;

/// How exactly it is found out how long a lease can last, in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// What to do with a queued lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Give it this whole group.
    Start {
        /// Which.
        lease: LeaseId,
        /// One node for each slot.
        group: Vec<Assigned>,
    },
    /// Leave it in the queue. How its promise will be kept is planned anew; the promise is the same.
    Replan {
        /// Which.
        lease: LeaseId,
        /// With the new plan.
        promise: Promise,
    },
}

/// Decides for the queued leases, as long as there are free nodes to decide about; those that are not mentioned wait as
/// before. A world decides by itself with each input; this is the same without what it remembers.
#[must_use]
pub fn plan(world: &World, now: Timestamp) -> Vec<Decision> {
    decide(&mut Scene::of(world), world, now)
}

/// The same with a scene that is up to date.
pub(crate) fn decide(scene: &mut Scene, world: &World, now: Timestamp) -> Vec<Decision> {
    scene.tell_tenants(world, now);
    let passed = scene.pass(now);
    let mut taken = passed.starts.iter().flat_map(|start| &start.nodes).copied().map(NodeId).collect();
    let scene = &*scene;
    let starts = passed.starts.into_iter().filter_map(|start| {
        let lease = world.leases.get(LeaseId(start.lease))?;
        let nodes: Vec<_> = start.nodes.iter().filter_map(|id| world.nodes.get(NodeId(*id))).collect();
        // The scheduler counts machines that are alike; which of them takes which role is matched exactly.
        let mut group = Request::new(world, &lease.spec).fit(&nodes)?;
        exchange(scene, world, &mut group, &mut taken);
        Some(Decision::Start { lease: lease.id, group })
    });
    starts.chain(replanned(passed.replanned)).collect()
}

/// What a request that comes now can be promised, and whose plans change with it.
pub(crate) fn promise(
    scene: &mut Scene,
    world: &World,
    tenant: TenantId,
    spec: &LeaseSpec,
    reservation: Option<ReservationId>,
    now: Timestamp,
) -> (Option<Promise>, Vec<Decision>) {
    if world.index().promised().len() >= Policy::default().promises || exceeds_quota(world, tenant, spec, now)
    {
        return (None, Vec::new());
    }
    let (promise, others) = scene.promise(world, tenant, spec, reservation, now);
    (promise, replanned(others).collect())
}

/// True if the tenant's own quota could keep the request waiting, whatever others do.
fn exceeds_quota(world: &World, tenant: TenantId, spec: &LeaseSpec, now: Timestamp) -> bool {
    let demand = Demand::of(spec);
    tenancy::bar(world, tenant, now, demand.at_worst, demand.node_ms).is_some()
}

/// How long an active lease can last, at most until `asked`, so that nobody's promise breaks; and whose plans change with
/// it. To the minute; its present end if nothing later can be had.
pub(crate) fn lasting(
    scene: &mut Scene,
    world: &World,
    lease: &Lease,
    asked: Timestamp,
    now: Timestamp,
) -> (Timestamp, Vec<Decision>) {
    let LeaseState::Active { expires, .. } = lease.state else { return (asked, Vec::new()) };
    let mut keeping = |until| scene.keeping(world, lease, until, now);
    if let Some(plans) = keeping(asked) {
        return (asked, replanned(plans).collect());
    }
    let (mut good, mut bad, mut plans) = (expires, asked, Vec::new());
    while bad.0 > good.0 + MINUTE_MS {
        let middle = Timestamp(good.0.midpoint(bad.0));
        match keeping(middle) {
            Some(found) => (good, plans) = (middle, found),
            None => bad = middle,
        }
    }
    (good, replanned(plans).collect())
}

/// When queued leases will probably start, as far as that can be said: of the first few hundred, and not of those whose
/// machines do not come back by themselves. Where nothing happens, the world does not know how late it is.
#[must_use]
pub fn forecast(world: &World, now: Timestamp) -> BTreeMap<LeaseId, Timestamp> {
    if world.index().queue().next().is_none() {
        return BTreeMap::new();
    }
    let (mut scene, now) = (Scene::of(world), now.max(world.meta.now));
    scene.tell_tenants(world, now);
    let starts = scene.scheduler.forecast(now.0, FORESEEN);
    starts.into_iter().map(|(lease, at)| (LeaseId(lease), Timestamp(at))).collect()
}

pub(super) fn replanned(promises: Vec<(u32, Promise)>) -> impl Iterator<Item = Decision> {
    promises.into_iter().map(|(lease, promise)| Decision::Replan { lease: LeaseId(lease), promise })
}
