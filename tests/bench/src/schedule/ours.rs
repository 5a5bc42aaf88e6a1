//! The core's own scheduler, fed with a workload.

use super::simulate::Discipline;
use super::workload::{INSTALL_MS, Job, MACHINES, Need};
use hostler_core::schedule::{
    Busy, Class, Cost, MOST_AHEAD, Past, PastRun, Policy, Scheduler, Shape, Slot, Spans, Standing, Usual,
    Waiting,
};
use hostler_core::tenancy::{Used, part_of};
use hostler_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The scheduler, with what it is told of tenants and of machines in use.
pub struct Ours {
    scheduler: Scheduler,
    policy: Policy,
    busy: Busy,
    /// The class of each machine.
    classes: Vec<Class>,
    shapes: HashMap<Need, usize>,
    tenants: BTreeMap<u32, Tenant>,
    running: BTreeMap<usize, Vec<u32>>,
    promises: BTreeMap<usize, u64>,
    /// Of each job that waits.
    users: BTreeMap<usize, u32>,
}

/// A user of the workload.
#[derive(Default)]
struct Tenant {
    past: Past,
    /// What it used of each architecture.
    used: [Used; MACHINES.len()],
    /// The jobs that wait or run.
    open: BTreeMap<usize, Open>,
    /// Those of them that wait.
    waiting: BTreeSet<usize>,
    /// One of its jobs came or went.
    stirred: bool,
}

/// A job that waits or runs.
struct Open {
    job: Job,
    shape: usize,
    submitted: u64,
    started: Option<u64>,
}

impl Ours {
    /// Nobody waits; these machines are free.
    #[must_use]
    pub fn new(policy: Policy, machines: Need) -> Self {
        let mut scheduler = Scheduler::new(policy);
        let mut classes = Vec::new();
        for count in machines {
            let class = scheduler.add_class();
            classes.extend((0..count).map(|_| class));
        }
        for (node, class) in (0..).zip(&classes) {
            scheduler.set_node(node, *class, Standing::Free { cold: false, since: 0 });
        }
        Self {
            scheduler,
            policy,
            busy: Busy::default(),
            classes,
            shapes: HashMap::new(),
            tenants: BTreeMap::new(),
            running: BTreeMap::new(),
            promises: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }

    fn shape(&mut self, need: Need) -> usize {
        *self.shapes.entry(need).or_insert_with(|| {
            let slots = need.iter().enumerate().filter(|(_, count)| **count > 0);
            let slots = slots
                .map(|(class, count)| Slot { count: *count, most: *count, classes: vec![class] })
                .collect();
            self.scheduler.add_shape(Shape::new(slots))
        })
    }

    /// How long the user's next job with this limit and size has its machines.
    fn spans(&self, job: &Job, usual: Usual) -> Spans {
        let past = self.tenants.get(&job.user).map(|tenant| &tenant.past);
        let length = past.map(|p| p.length(job.limit_ms, job.hosts(), self.policy.quantile, usual));
        let length = length.unwrap_or_default();
        Spans {
            expect: INSTALL_MS + length.expect_ms,
            guard: INSTALL_MS + length.guard_ms,
            limit: job.bound_ms(),
        }
    }

    fn usual(&self) -> Usual {
        Usual::of(self.tenants.values().map(|tenant| &tenant.past))
    }

    /// Tells the scheduler how busy all were.
    fn note_busy(&mut self, now: u64) {
        let tenants = &self.tenants;
        self.busy.note(Timestamp(now), || {
            std::array::from_fn(|class| {
                (tenants.values().map(|tenant| tenant.used[class].at(Timestamp(now))).sum(), MACHINES[class])
            })
        });
        self.scheduler.set_busy(&self.busy);
    }

    /// Tells the scheduler how those who wait stand to each other now.
    fn share(&mut self, now: u64) {
        for (user, tenant) in self.tenants.iter_mut().filter(|(_, tenant)| !tenant.waiting.is_empty()) {
            self.scheduler.set_tenant(*user, self.policy.share_factor(tenant.dominant(now)), None);
            if !std::mem::take(&mut tenant.stirred) {
                continue;
            }
            let running = tenant.open.len() - tenant.waiting.len();
            // Of those behind, all count alike.
            for (rank, index) in tenant.waiting.iter().take(MOST_AHEAD + 1).enumerate() {
                let (factor, open) = (self.policy.further_factor(running + rank), &tenant.open[index]);
                self.scheduler.set_factor(lease(*index), open.shape, open.submitted, factor);
            }
        }
    }

    /// What a user's job took says something new of the user's other jobs.
    fn learn(&mut self, user: u32) {
        let usual = self.usual();
        let Some(tenant) = self.tenants.get(&user) else { return };
        for (index, open) in &tenant.open {
            let spans = self.spans(&open.job, usual);
            let Some(started) = open.started else {
                self.scheduler.set_spans(lease(*index), open.shape, open.submitted, spans);
                continue;
            };
            let busy = Standing::Busy { guard: started + spans.guard, limit: started + spans.limit };
            for node in self.running.get(index).into_iter().flatten() {
                self.scheduler.set_node(*node, self.classes[*node as usize], busy);
            }
        }
    }
}

impl Tenant {
    /// It has more machines now, or fewer.
    fn count(&mut self, need: Need, now: u64, change: impl Fn(u32, u32) -> u32) {
        for (used, count) in self.used.iter_mut().zip(need) {
            used.set_machines(change(used.machines(), count), Timestamp(now));
        }
    }

    /// Of the architecture of which it had most, the part that it had of all there was.
    fn dominant(&self, now: u64) -> f64 {
        let parts = self.used.iter().zip(MACHINES);
        let parts = parts.map(|(used, machines)| part_of(used.at(Timestamp(now)), machines));
        parts.fold(0.0, f64::max)
    }
}

/// Jobs are leases of the same number.
fn lease(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl Discipline for Ours {
    fn submit(&mut self, index: usize, job: &Job, now: u64) {
        let shape = self.shape(job.need);
        self.tenants.entry(job.user).or_default();
        let spans = self.spans(job, self.usual());
        let (promise, replanned) = self.scheduler.promise(shape, spans, now);
        for (lease, promise) in replanned {
            self.scheduler.replan(lease, promise);
        }
        if let Some(promise) = promise {
            self.promises.insert(index, promise.latest_ms);
        }
        let open = Open { job: job.clone(), shape, submitted: now, started: None };
        let tenant = self.tenants.entry(job.user).or_default();
        let factor = self.policy.further_factor(tenant.open.len());
        tenant.open.insert(index, open);
        tenant.waiting.insert(index);
        self.scheduler.enqueue(Waiting {
            id: lease(index),
            tenant: job.user,
            shape,
            submitted: now,
            spans,
            factor,
            promise,
            cost: Cost::default(),
            claims: false,
        });
        self.users.insert(index, job.user);
    }

    fn end(&mut self, index: usize, job: &Job, now: u64) {
        for node in self.running.remove(&index).unwrap_or_default() {
            self.scheduler.set_node(
                node,
                self.classes[node as usize],
                Standing::Free { cold: false, since: now },
            );
        }
        let tenant = self.tenants.entry(job.user).or_default();
        tenant.open.remove(&index);
        tenant.stirred = true;
        tenant.count(job.need, now, |machines, count| machines - count);
        tenant.past.add(PastRun { ran_ms: job.run_ms, limit_ms: job.limit_ms, hosts: job.hosts() });
        self.learn(job.user);
    }

    fn pass(&mut self, now: u64) -> Vec<usize> {
        self.note_busy(now);
        self.share(now);
        let starts = self.scheduler.pass(now).starts;
        let started = starts.into_iter().map(|start| {
            let index = start.lease as usize;
            self.running.insert(index, start.nodes);
            let user = self.users.remove(&index).and_then(|user| self.tenants.get_mut(&user));
            if let Some(tenant) = user
                && let Some(open) = tenant.open.get_mut(&index)
            {
                open.started = Some(now);
                tenant.waiting.remove(&index);
                tenant.stirred = true;
                let need = open.job.need;
                tenant.count(need, now, |machines, count| machines + count);
            }
            index
        });
        started.collect()
    }

    fn next_wake(&self, now: u64) -> Option<u64> {
        self.scheduler.next_aging(now)
    }

    /// Counted, not assumed: what is not free must be in a group that was started.
    fn held(&self) -> u32 {
        let running: usize = self.running.values().map(Vec::len).sum();
        let gone = self.classes.len() - self.scheduler.free() as usize;
        u32::try_from(gone - running).unwrap_or(u32::MAX)
    }

    fn promised(&self, index: usize) -> Option<u64> {
        self.promises.get(&index).copied()
    }
}
