//! A scheduler with a few machines, in few words.

use hostler_core::calendar::Window;
use hostler_core::schedule::{
    Class, Cost, Passed, Policy, Promise, Scheduler, Shape, Slot, Spans, Standing, Waiting, Windows,
};
use std::collections::BTreeMap;

pub(crate) const HOUR: u64 = 3_600_000;

/// One that waits or runs.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) shape: usize,
    pub(crate) submitted: u64,
    pub(crate) spans: Spans,
    pub(crate) promise: Option<Promise>,
}

impl Job {
    const fn waits(&self, id: u32) -> Waiting {
        let Self { shape, submitted, spans, promise } = *self;
        let cost = Cost { machines: 0, node_ms: 0 };
        Waiting { id, tenant: 0, shape, submitted, spans, factor: 1.0, promise, cost, claims: false }
    }
}

/// A scheduler, and what is stored of those who wait.
pub(crate) struct Room {
    pub(crate) scheduler: Scheduler,
    policy: Policy,
    shapes: Vec<Vec<Slot>>,
    pub(crate) nodes: BTreeMap<u32, (Class, Standing)>,
    pub(crate) waiting: BTreeMap<u32, Job>,
    pub(crate) running: BTreeMap<u32, (Job, Vec<u32>)>,
    pub(crate) windows: Vec<Vec<Window>>,
    next: u32,
}

impl Room {
    /// So many free machines of each class.
    pub(crate) fn new(policy: Policy, machines: &[u32]) -> Self {
        let classes = machines.iter().enumerate();
        let classes = classes.flat_map(|(class, count)| (0..*count).map(move |_| class));
        let nodes =
            (0..).zip(classes.map(|class| (class, Standing::Free { cold: false, since: 0 }))).collect();
        let mut room = Self {
            scheduler: Scheduler::new(policy),
            policy,
            shapes: Vec::new(),
            nodes,
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            windows: Vec::new(),
            next: 0,
        };
        room.restart();
        room
    }

    pub(crate) fn restart(&mut self) {
        self.scheduler = self.fresh();
    }

    /// A new scheduler, fed with what is stored.
    pub(crate) fn fresh(&self) -> Scheduler {
        let mut scheduler = Scheduler::new(self.policy);
        let classes = self.nodes.values().map(|(class, _)| class + 1).max().unwrap_or(0);
        for _ in 0..classes {
            scheduler.add_class();
        }
        for slots in &self.shapes {
            scheduler.add_shape(Shape::new(slots.clone()));
        }
        scheduler.set_windows(Windows::new(self.windows.clone()));
        for (node, (class, standing)) in &self.nodes {
            scheduler.set_node(*node, *class, *standing);
        }
        for (id, job) in &self.waiting {
            scheduler.enqueue(job.waits(*id));
        }
        scheduler
    }

    /// Somebody asks for these, and has them for so many hours in all likelihood and at most.
    pub(crate) fn ask(&mut self, slots: &[(u32, &[Class])], guard_h: u64, limit_h: u64, now: u64) -> u32 {
        let spans = Spans { expect: guard_h * HOUR, guard: guard_h * HOUR, limit: limit_h * HOUR };
        self.ask_for(slots, spans, now)
    }

    pub(crate) fn ask_for(&mut self, slots: &[(u32, &[Class])], spans: Spans, now: u64) -> u32 {
        let slots: Vec<_> = slots
            .iter()
            .map(|(count, classes)| Slot { count: *count, most: *count, classes: classes.to_vec() })
            .collect();
        let shape = self.shapes.iter().position(|known| *known == slots).unwrap_or_else(|| {
            self.shapes.push(slots.clone());
            self.scheduler.add_shape(Shape::new(slots))
        });
        let (promise, replanned) = self.scheduler.promise(shape, spans, now);
        for (id, promise) in replanned {
            self.scheduler.replan(id, promise);
            self.store(id, promise);
        }
        self.next += 1;
        let job = Job { shape, submitted: now, spans, promise };
        self.scheduler.enqueue(job.waits(self.next));
        self.waiting.insert(self.next, job);
        self.next
    }

    fn store(&mut self, id: u32, promise: Promise) {
        let job = self.waiting.get_mut(&id).expect("only who waits is planned anew");
        assert_eq!(job.promise.map(|p| p.latest_ms), Some(promise.latest_ms), "a promise does not move");
        job.promise = Some(promise);
    }

    /// One pass; who started.
    pub(crate) fn pass(&mut self, now: u64) -> Vec<u32> {
        let Passed { starts, replanned } = self.scheduler.pass(now);
        for start in &starts {
            let job = self.waiting.remove(&start.lease).expect("only who waits can start");
            self.check_group(&job, &start.nodes);
            for node in &start.nodes {
                let node = self.nodes.get_mut(node).expect("only machines that exist can be given");
                assert!(matches!(node.1, Standing::Free { .. }), "only free machines can be given");
                node.1 = Standing::Busy { guard: now + job.spans.guard, limit: now + job.spans.limit };
            }
            self.running.insert(start.lease, (job, start.nodes.clone()));
        }
        for (id, promise) in replanned {
            self.store(id, promise);
        }
        starts.into_iter().map(|start| start.lease).collect()
    }

    /// The whole group, and nothing else.
    fn check_group(&self, job: &Job, nodes: &[u32]) {
        let mut counts = vec![0; self.nodes.values().map(|(class, _)| class + 1).max().unwrap_or(0)];
        for node in nodes {
            counts[self.nodes[node].0] += 1;
        }
        let shape = Shape::new(self.shapes[job.shape].clone());
        assert_eq!(nodes.len(), shape.hosts() as usize, "invariant 2: {job:?} has {nodes:?}");
        assert!(shape.fits(&counts), "invariant 2: {job:?} has {counts:?}");
    }

    /// Its machines are free again.
    pub(crate) fn end(&mut self, id: u32, now: u64) {
        let (_, nodes) = self.running.remove(&id).expect("it runs");
        for node in nodes {
            // What was taken out of service meanwhile does not come back.
            if matches!(self.nodes[&node].1, Standing::Busy { .. }) {
                self.set(node, Standing::Free { cold: false, since: now });
            }
        }
    }

    pub(crate) fn cancel(&mut self, id: u32) {
        let job = self.waiting.remove(&id).expect("it waits");
        self.scheduler.withdraw(id, job.shape, job.submitted);
    }

    pub(crate) fn set(&mut self, node: u32, standing: Standing) {
        let class = self.nodes[&node].0;
        self.nodes.insert(node, (class, standing));
        self.scheduler.set_node(node, class, standing);
    }

    /// Who waits and could start on what is free, and is open for as long as they need it.
    pub(crate) fn startable(&self, now: u64) -> Vec<u32> {
        let mut free = vec![0; self.nodes.values().map(|(class, _)| class + 1).max().unwrap_or(0)];
        for (class, standing) in self.nodes.values() {
            free[*class] += u32::from(matches!(standing, Standing::Free { .. }));
        }
        let fits = |job: &Job| {
            let mut open = free.clone();
            for (open, windows) in open.iter_mut().zip(&self.windows) {
                if windows.iter().any(|window| window.meets(now, now + job.spans.limit)) {
                    *open = 0;
                }
            }
            Shape::new(self.shapes[job.shape].clone()).fits(&open)
        };
        self.waiting.iter().filter(|(_, job)| fits(job)).map(|(id, _)| *id).collect()
    }
}
