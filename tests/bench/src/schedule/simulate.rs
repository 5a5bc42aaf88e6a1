//! Virtual time: jobs come, start when a scheduler says so, and end.

use super::workload::{Job, MACHINES};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// A policy under test. Times are in milliseconds, jobs are indices.
pub trait Discipline {
    /// A job comes.
    fn submit(&mut self, index: usize, job: &Job, now: u64);
    /// A job that was started is over.
    fn end(&mut self, index: usize, job: &Job, now: u64);
    /// Who starts now.
    fn pass(&mut self, now: u64) -> Vec<usize>;
    /// When it wants to be asked again, though nothing happens.
    fn next_wake(&self, _now: u64) -> Option<u64> {
        None
    }
    /// How many machines are neither free nor used by a job that was started.
    fn held(&self) -> u32 {
        0
    }
    /// The latest start that a job was promised.
    fn promised(&self, _index: usize) -> Option<u64> {
        None
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// When each job started.
    pub starts: Vec<u64>,
    /// What each job was promised.
    pub promises: Vec<Option<u64>>,
    /// Machines times milliseconds that were held by jobs that did not run.
    pub held: f64,
    /// From the first submission to the last end, in milliseconds.
    pub span: u64,
    /// What each pass took, in nanoseconds.
    pub passes: Vec<u64>,
    /// The most that waited at once.
    pub longest_queue: usize,
}

/// Lets all jobs pass through. They are ordered by their submission.
///
/// # Panics
/// If the policy starts a job twice, or without machines, or never.
pub fn run(jobs: &[Job], discipline: &mut dyn Discipline) -> Outcome {
    let mut outcome = Outcome {
        starts: vec![u64::MAX; jobs.len()],
        promises: vec![None; jobs.len()],
        ..Outcome::default()
    };
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let (mut next, mut now, mut waiting) = (0, 0, 0);
    let mut free = MACHINES;
    loop {
        let coming = jobs.get(next).map(|job| job.submitted);
        let ending = ends.peek().map(|Reverse((at, _))| *at);
        let Some(event) = [coming, ending].into_iter().flatten().min() else { break };
        let woken = discipline.next_wake(now).filter(|at| waiting > 0 && *at > now);
        let at = woken.map_or(event, |woken| event.min(woken));
        outcome.held += f64::from(discipline.held()) * (at - now) as f64;
        now = at;
        while let Some(Reverse((_, index))) = ends.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            ends.pop();
            change(&mut free, &jobs[index], |free, count| free + count);
            discipline.end(index, &jobs[index], now);
        }
        while let Some(job) = jobs.get(next).filter(|job| job.submitted <= now) {
            discipline.submit(next, job, now);
            outcome.promises[next] = discipline.promised(next);
            next += 1;
            waiting += 1;
        }
        outcome.longest_queue = outcome.longest_queue.max(waiting);
        let begun = Instant::now();
        let started = discipline.pass(now);
        outcome.passes.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        for index in started {
            assert_eq!(outcome.starts[index], u64::MAX, "job {index} was started twice");
            change(&mut free, &jobs[index], |free, count| {
                free.checked_sub(count).unwrap_or_else(|| panic!("job {index} has no machines"))
            });
            outcome.starts[index] = now;
            waiting -= 1;
            ends.push(Reverse((now + jobs[index].length_ms(), index)));
        }
    }
    assert_eq!(waiting, 0, "jobs wait for ever");
    outcome.span = now;
    outcome
}

fn change(free: &mut [u32; 3], job: &Job, change: impl Fn(u32, u32) -> u32) {
    for (free, count) in free.iter_mut().zip(job.need) {
        *free = change(*free, count);
    }
}
