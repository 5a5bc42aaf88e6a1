//! What other schedulers do, for comparison. They count with limits as they were asked for, and predict nothing.

use super::simulate::Discipline;
use super::workload::{Job, MACHINES, Need};
use hostler_core::schedule::{self, Class, Profile, Shape, Slot};
use std::collections::BTreeMap;

/// A policy that others follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Machines are claimed one by one and kept until the group is whole; groups that hold some already go first. So do
    /// Beaker, LAVA and Testflinger.
    HoldAndWait,
    /// One queue; nobody overtakes.
    Fifo,
    /// In order of arrival, whoever fits.
    FirstFit,
    /// Everybody has a reservation in order of arrival, and starts earlier if that delays nobody.
    Conservative,
    /// Only the first who does not fit has a reservation. So do most batch systems.
    Easy,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::HoldAndWait, Self::Fifo, Self::FirstFit, Self::Conservative, Self::Easy];

    /// The words in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HoldAndWait => "hold-and-wait",
            Self::Fifo => "FIFO",
            Self::FirstFit => "first-fit",
            Self::Conservative => "conservative",
            Self::Easy => "EASY",
        }
    }
}

/// Somebody who waits.
#[derive(Clone, Debug)]
struct Waiting {
    index: usize,
    shape: Shape,
    need: Need,
    bound_ms: u64,
    /// What it holds already.
    claimed: Need,
}

/// One of the peers at work.
pub struct Reference {
    peer: Peer,
    /// In order of arrival.
    queue: Vec<Waiting>,
    free: Need,
    /// What runs, and until when at the latest.
    running: BTreeMap<usize, (u64, Need)>,
    changed: bool,
}

impl Reference {
    /// Nobody waits and everything is free.
    #[must_use]
    pub const fn new(peer: Peer) -> Self {
        Self { peer, queue: Vec::new(), free: MACHINES, running: BTreeMap::new(), changed: false }
    }

    fn fits(&self, waiting: &Waiting) -> bool {
        waiting.shape.fits(&self.free)
    }

    /// Starts those of the queue who are marked.
    fn start(&mut self, chosen: &[bool], now: u64) -> Vec<usize> {
        let mut marks = chosen.iter();
        let (starts, queue): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(|_| marks.next().is_some_and(|mark| *mark));
        self.queue = queue;
        for waiting in &starts {
            self.running.insert(waiting.index, (now + waiting.bound_ms, waiting.need));
        }
        starts.into_iter().map(|waiting| waiting.index).collect()
    }

    fn hold_and_wait(&mut self, now: u64) -> Vec<usize> {
        let holds = |w: &Waiting| w.claimed.iter().sum::<u32>() > 0;
        let mut order: Vec<usize> = (0..self.queue.len()).collect();
        order.sort_by_key(|i| !holds(&self.queue[*i]));
        let mut whole = vec![false; self.queue.len()];
        for index in order {
            let waiting = &mut self.queue[index];
            for ((claimed, need), free) in waiting.claimed.iter_mut().zip(waiting.need).zip(&mut self.free) {
                let taken = (need - *claimed).min(*free);
                *claimed += taken;
                *free -= taken;
            }
            whole[index] = waiting.claimed == waiting.need;
        }
        self.start(&whole, now)
    }

    /// In order of arrival; `overtake` says whether somebody may go before one who does not fit.
    fn in_order(&mut self, now: u64, overtake: bool) -> Vec<usize> {
        let (mut chosen, mut blocked) = (Vec::new(), false);
        for waiting in &self.queue {
            let starts = (overtake || !blocked) && waiting.shape.fits(&self.free);
            if starts {
                take(&mut self.free, waiting.need);
            }
            blocked |= !starts;
            chosen.push(starts);
        }
        self.start(&chosen, now)
    }

    /// Reservations in order of arrival, for all or for the first only.
    fn backfill(&mut self, now: u64, reservations: usize) -> Vec<usize> {
        let (mut chosen, mut profile, mut reserved) = (Vec::new(), self.profile(now), 0);
        for waiting in &self.queue {
            let span = waiting.bound_ms;
            let fits = waiting.shape.fits(&self.free);
            let shares = fits.then(|| profile.take(&waiting.shape, schedule::Need::of(span), now)).flatten();
            chosen.push(shares.is_some());
            if let Some(shares) = shares {
                profile.book(&shares, now, now + span);
                take(&mut self.free, waiting.need);
            } else if reserved < reservations
                && let Some((start, shares)) = profile.earliest(&waiting.shape, schedule::Need::of(span), now)
            {
                profile.book(&shares, start, start + span);
                reserved += 1;
            }
        }
        self.start(&chosen, now)
    }

    fn profile(&self, now: u64) -> Profile {
        let back = |(end, need): &(u64, Need)| {
            let end = *end;
            let classes = need.iter().enumerate();
            classes.flat_map(|(class, count)| (0..*count).map(move |_| (end, class))).collect::<Vec<_>>()
        };
        Profile::new(now, &self.free, self.running.values().flat_map(back).collect::<Vec<(u64, Class)>>())
    }
}

fn take(free: &mut Need, need: Need) {
    for (free, need) in free.iter_mut().zip(need) {
        *free -= need;
    }
}

impl Discipline for Reference {
    fn submit(&mut self, index: usize, job: &Job, _now: u64) {
        let slots = job.need.iter().enumerate().filter(|(_, count)| **count > 0);
        let slots =
            slots.map(|(class, count)| Slot { count: *count, most: *count, classes: vec![class] }).collect();
        self.queue.push(Waiting {
            index,
            shape: Shape::new(slots),
            need: job.need,
            bound_ms: job.bound_ms(),
            claimed: [0; 3],
        });
        self.changed = true;
    }

    fn end(&mut self, index: usize, _job: &Job, _now: u64) {
        if let Some((_, need)) = self.running.remove(&index) {
            for (free, count) in self.free.iter_mut().zip(need) {
                *free += count;
            }
        }
        self.changed = true;
    }

    fn pass(&mut self, now: u64) -> Vec<usize> {
        if !std::mem::take(&mut self.changed) {
            return Vec::new();
        }
        match self.peer {
            Peer::HoldAndWait => self.hold_and_wait(now),
            Peer::Fifo => self.in_order(now, false),
            Peer::FirstFit => self.in_order(now, true),
            Peer::Conservative if self.queue.iter().any(|w| self.fits(w)) => self.backfill(now, usize::MAX),
            Peer::Easy if self.queue.iter().any(|w| self.fits(w)) => self.backfill(now, 1),
            Peer::Conservative | Peer::Easy => Vec::new(),
        }
    }

    fn held(&self) -> u32 {
        let running: u32 = self.running.values().flat_map(|(_, need)| need).sum();
        MACHINES.iter().sum::<u32>() - self.free.iter().sum::<u32>() - running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    /// One of them, at a moment when all but two x86_64 machines are in use for an hour, and three jobs wait: three
    /// machines for an hour, one for two hours, one for half an hour. Who starts?
    fn started(peer: Peer) -> Vec<usize> {
        let job =
            |hosts, run_ms| Job { submitted: 0, user: 1, need: [hosts, 0, 0], run_ms, limit_ms: run_ms };
        let mut reference = Reference::new(peer);
        reference.submit(0, &job(94, HOUR_MS), 0);
        assert_eq!(reference.pass(0), [0]);
        for (index, waiting) in
            [job(96, HOUR_MS), job(1, 2 * HOUR_MS), job(1, HOUR_MS / 2)].iter().enumerate()
        {
            reference.submit(index + 1, waiting, 0);
        }
        reference.pass(0)
    }

    #[test]
    fn each_does_what_its_name_says() {
        assert_eq!(started(Peer::Fifo), [] as [usize; 0]);
        assert_eq!(started(Peer::HoldAndWait), [] as [usize; 0]);
        assert_eq!(started(Peer::FirstFit), [2, 3]);
        assert_eq!(started(Peer::Easy), [3], "the long one would delay the first");
        assert_eq!(started(Peer::Conservative), [3]);
    }

    #[test]
    fn only_hold_and_wait_holds() {
        for peer in Peer::ALL {
            let mut reference = Reference::new(peer);
            let job = Job { submitted: 0, user: 1, need: [1, 20, 0], run_ms: HOUR_MS, limit_ms: HOUR_MS };
            reference.submit(0, &job, 0);
            reference.submit(1, &job, 0);
            assert_eq!(reference.pass(0), [0]);
            assert_eq!(reference.held(), u32::from(peer == Peer::HoldAndWait));
        }
    }
}
