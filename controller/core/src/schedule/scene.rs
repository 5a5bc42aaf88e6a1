//! The world as the scheduler sees it: machines by class, leases by what they take and for how long.
//!
//! It is kept, and brought up to date by the rows that changed, since a look at ten thousand machines and leases for each
//! decision would cost more than all else. It is the same as if it were made anew from the rows: a restart changes no
//! decision.

use super::budget::Cost;
use super::fair::MOST_AHEAD;
use super::kinds::{Asked, Kinds};
use super::machines::{Machines, Update};
use super::pace::Pace;
use super::past::{Past, Usual};
use super::scheduler::{Policy, Scheduler, Spans, Waiting};
use super::shape::Class;
use super::standing::{Lengths, spans, standing};
use super::tenants;
use crate::calendar::{Reservation, Reserved};
use crate::ids::{LeaseId, NodeId, ReservationId, TenantId};
use crate::lease::{Lease, LeaseSpec, LeaseState};
use crate::node::{Node, NodeState};
use crate::table::News;
use crate::tenancy::Demand;
use crate::time::Timestamp;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// The scheduler, and what it was last told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub(super) scheduler: Scheduler,
    kinds: Kinds,
    machines: Machines,
    reserved: Reserved,
    /// Those that wait or have machines.
    open: BTreeMap<LeaseId, Open>,
    pub(super) tenants: BTreeMap<TenantId, Tenant>,
    usual: Usual,
    /// Of each kind of request, by its number.
    paces: Vec<Pace>,
    /// The kind of a request that may come, until it is known whether it did.
    pub(super) coming: Option<usize>,
    /// What the scheduler was told on its own word: that these start.
    pub(super) started: (BTreeSet<LeaseId>, BTreeSet<NodeId>),
}

/// The open leases of a tenant, and what was last known of those before them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenant {
    waiting: BTreeSet<LeaseId>,
    running: BTreeSet<LeaseId>,
    past: Past,
    reservations: Vec<Reservation>,
}

impl Tenant {
    pub(super) fn leases(&self) -> impl Iterator<Item = LeaseId> {
        self.waiting.iter().chain(&self.running).copied()
    }
}

/// A lease as it was last seen.
#[derive(Clone, Debug)]
struct Open {
    tenant: TenantId,
    /// Where it waits.
    place: Option<Place>,
}

/// A place in a queue of the scheduler.
#[derive(Clone, Copy, Debug)]
struct Place {
    kind: usize,
    submitted: u64,
}

/// Which rows are not as they were.
#[derive(Debug)]
pub(crate) struct Stale {
    pub(crate) nodes: News<NodeId>,
    pub(crate) leases: News<LeaseId>,
    pub(crate) tenants: News<TenantId>,
    /// Images decide who can have which machine.
    pub(crate) images: bool,
}

/// What has to be told to the scheduler.
#[derive(Default)]
pub(super) struct Work {
    /// The classes of machines have to be made anew.
    sort: bool,
    /// What these kinds of requests take is not known yet.
    shapes: BTreeSet<usize>,
    /// Of all machines it has to be said anew what they do, and of all requests how long they take.
    paces: bool,
    nodes: BTreeSet<NodeId>,
    /// Those who wait and whose length is to be expected anew.
    lengths: BTreeSet<LeaseId>,
    /// Whose leases came or went, and how many more wait than before.
    ranks: BTreeMap<TenantId, usize>,
}

impl Scene {
    /// Made anew.
    pub(super) fn of(world: &World) -> Self {
        let mut scene = Self::default();
        scene.make_anew(world);
        scene
    }

    /// Brings it up to date.
    pub(crate) fn refresh(&mut self, world: &World, stale: Stale) {
        let Stale { nodes: News::Of(nodes), leases: News::Of(leases), tenants: News::Of(tenants), images } =
            stale
        else {
            *self = Self::of(world);
            return;
        };
        self.scheduler.set_busy(&world.meta.busy);
        let (started, taken) = std::mem::take(&mut self.started);
        let mut work = Work { sort: images, nodes: &nodes | &taken, ..Work::default() };
        for id in &leases | &started {
            self.look_at_lease(world, id, &mut work);
        }
        if let Some(kind) = self.coming.take() {
            work.sort |= self.kinds.remove(kind).marks;
        }
        self.look_at_tenants(world, &tenants, &mut work);
        self.carry_out(world, work);
    }

    fn make_anew(&mut self, world: &World) {
        let mut work = Work { sort: true, ..Work::default() };
        self.usual = usual(world);
        self.scheduler.set_busy(&world.meta.busy);
        for tenant in world.tenants.values() {
            let known = self.tenants.entry(tenant.id).or_default();
            known.past.clone_from(&tenant.past);
            known.reservations.clone_from(&tenant.reservations);
        }
        self.reserved = Reserved::of(world);
        for lease in world.leases.values() {
            self.look_at_lease(world, lease.id, &mut work);
        }
        self.carry_out(world, work);
    }

    fn look_at_lease(&mut self, world: &World, id: LeaseId, work: &mut Work) {
        let lease = world.leases.get(id).filter(|lease| is_open(lease));
        if self.still_waits(id, lease) {
            return;
        }
        if let Some(known) = self.open.remove(&id) {
            if let Some(tenant) = self.tenants.get_mut(&known.tenant) {
                tenant.waiting.remove(&id);
                tenant.running.remove(&id);
            }
            work.ranks.entry(known.tenant).or_default();
            if let Some(place) = known.place {
                self.scheduler.withdraw(id.0, place.kind, place.submitted);
                work.sort |= self.kinds.remove(place.kind).marks;
            }
        }
        let Some(lease) = lease else { return };
        work.nodes.extend(lease.group().iter().map(|assigned| assigned.node));
        let place = lease.is_queued().then(|| self.enqueue(world, lease, work));
        self.open.insert(id, Open { tenant: lease.tenant, place });
        let tenant = self.tenants.entry(lease.tenant).or_default();
        let leases = if place.is_some() { &mut tenant.waiting } else { &mut tenant.running };
        leases.insert(id);
        *work.ranks.entry(lease.tenant).or_default() += 1;
    }

    /// True if nothing has become of a lease that waits but for what it is promised, which is noted.
    fn still_waits(&mut self, id: LeaseId, lease: Option<&Lease>) -> bool {
        let place = self.open.get(&id).and_then(|open| open.place);
        let (Some(place), Some(lease)) = (place, lease.filter(|lease| lease.is_queued())) else {
            return false;
        };
        self.scheduler.set_claim(id.0, place.kind, place.submitted, lease.course.claim.is_some());
        lease.waits_from().0 == place.submitted
            && self.scheduler.set_promise(id.0, place.kind, place.submitted, lease.promise)
    }

    fn enqueue(&mut self, world: &World, lease: &Lease, work: &mut Work) -> Place {
        let kind = self.add_kind(&lease.spec, lease.course.reservation, work);
        let place = Place { kind, submitted: lease.waits_from().0 };
        let spans = self.spans(world, lease.tenant, &lease.spec, kind);
        let (id, tenant, submitted, promise) = (lease.id.0, lease.tenant.0, place.submitted, lease.promise);
        let (factor, cost) = (factor(&lease.spec, MOST_AHEAD), cost(&lease.spec));
        let claims = lease.course.claim.is_some();
        let waiting = Waiting { id, tenant, shape: kind, submitted, spans, factor, promise, cost, claims };
        self.scheduler.enqueue(waiting);
        place
    }

    pub(super) fn add_kind(
        &mut self,
        spec: &LeaseSpec,
        reservation: Option<ReservationId>,
        work: &mut Work,
    ) -> usize {
        let (kind, news) = self.kinds.add(&Asked::of(spec, reservation));
        if news.kind {
            self.scheduler.add_queue(kind);
            work.shapes.insert(kind);
            work.sort |= news.marks;
        }
        kind
    }

    fn has_other_reservations(&mut self, world: &World, id: TenantId) -> bool {
        let Some(tenant) = world.tenants.get(id) else { return false };
        let known = self.tenants.entry(id).or_default();
        if known.reservations == tenant.reservations {
            return false;
        }
        known.reservations.clone_from(&tenant.reservations);
        true
    }

    /// What a tenant's leases took says something new of those that are open. What is usual concerns everybody.
    fn look_at_tenants(&mut self, world: &World, tenants: &BTreeSet<TenantId>, work: &mut Work) {
        if tenants.iter().any(|id| self.has_other_reservations(world, *id)) {
            self.reserved = Reserved::of(world);
            work.sort = true;
        }
        let mut told = Vec::new();
        for tenant in tenants.iter().filter_map(|id| world.tenants.get(*id)) {
            let known = self.tenants.entry(tenant.id).or_default();
            if known.past != tenant.past {
                known.past.clone_from(&tenant.past);
                told.push(tenant.id);
            }
        }
        if told.is_empty() {
            return;
        }
        let usual = usual(world);
        let concerned: Vec<_> = if std::mem::replace(&mut self.usual, usual) == usual {
            told.iter().filter_map(|tenant| self.tenants.get(tenant)).flat_map(Tenant::leases).collect()
        } else {
            self.open.keys().copied().collect()
        };
        for id in concerned {
            match world.leases.get(id) {
                Some(lease) if lease.is_queued() => _ = work.lengths.insert(id),
                Some(lease) => work.nodes.extend(lease.group().iter().map(|assigned| assigned.node)),
                None => {}
            }
        }
    }

    pub(super) fn carry_out(&mut self, world: &World, mut work: Work) {
        if !work.sort && !work.nodes.is_empty() {
            let wants = self.kinds.wants(world, &self.reserved);
            for id in &work.nodes {
                match self.machines.update(&wants, *id, world.nodes.get(*id)) {
                    Update::Itself => {}
                    Update::Pace => work.paces = true,
                    Update::Class => work.sort = true,
                }
            }
        }
        if work.sort {
            self.machines = Machines::sorted(world, &self.kinds, &self.reserved);
            self.scheduler.set_classes(self.machines.classes(), self.machines.windows());
            work.shapes = self.kinds.iter().map(|(kind, _)| kind).collect();
        }
        self.tell_shapes(world, &work.shapes);
        if work.sort || work.paces || !work.shapes.is_empty() {
            self.note_paces();
        }
        if work.sort || work.paces {
            work.nodes = self.machines.ids().collect();
        }
        self.tell_standings(world, &work.nodes, None);
        self.tell_lengths(world, &work.lengths);
        self.tell_ranks(world, &work.ranks);
    }

    /// How many leases of its tenant stand before each of those that wait. Of those behind, all count alike.
    fn tell_ranks(&mut self, world: &World, tenants: &BTreeMap<TenantId, usize>) {
        for (id, more) in tenants {
            let Some(tenant) = self.tenants.get(id) else { continue };
            let running = tenant.running.len();
            for (rank, lease) in tenant.waiting.iter().enumerate().take(MOST_AHEAD + more) {
                let place = self.open.get(lease).and_then(|open| open.place);
                if let (Some(place), Some(row)) = (place, world.leases.get(*lease)) {
                    let factor = factor(&row.spec, running + rank);
                    self.scheduler.set_factor(lease.0, place.kind, place.submitted, factor);
                }
            }
        }
    }

    /// How the tenants of those who wait stand to each other now, and to their quotas.
    pub(super) fn tell_tenants(&mut self, world: &World, now: Timestamp) {
        let waiting = self.tenants.iter().filter(|(_, tenant)| !tenant.waiting.is_empty());
        tenants::tell(&mut self.scheduler, world, &self.machines, waiting.map(|(id, _)| *id), now);
    }

    /// The same, and how `another` stands, of whom nobody may wait yet.
    pub(super) fn tell_all_tenants(&mut self, world: &World, another: TenantId, now: Timestamp) {
        self.tell_tenants(world, now);
        tenants::tell(&mut self.scheduler, world, &self.machines, std::iter::once(another), now);
    }

    /// Says what requests of these kinds take.
    fn tell_shapes(&mut self, world: &World, kinds: &BTreeSet<usize>) {
        let wants = self.kinds.wants(world, &self.reserved);
        for kind in kinds {
            if let Some(asked) = self.kinds.get(*kind) {
                self.scheduler.set_shape(*kind, self.machines.shape(world, &wants, asked));
            }
        }
    }

    /// How long those who wait have their machines changes with what deployments and cleanings take.
    fn note_paces(&mut self) {
        for (kind, _) in self.kinds.iter() {
            if self.paces.len() <= kind {
                self.paces.resize(kind + 1, Pace::default());
            }
            let pace = self.machines.pace(self.scheduler.shape(kind));
            let before = std::mem::replace(&mut self.paces[kind], pace);
            if before != pace {
                self.scheduler.change_overhead(kind, before.overhead_ms(), pace.overhead_ms());
            }
        }
    }

    /// Says what machines do; with `until`, as if the lease that has them lasted until then.
    pub(super) fn tell_standings(
        &mut self,
        world: &World,
        nodes: &BTreeSet<NodeId>,
        until: Option<Timestamp>,
    ) {
        let mut lengths = Lengths::new(world, self.usual);
        for id in nodes {
            if let (Some((class, pace)), Some(node)) = (self.machines.class(*id), world.nodes.get(*id)) {
                let standing = standing(node, pace, &mut lengths, until);
                self.scheduler.set_node(id.0, class, standing);
            }
        }
    }

    fn tell_lengths(&mut self, world: &World, leases: &BTreeSet<LeaseId>) {
        let mut lengths = Lengths::new(world, self.usual);
        for id in leases {
            let (Some(Open { place: Some(place), .. }), Some(lease)) =
                (self.open.get(id), world.leases.get(*id))
            else {
                continue;
            };
            let pace = self.paces.get(place.kind).copied().unwrap_or_default();
            let spans = spans(lengths.of(lease.tenant, &lease.spec), &lease.spec, pace);
            self.scheduler.set_spans(id.0, place.kind, place.submitted, spans);
        }
    }

    pub(super) fn spans(&self, world: &World, tenant: TenantId, spec: &LeaseSpec, kind: usize) -> Spans {
        let pace = self.paces.get(kind).copied().unwrap_or_default();
        spans(Lengths::new(world, self.usual).of(tenant, spec), spec, pace)
    }

    /// The class of a machine and what is usual there; none if nobody who waits could have it.
    pub(super) fn class(&self, node: NodeId) -> Option<(Class, Pace)> {
        self.machines.class(node)
    }

    /// True if what is free and what is being cleaned would make up the group of a lease that waits.
    pub(crate) fn makes_up_soon(&self, world: &World, lease: LeaseId) -> bool {
        let Some(place) = self.open.get(&lease).and_then(|open| open.place) else { return false };
        let mut soon = self.scheduler.counts.clone();
        let cleaning =
            |node: &&Node| matches!(node.state, NodeState::Cleaning { .. }) && node.holds.is_empty();
        for (class, _) in world.nodes.values().filter(cleaning).filter_map(|node| self.class(node.id)) {
            soon[class] += 1;
        }
        self.scheduler.shape(place.kind).fits(&soon)
    }

    /// True if somebody who waits could have this machine, alone or with others.
    pub(crate) fn could_be_used(&self, node: NodeId) -> bool {
        self.machines.class(node).is_some()
    }
}

/// What the score of a lease is multiplied by, before which so many others of its tenant stand.
pub(super) fn factor(spec: &LeaseSpec, ahead: usize) -> f64 {
    spec.terms.priority.factor() * Policy::default().further_factor(ahead)
}

pub(super) fn cost(spec: &LeaseSpec) -> Cost {
    let demand = Demand::of(spec);
    Cost { machines: demand.surely.all, node_ms: demand.node_ms }
}

/// True if a lease waits or has machines.
const fn is_open(lease: &Lease) -> bool {
    match lease.state {
        LeaseState::Queued { .. } => !lease.is_early(),
        LeaseState::Deploying { .. } | LeaseState::Active { .. } => true,
        LeaseState::Closing { .. } | LeaseState::Closed { .. } => false,
    }
}

fn usual(world: &World) -> Usual {
    Usual::of(world.tenants.values().map(|tenant| &tenant.past))
}
