//! The world as the scheduler sees it: machines by class, leases by what they take and for how long.

use super::past::{Length, Usual};
use super::scheduler::{Policy, Scheduler, Spans, Standing, Waiting};
use super::shape::{Class, Shape, Slot};
use crate::constraint::{Fact, Grouping};
use crate::ids::{LeaseId, TenantId};
use crate::lease::{Lease, LeaseSpec, LeaseState, Member};
use crate::node::{Node, NodeState};
use crate::request::{Request, Search, Want};
use crate::time::Timestamp;
use crate::world::World;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a deployment and a cleaning take until enough of them were seen, in milliseconds.
const USUAL_MS: u64 = 600_000;

/// Fewer deployments or cleanings than this say nothing.
const ENOUGH: usize = 5;

/// What decides which machines a request can have.
type Asked<'a> = (&'a [Member], &'a [Grouping]);

fn asked(spec: &LeaseSpec) -> Asked<'_> {
    (&spec.members, &spec.groupings)
}

/// The scheduler, fed with a world.
pub(super) struct Scene<'a> {
    world: &'a World,
    pub(super) scheduler: Scheduler,
    shapes: HashMap<Asked<'a>, (usize, Pace)>,
    usual: Usual,
    lengths: RefCell<HashMap<(TenantId, u64, u32), Length>>,
    /// A lease that is looked at as if it ended then.
    lasting: Option<(LeaseId, Timestamp)>,
}

/// What deployments and cleanings take, in milliseconds: nine of ten took no longer.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    deploy: u64,
    clean: u64,
}

impl<'a> Scene<'a> {
    /// With everybody who waits.
    pub(super) fn whole(world: &'a World, now: Timestamp) -> Self {
        Self::new(world, now, world.index().queue(), None, None)
    }

    /// With those only who were promised something, and the shape of one who comes.
    pub(super) fn promised(world: &'a World, now: Timestamp, coming: &'a LeaseSpec) -> Self {
        Self::new(world, now, world.index().promised().map(|(_, id)| id), Some(coming), None)
    }

    /// With those only who were promised something, as if an active lease lasted until then.
    pub(super) fn lasting(world: &'a World, now: Timestamp, lease: LeaseId, until: Timestamp) -> Self {
        Self::new(world, now, world.index().promised().map(|(_, id)| id), None, Some((lease, until)))
    }

    fn new(
        world: &'a World,
        now: Timestamp,
        leases: impl Iterator<Item = LeaseId>,
        coming: Option<&'a LeaseSpec>,
        lasting: Option<(LeaseId, Timestamp)>,
    ) -> Self {
        let scheduler = Scheduler::new(Policy::default());
        let usual = Usual::of(world.tenants.values().map(|tenant| &tenant.past));
        let (shapes, lengths) = (HashMap::new(), RefCell::default());
        let mut scene = Self { world, scheduler, shapes, usual, lengths, lasting };
        let queue = leases.filter_map(|id| world.leases.get(id));
        let queue: Vec<_> = queue.filter(|lease| !lease.is_early()).collect();
        let mut wants = Wants::default();
        for spec in queue.iter().map(|lease| &lease.spec).chain(coming) {
            wants.add(world, asked(spec));
        }
        let alike = scene.add_machines(&wants, now);
        for request in &wants.requests {
            scene.add_shape(&wants, *request, &alike);
        }
        for lease in queue {
            scene.enqueue(lease);
        }
        scene
    }

    /// What a request takes, and for how long.
    pub(super) fn request(&self, tenant: TenantId, spec: &LeaseSpec) -> Option<(usize, Spans)> {
        let (shape, pace) = self.shapes.get(&asked(spec))?;
        let length = self.length(tenant, spec);
        let span = |run: u64| pace.deploy + run + pace.clean;
        let spans = Spans {
            expect: span(length.expect_ms),
            guard: span(length.guard_ms),
            limit: span(spec.duration_ms),
        };
        Some((*shape, spans))
    }

    fn enqueue(&mut self, lease: &'a Lease) {
        if let Some((shape, spans)) = self.request(lease.tenant, &lease.spec) {
            let (id, submitted, promise) = (lease.id.0, lease.waits_from().0, lease.promise);
            self.scheduler.enqueue(Waiting { id, shape, submitted, spans, factor: 1.0, promise });
        }
    }

    fn length(&self, tenant: TenantId, spec: &LeaseSpec) -> Length {
        let hosts = spec.hosts();
        let key = (tenant, spec.duration_ms, hosts);
        *self.lengths.borrow_mut().entry(key).or_insert_with(|| {
            let quantile = Policy::default().quantile;
            let past = self.world.tenants.get(tenant).map(|tenant| &tenant.past);
            past.map(|past| past.length(spec.duration_ms, hosts, quantile, self.usual)).unwrap_or_default()
        })
    }

    /// Machines are alike if the same members of the same requests could have them, and if they are alike in whatever
    /// is compared.
    fn add_machines(&mut self, wants: &Wants<'a>, now: Timestamp) -> Vec<Alike<'a>> {
        let mut machines: Vec<(Mark<'a>, Vec<&'a Node>)> = Vec::new();
        let mut classes: BTreeMap<Mark<'a>, Class> = BTreeMap::new();
        for node in self.world.nodes.values().filter(|n| n.in_service()) {
            let mark = wants.mark(node);
            if mark.wanted() > 0 {
                let class = *classes.entry(mark.clone()).or_insert_with(|| {
                    machines.push((mark, Vec::new()));
                    self.scheduler.add_class()
                });
                machines[class].1.push(node);
            }
        }
        let mut alike = Vec::new();
        for (class, (mark, nodes)) in machines.into_iter().enumerate() {
            let pace = Pace::of(&nodes);
            for node in &nodes {
                self.scheduler.set_node(node.id.0, class, self.standing(node, pace, now));
            }
            alike.extend(nodes.first().map(|example| Alike { mark, pace, example }));
        }
        alike
    }

    fn add_shape(&mut self, wants: &Wants<'a>, (members, groupings): Asked<'a>, alike: &[Alike<'a>]) {
        let slots = members.iter().map(|member| {
            let mut classes = wants.classes(member, alike);
            // First those that the fewest others could use.
            classes.sort_by_key(|class| (alike[*class].mark.wanted(), *class));
            Slot { count: member.count, most: member.most(), classes }
        });
        let slots: Vec<_> = slots.collect();
        let paces = slots.iter().flat_map(|slot| &slot.classes).map(|class| alike[*class].pace);
        let pace = paces.fold(Pace::default(), Pace::slower);
        let shape = if groupings.is_empty() {
            Shape::new(slots)
        } else {
            let examples: Vec<_> = alike.iter().map(|alike| alike.example).collect();
            Shape::together(slots, Search::new(&Request::of(self.world, members, groupings), &examples))
        };
        let shape = self.scheduler.add_shape(shape);
        self.shapes.insert((members, groupings), (shape, pace));
    }

    fn standing(&self, node: &Node, pace: Pace, now: Timestamp) -> Standing {
        if !node.holds.is_empty() {
            return Standing::Away;
        }
        match &node.state {
            NodeState::Ready { .. } => Standing::Free { since: node.since.0 },
            NodeState::Deploying { lease, .. } | NodeState::Leased { lease, .. } => {
                self.world.leases.get(*lease).map_or(Standing::Away, |lease| self.in_use(lease, pace, now))
            }
            NodeState::Cleaning { .. } | NodeState::Inspecting { .. } => {
                let back = node.since.0 + pace.clean;
                Standing::Busy { guard: back, limit: back }
            }
            NodeState::Registered | NodeState::Failed { .. } | NodeState::Retired => Standing::Away,
        }
    }

    fn in_use(&self, lease: &Lease, pace: Pace, now: Timestamp) -> Standing {
        let duration = lease.spec.duration_ms;
        let (began, limit) = match &lease.state {
            LeaseState::Deploying { since, .. } => (since.0 + pace.deploy, since.0 + pace.deploy + duration),
            LeaseState::Active { since, expires, .. } => {
                let lasting = self.lasting.filter(|(id, _)| *id == lease.id);
                (since.0, lasting.map_or(*expires, |(_, until)| until).0)
            }
            _ => (now.0, now.0 + duration),
        };
        let guard = limit.min(began + self.length(lease.tenant, &lease.spec).guard_ms);
        Standing::Busy { guard: guard + pace.clean, limit: limit + pace.clean }
    }
}

/// Machines that are alike.
struct Alike<'a> {
    mark: Mark<'a>,
    pace: Pace,
    /// One of them.
    example: &'a Node,
}

/// What tells machines apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mark<'a> {
    /// Which members could have them: a bit for each.
    members: Vec<u64>,
    /// What they are compared by.
    compared: Vec<Option<Fact<'a>>>,
}

impl Mark<'_> {
    /// How many different members could have them.
    fn wanted(&self) -> u32 {
        self.members.iter().map(|bits| bits.count_ones()).sum()
    }
}

impl Pace {
    fn of(nodes: &[&Node]) -> Self {
        Self {
            deploy: usually(nodes.iter().flat_map(|n| &n.took.deployed_ms)),
            clean: usually(nodes.iter().flat_map(|n| &n.took.cleaned_ms)),
        }
    }

    fn slower(self, other: Self) -> Self {
        Self { deploy: self.deploy.max(other.deploy), clean: self.clean.max(other.clean) }
    }
}

/// Nine of ten took no longer.
fn usually<'a>(took: impl Iterator<Item = &'a u64>) -> u64 {
    let mut took: Vec<_> = took.copied().collect();
    if took.len() < ENOUGH {
        return USUAL_MS;
    }
    took.sort_unstable();
    took[(took.len() * 9).div_ceil(10) - 1]
}

/// The different requests of those who wait, and their different members. Many who wait want the same.
#[derive(Default)]
struct Wants<'a> {
    requests: Vec<Asked<'a>>,
    seen: HashSet<Asked<'a>>,
    known: HashMap<&'a Member, usize>,
    wants: Vec<Want<'a>>,
    /// One for each attribute that machines are compared by.
    compared: Vec<&'a Grouping>,
}

impl<'a> Wants<'a> {
    fn add(&mut self, world: &'a World, (members, groupings): Asked<'a>) {
        if !self.seen.insert((members, groupings)) {
            return;
        }
        self.requests.push((members, groupings));
        for member in members {
            self.known.entry(member).or_insert_with(|| {
                self.wants.push(Want::new(world, member));
                self.wants.len() - 1
            });
        }
        for grouping in groupings {
            if !self.compared.iter().any(|known| known.attribute == grouping.attribute) {
                self.compared.push(grouping);
            }
        }
    }

    fn mark(&self, node: &'a Node) -> Mark<'a> {
        let mut members = vec![0; self.wants.len().div_ceil(64)];
        for (bit, _) in self.wants.iter().enumerate().filter(|(_, want)| want.image_on(node).is_some()) {
            members[bit / 64] |= 1 << (bit % 64);
        }
        let compared = self.compared.iter().map(|grouping| grouping.key(node)).collect();
        Mark { members, compared }
    }

    fn classes(&self, member: &Member, alike: &[Alike<'_>]) -> Vec<Class> {
        let Some(bit) = self.known.get(member) else { return Vec::new() };
        let has = |alike: &Alike<'_>| alike.mark.members[bit / 64] >> (bit % 64) & 1 == 1;
        (0..alike.len()).filter(|class| has(&alike[*class])).collect()
    }
}
