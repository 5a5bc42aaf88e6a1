//! One pass over the queue: who starts now.

use super::budget::Budgets;
use super::profile::Profile;
use super::promise::Settled;
use super::scheduler::{Passed, Queue, Scheduler, Waiting};
use super::shape::{Shape, Share};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Somebody who would start, and on how many machines of which class.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) waiting: Waiting,
    pub(super) shares: Vec<Share>,
}

impl Scheduler {
    /// Starts whom the policy says, as far as nobody's promise breaks.
    ///
    /// Those go first to whom others gave way, and keep what they need. Whoever waits for longer than the age goes next, in
    /// order of arrival; as many of those as there are reservations for keep what they need. All others go by score,
    /// whoever fits, and keep nothing. A pass that leaves every machine idle although somebody could start is a bug.
    pub fn pass(&mut self, now: u64) -> Passed {
        let mut selection = Selection::new(self, now);
        if selection.open == 0 {
            return Passed::default();
        }
        selection.claiming();
        selection.aged();
        selection.young();
        let wanted = selection.wanted;
        if wanted.is_empty() && !self.has_moments() {
            return Passed::default();
        }
        let Settled { starts, replanned } = self.settle(now, wanted);
        for (lease, promise) in &replanned {
            self.replan(*lease, *promise);
        }
        let starts = starts.iter().map(|w| self.start(&w.waiting, &w.shares, now)).collect();
        Passed { starts, replanned }
    }

    /// Those who fit what is free at present, in the order in which the policy asks them.
    pub(super) fn candidates(&self, now: u64) -> Vec<&Waiting> {
        // What an empty queue would take is as old as the classes were when it became empty.
        let waiting = self.queues.iter().filter(|queue| !queue.waiting.is_empty());
        let fitting = waiting.filter(|queue| queue.shape.fits(&self.counts));
        in_order(self, fitting, now)
    }

    /// True if a group can be made up of what is `free` of each class, as far as that is open now.
    fn fits(&self, shape: &Shape, free: &[u32], now: u64) -> bool {
        if !self.windows.any() {
            return shape.fits(free);
        }
        let mut open = free.to_vec();
        self.windows.restrict(shape, &mut open, now, now + 1);
        shape.fits(&open)
    }

    /// All who wait, in the order in which the policy asks them.
    pub(super) fn all_in_order(&self, now: u64) -> Vec<&Waiting> {
        in_order(self, self.queues.iter(), now)
    }
}

fn in_order<'a>(
    scheduler: &Scheduler,
    queues: impl Iterator<Item = &'a Queue>,
    now: u64,
) -> Vec<&'a Waiting> {
    let (mut aged, mut young) = (Vec::new(), Vec::new());
    for queue in queues {
        let (old, new) = queue.waiting.split_at(scheduler.first_young(queue, now));
        aged.extend(old);
        aged.extend(new.iter().filter(|w| w.claims));
        young.extend(
            new.iter().filter(|w| !w.claims).map(|w| (Rank::of(scheduler.score(queue, w, now), w), w)),
        );
    }
    aged.sort_unstable_by_key(|w| (!w.claims, w.submitted, w.id));
    young.sort_unstable_by_key(|(rank, _)| Reverse(*rank));
    aged.extend(young.into_iter().map(|(_, w)| w));
    aged
}

/// The order of the young: by score, then by arrival.
#[derive(Clone, Copy, Debug)]
struct Rank {
    score: f64,
    arrival: Reverse<(u64, u32)>,
}

impl Rank {
    const fn of(score: f64, waiting: &Waiting) -> Self {
        Self { score, arrival: Reverse((waiting.submitted, waiting.id)) }
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| self.arrival.cmp(&other.arrival))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rank {}

/// A pass that goes on. Machines only ever become fewer in it: who does not fit once does not fit again.
struct Selection<'a> {
    scheduler: &'a Scheduler,
    now: u64,
    free: Vec<u32>,
    /// Which queues fit what is free.
    fits: Vec<bool>,
    /// How many queues that somebody waits in.
    open: usize,
    wanted: Vec<Wanted>,
    /// When the reservations begin.
    reserved: Vec<u64>,
    /// What is free from now on, with what is wanted and reserved; only where there is a reservation.
    profile: Option<Profile>,
    /// What the tenants' quotas leave.
    budgets: Budgets,
    /// How many machines of each class are free or come back, once that was asked.
    returning: Option<Vec<u32>>,
}

impl<'a> Selection<'a> {
    fn new(scheduler: &'a Scheduler, now: u64) -> Self {
        let free = scheduler.counts.clone();
        let fits = |q: &Queue| !q.waiting.is_empty() && scheduler.fits(&q.shape, &free, now);
        let fits: Vec<_> = scheduler.queues.iter().map(fits).collect();
        let open = fits.iter().filter(|fits| **fits).count();
        let budgets = scheduler.budgets.clone();
        let (wanted, reserved) = (Vec::new(), Vec::new());
        let (profile, returning) = (None, None);
        Self { scheduler, now, free, fits, open, wanted, reserved, profile, budgets, returning }
    }

    fn claiming(&mut self) {
        let scheduler = self.scheduler;
        let claiming = scheduler.claiming.iter();
        let claiming =
            claiming.filter_map(|(lease, (shape, submitted))| scheduler.get(*lease, *shape, *submitted));
        let mut claiming: Vec<_> = claiming.collect();
        claiming.sort_unstable_by_key(|w| (w.submitted, w.id));
        for waiting in claiming {
            if !self.take(waiting) {
                self.reserve(waiting);
            }
        }
    }

    fn aged(&mut self) {
        let (scheduler, now) = (self.scheduler, self.now);
        let most = self.reserved.len() + scheduler.policy.reservations;
        let next = |queue: usize, place: usize| {
            let w = scheduler.queues[queue].waiting.get(place)?;
            (now.saturating_sub(w.submitted) > scheduler.policy.age_ms).then_some(Reverse((
                w.submitted,
                w.id,
                queue,
                place,
            )))
        };
        let mut heads: BinaryHeap<_> = (0..scheduler.queues.len()).filter_map(|q| next(q, 0)).collect();
        while let Some(Reverse((.., queue, place))) = heads.pop() {
            if self.open == 0 {
                return;
            }
            let may_reserve = self.reserved.len() < most;
            if !self.fits[queue] && !may_reserve {
                continue;
            }
            let waiting = &scheduler.queues[queue].waiting[place];
            if !waiting.claims && !self.take(waiting) && may_reserve {
                self.reserve(waiting);
            }
            heads.extend(next(queue, place + 1));
        }
    }

    fn young(&mut self) {
        let scheduler = self.scheduler;
        let mut left: Vec<usize> = vec![0; self.fits.len()];
        let mut ranked = Vec::new();
        for (index, queue) in scheduler.queues.iter().enumerate().filter(|(index, _)| self.fits[*index]) {
            let young = &queue.waiting[scheduler.first_young(queue, self.now)..];
            let before = ranked.len();
            ranked.extend(
                young.iter().filter(|w| !w.claims && self.budgets.afford(w)).map(|w| Candidate {
                    rank: Rank::of(scheduler.score(queue, w, self.now), w),
                    waiting: w,
                }),
            );
            left[index] = ranked.len() - before;
        }
        let mut heap = BinaryHeap::from(ranked);
        while let Some(Candidate { waiting, .. }) = heap.pop() {
            left[waiting.shape] -= 1;
            if self.fits[waiting.shape] && self.take(waiting) {
                let unasked: usize =
                    left.iter().zip(&self.fits).filter(|(_, fits)| **fits).map(|(n, _)| n).sum();
                if unasked == 0 {
                    return;
                }
            }
        }
    }

    /// Takes the group's machines, if they are free and no reservation needs them.
    fn take(&mut self, waiting: &Waiting) -> bool {
        if !self.fits[waiting.shape] {
            return false;
        }
        let (scheduler, now) = (self.scheduler, self.now);
        let shape = &scheduler.queues[waiting.shape].shape;
        let until = now + waiting.spans.guard;
        let mut free = self.left_over(until);
        scheduler.windows.restrict(shape, &mut free, now, now + waiting.spans.limit);
        let Some(shares) = self.budgets.take(waiting, shape, &free) else { return false };
        self.budgets.spend(waiting, &shares);
        for (class, count) in &shares {
            self.free[*class] -= count;
        }
        if let Some(profile) = &mut self.profile {
            profile.book(&shares, now, until);
        }
        self.wanted.push(Wanted { waiting: waiting.clone(), shares });
        for (fits, queue) in self.fits.iter_mut().zip(&scheduler.queues).filter(|(fits, _)| **fits) {
            *fits = scheduler.fits(&queue.shape, &self.free, now);
        }
        self.open = self.fits.iter().filter(|fits| **fits).count();
        true
    }

    /// What is free now and is not needed by a reservation that begins before `until`.
    fn left_over(&self, until: u64) -> Vec<u32> {
        let mut free = self.free.clone();
        if let Some(profile) = &self.profile {
            for start in self.reserved.iter().filter(|start| **start < until) {
                for (free, then) in free.iter_mut().zip(profile.at(*start)) {
                    *free = (*free).min(*then);
                }
            }
        }
        free
    }

    /// Keeps the group's machines free from when they will be there. Whom no machines that come back can serve, or whom
    /// its own quota keeps waiting, keeps nobody else waiting.
    fn reserve(&mut self, waiting: &Waiting) {
        let (scheduler, now) = (self.scheduler, self.now);
        let shape = &scheduler.queues[waiting.shape].shape;
        let returning = self.returning.get_or_insert_with(|| scheduler.returning());
        if !shape.fits(returning) || !self.budgets.allow(waiting, shape, returning) {
            return;
        }
        let mut profile = self.profile.take().unwrap_or_else(|| {
            let mut profile = scheduler.likely_profile(now);
            for wanted in &self.wanted {
                profile.book(&wanted.shares, now, now + wanted.waiting.spans.guard);
            }
            profile
        });
        if let Some((start, shares)) = profile.earliest(shape, waiting.spans.likely(), now) {
            profile.book(&shares, start, start + waiting.spans.guard);
            self.reserved.push(start);
        }
        self.profile = Some(profile);
    }
}

/// One of the young, for the heap.
#[derive(Debug)]
struct Candidate<'a> {
    rank: Rank,
    waiting: &'a Waiting,
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Candidate<'_> {}
