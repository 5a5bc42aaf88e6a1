//! What the scheduler knows: machines by class, and who waits. It knows neither leases nor nodes but by their numbers,
//! so that it can be fed from a world as well as from a recorded workload.

use super::budget::{Budget, Budgets, Cost};
use super::busy::Busy;
use super::power::{exp2, log2};
use super::profile::{Need, Profile};
use super::promise::Promise;
use super::shape::{Class, Shape, Share};
use super::windows::Windows;
use std::collections::{BTreeMap, BTreeSet};

/// What is over and still there comes back in a minute, for all that anybody knows, in milliseconds.
const OVERDUE_MS: u64 = 60_000;

/// What is weighed against what. `docs/scheduling.md` says what each is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Who waits for longer than this goes before all who do not, in milliseconds; [`Scheduler::set_busy`] says it anew.
    pub age_ms: u64,
    /// So many of those get a reservation.
    pub reservations: usize,
    /// How much large groups stand back that come: the score is divided by the size to this power.
    pub size_exponent: f64,
    /// By how much that power is less when they have waited for the age.
    pub size_relief: f64,
    /// How sure a plan for others must be that a lease is over.
    pub quantile: f64,
    /// Nobody is promised a start earlier than this after the request, in milliseconds; [`Scheduler::set_busy`] says it anew.
    pub window_ms: u64,
    /// Nor earlier than this many times the wait that is planned.
    pub stretch: u64,
    /// So many of those who wait have a promise at most: it bounds what a pass costs.
    pub promises: usize,
    /// How much tenants stand back that had much: the score is divided by their share to this power.
    pub fairness: f64,
    /// How much a tenant's further leases stand back: the score is divided by their number to this power.
    pub further: f64,
}

impl Default for Policy {
    fn default() -> Self {
        let busy = Busy::default();
        Self {
            age_ms: busy.age_ms(),
            reservations: 2,
            size_exponent: 0.3,
            size_relief: 1.0,
            quantile: 0.95,
            window_ms: busy.window_ms(),
            stretch: 4,
            promises: 256,
            fairness: 0.1,
            further: 0.1,
        }
    }
}

/// How long a lease has its machines, from the first order to the last wipe, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// Probably.
    pub expect: u64,
    /// In all likelihood not longer than this.
    pub guard: u64,
    /// Never longer than this.
    pub limit: u64,
}

impl Spans {
    /// As it is planned for others: in all likelihood, and outside of windows that it must not reach.
    pub(super) const fn likely(self) -> Need {
        Need { span: self.guard, limit: self.limit }
    }

    /// As it is planned for promises.
    pub(super) const fn sure(self) -> Need {
        Need::of(self.limit)
    }
}

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Which lease.
    pub id: u32,
    /// Whose.
    pub tenant: u32,
    /// What it takes: what [`Scheduler::add_shape`] returned.
    pub shape: usize,
    /// Since when, in milliseconds.
    pub submitted: u64,
    /// For how long.
    pub spans: Spans,
    /// The score is multiplied by this, and by what its tenant's share makes of it.
    pub factor: f64,
    /// What it was promised.
    pub promise: Option<Promise>,
    /// What it takes of its tenant's quota, if that is limited.
    pub cost: Cost,
    /// Others gave way to it: it goes before everybody else, and keeps what it needs.
    pub claims: bool,
}

/// What a machine does. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be had, and was last used then.
    Free {
        /// It has to boot before anything else: it is given after all of its class that need not.
        cold: bool,
        /// The smaller, the sooner it is given.
        since: u64,
    },
    /// It comes back.
    Busy {
        /// In all likelihood by then.
        guard: u64,
        /// By then at the latest.
        limit: u64,
    },
    /// It does not come back by itself.
    Away,
}

/// A group that starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which lease.
    pub lease: u32,
    /// The machines, by number.
    pub nodes: Vec<u32>,
}

/// What a pass decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// In this order.
    pub starts: Vec<Start>,
    /// Whose plan is another now; what was promised is the same.
    pub replanned: Vec<(u32, Promise)>,
}

/// Those who wait for the same kind of group, first come first.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) shape: Shape,
    /// The logarithm of the group's size, to base 2.
    log_size: f64,
    pub(super) waiting: Vec<Waiting>,
}

impl Queue {
    fn of(shape: Shape, waiting: Vec<Waiting>) -> Self {
        let log_size = log2(f64::from(shape.hosts().max(1)));
        Self { shape, log_size, waiting }
    }
}

/// The scheduler.
#[derive(Clone, Debug)]
pub struct Scheduler {
    pub(super) policy: Policy,
    /// By shape.
    pub(super) queues: Vec<Queue>,
    nodes: BTreeMap<u32, (Class, Standing)>,
    /// The free machines of each class: first those that need not boot, and of each kind the least recently used.
    free: Vec<BTreeSet<(bool, u64, u32)>>,
    /// How many those are.
    pub(super) counts: Vec<u32>,
    pub(super) windows: Windows,
    /// Who has a promise: the lease, with its shape and when it was submitted.
    pub(super) promised: BTreeMap<u32, (usize, u64)>,
    /// Who claims machines, likewise.
    pub(super) claiming: BTreeMap<u32, (usize, u64)>,
    /// What the score of all leases of a tenant is multiplied by.
    tenants: BTreeMap<u32, f64>,
    pub(super) budgets: Budgets,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

impl Scheduler {
    /// Nobody waits, and there is no machine.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            queues: Vec::new(),
            nodes: BTreeMap::new(),
            free: Vec::new(),
            counts: Vec::new(),
            windows: Windows::default(),
            promised: BTreeMap::new(),
            claiming: BTreeMap::new(),
            tenants: BTreeMap::new(),
            budgets: Budgets(BTreeMap::new()),
        }
    }

    /// Who goes first and what can be promised follows how busy all were.
    pub fn set_busy(&mut self, busy: &Busy) {
        self.policy.age_ms = busy.age_ms();
        self.policy.window_ms = busy.window_ms();
    }

    /// One more class of machines.
    pub fn add_class(&mut self) -> Class {
        self.free.push(BTreeSet::new());
        self.counts.push(0);
        self.counts.len() - 1
    }

    /// When machines are not to be had, by class.
    pub fn set_windows(&mut self, windows: Windows) {
        self.windows = windows;
    }

    /// Machines are told apart anew: there are so many classes with these windows, and no machine is known.
    pub(super) fn set_classes(&mut self, count: usize, windows: Windows) {
        self.windows = windows;
        self.nodes.clear();
        self.free = vec![BTreeSet::new(); count];
        self.counts = vec![0; count];
    }

    /// One more kind of group.
    pub fn add_shape(&mut self, shape: Shape) -> usize {
        self.queues.push(Queue::of(shape, Vec::new()));
        self.queues.len() - 1
    }

    /// A queue of this number is there. What it takes is not known yet.
    pub(super) fn add_queue(&mut self, number: usize) {
        while self.queues.len() <= number {
            self.queues.push(Queue::of(Shape::new(Vec::new()), Vec::new()));
        }
    }

    /// What those of a queue take.
    pub(super) fn shape(&self, queue: usize) -> &Shape {
        &self.queues[queue].shape
    }

    /// What those of a queue take is told otherwise, since machines are.
    pub(super) fn set_shape(&mut self, queue: usize, shape: Shape) {
        let waiting = std::mem::take(&mut self.queues[queue].waiting);
        self.queues[queue] = Queue::of(shape, waiting);
    }

    /// Everybody in a queue has machines for longer or shorter: what was counted for deployment and cleaning is another
    /// time now.
    pub(super) fn change_overhead(&mut self, queue: usize, before: u64, after: u64) {
        for waiting in &mut self.queues[queue].waiting {
            let Spans { expect, guard, limit } = &mut waiting.spans;
            for span in [expect, guard, limit] {
                *span = *span - before + after;
            }
        }
    }

    /// What is known of a machine, new or not.
    pub fn set_node(&mut self, node: u32, class: Class, standing: Standing) {
        self.remove_node(node);
        if let Standing::Free { cold, since } = standing {
            self.free[class].insert((cold, since, node));
            self.counts[class] += 1;
        }
        self.nodes.insert(node, (class, standing));
    }

    /// Forgets a machine.
    pub fn remove_node(&mut self, node: u32) {
        if let Some((class, Standing::Free { cold, since })) = self.nodes.remove(&node) {
            self.free[class].remove(&(cold, since, node));
            self.counts[class] -= 1;
        }
    }

    /// Somebody waits.
    pub fn enqueue(&mut self, waiting: Waiting) {
        if waiting.promise.is_some() {
            self.promised.insert(waiting.id, (waiting.shape, waiting.submitted));
        }
        if waiting.claims {
            self.claiming.insert(waiting.id, (waiting.shape, waiting.submitted));
        }
        let queue = &mut self.queues[waiting.shape].waiting;
        let place =
            queue.partition_point(|other| (other.submitted, other.id) < (waiting.submitted, waiting.id));
        queue.insert(place, waiting);
    }

    /// Somebody does not wait any more.
    pub fn withdraw(&mut self, lease: u32, shape: usize, submitted: u64) {
        self.promised.remove(&lease);
        self.claiming.remove(&lease);
        if let Some(place) = self.position(lease, shape, submitted) {
            self.queues[shape].waiting.remove(place);
        }
    }

    /// What somebody who waits is promised now; false if nobody of this number waits there.
    pub(super) fn set_promise(
        &mut self,
        lease: u32,
        shape: usize,
        submitted: u64,
        promise: Option<Promise>,
    ) -> bool {
        let Some(waiting) = self.get_mut(lease, shape, submitted) else { return false };
        waiting.promise = promise;
        if promise.is_some() {
            self.promised.insert(lease, (shape, submitted));
        } else {
            self.promised.remove(&lease);
        }
        true
    }

    /// Others give way to somebody who waits, or do not any more.
    pub(super) fn set_claim(&mut self, lease: u32, shape: usize, submitted: u64, claims: bool) {
        let Some(waiting) = self.get_mut(lease, shape, submitted) else { return };
        waiting.claims = claims;
        if claims {
            self.claiming.insert(lease, (shape, submitted));
        } else {
            self.claiming.remove(&lease);
        }
    }

    /// What is now known of the length of somebody who waits.
    pub fn set_spans(&mut self, lease: u32, shape: usize, submitted: u64, spans: Spans) {
        if let Some(waiting) = self.get_mut(lease, shape, submitted) {
            waiting.spans = spans;
        }
    }

    /// What the score of somebody who waits is multiplied by from now on.
    pub fn set_factor(&mut self, lease: u32, shape: usize, submitted: u64, factor: f64) {
        if let Some(waiting) = self.get_mut(lease, shape, submitted) {
            waiting.factor = factor;
        }
    }

    /// How a tenant stands from now on: what the score of its leases is multiplied by, and what its quota leaves, if it
    /// has one.
    pub fn set_tenant(&mut self, tenant: u32, factor: f64, budget: Option<Budget>) {
        self.tenants.insert(tenant, factor);
        match budget {
            Some(budget) => _ = self.budgets.0.insert(tenant, budget),
            None => _ = self.budgets.0.remove(&tenant),
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queues.iter().map(|queue| queue.waiting.len()).sum()
    }

    /// True if nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.waiting.is_empty())
    }

    /// How many machines are free.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// The next moment after `now` at which somebody's age changes who goes first.
    #[must_use]
    pub fn next_aging(&self, now: u64) -> Option<u64> {
        let aging = self.queues.iter().filter_map(|queue| {
            let young = self.first_young(queue, now);
            Some(queue.waiting.get(young)?.submitted + self.policy.age_ms + 1)
        });
        aging.min()
    }

    pub(super) fn first_young(&self, queue: &Queue, now: u64) -> usize {
        queue.waiting.partition_point(|w| now.saturating_sub(w.submitted) > self.policy.age_ms)
    }

    /// The larger, the sooner.
    pub(super) fn score(&self, queue: &Queue, waiting: &Waiting, now: u64) -> f64 {
        let expect = waiting.spans.expect.max(1) as f64;
        let waited = now.saturating_sub(waiting.submitted) as f64;
        let share = self.tenants.get(&waiting.tenant).copied().unwrap_or(1.0);
        let relief = self.policy.size_relief * waited / self.policy.age_ms.max(1) as f64;
        let weight = exp2((relief - self.policy.size_exponent) * queue.log_size);
        (waited + expect) / expect * weight * waiting.factor * share
    }

    pub(super) fn get(&self, lease: u32, shape: usize, submitted: u64) -> Option<&Waiting> {
        self.queues[shape].waiting.get(self.position(lease, shape, submitted)?)
    }

    pub(super) fn get_mut(&mut self, lease: u32, shape: usize, submitted: u64) -> Option<&mut Waiting> {
        let place = self.position(lease, shape, submitted)?;
        self.queues[shape].waiting.get_mut(place)
    }

    fn position(&self, lease: u32, shape: usize, submitted: u64) -> Option<usize> {
        let queue = &self.queues[shape].waiting;
        queue.binary_search_by_key(&(submitted, lease), |w| (w.submitted, w.id)).ok()
    }

    /// When each busy machine is back: in all likelihood or, if that is past, at the latest.
    fn likely_returns(&self, now: u64) -> Vec<(u64, Class)> {
        self.returns(now, |guard, limit| if guard > now { guard } else { limit })
    }

    /// When each busy machine is back at the latest.
    fn sure_returns(&self, now: u64) -> Vec<(u64, Class)> {
        self.returns(now, |_, limit| limit)
    }

    fn returns(&self, now: u64, at: impl Fn(u64, u64) -> u64) -> Vec<(u64, Class)> {
        let busy = self.nodes.values().filter_map(|(class, standing)| match standing {
            Standing::Busy { guard, limit } => Some((*class, at(*guard, *limit))),
            _ => None,
        });
        busy.map(|(class, at)| (if at > now { at } else { now + OVERDUE_MS }, class)).collect()
    }

    /// When everything is over that runs on machines without windows.
    pub(super) fn all_over(&self, now: u64) -> u64 {
        let lasting = self.sure_returns(now).into_iter().filter(|(_, class)| !self.windows.concern(*class));
        lasting.map(|(at, _)| at).max().unwrap_or(now)
    }

    /// What is free from now on in all likelihood.
    pub(super) fn likely_profile(&self, now: u64) -> Profile {
        Profile::new(now, &self.counts, self.likely_returns(now)).with(&self.windows)
    }

    /// What is free from now on at the latest.
    pub(super) fn sure_profile(&self, now: u64) -> Profile {
        Profile::new(now, &self.counts, self.sure_returns(now)).with(&self.windows)
    }

    /// How many machines of each class are free or come back.
    pub(super) fn returning(&self) -> Vec<u32> {
        let mut counts = self.counts.clone();
        for (class, standing) in self.nodes.values() {
            counts[*class] += u32::from(matches!(standing, Standing::Busy { .. }));
        }
        counts
    }

    /// Takes machines of each class for a lease that starts: first those that need not boot, of these the least recently
    /// used.
    pub(super) fn start(&mut self, waiting: &Waiting, shares: &[Share], now: u64) -> Start {
        self.withdraw(waiting.id, waiting.shape, waiting.submitted);
        self.budgets.spend(waiting, shares);
        let mut nodes = Vec::new();
        for (class, count) in shares {
            nodes.extend(self.free[*class].iter().take(*count as usize).map(|(_, _, node)| *node));
        }
        let busy = Standing::Busy { guard: now + waiting.spans.guard, limit: now + waiting.spans.limit };
        for node in &nodes {
            if let Some((class, _)) = self.nodes.get(node) {
                self.set_node(*node, *class, busy);
            }
        }
        Start { lease: waiting.id, nodes }
    }
}
