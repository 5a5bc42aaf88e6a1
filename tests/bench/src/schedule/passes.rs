//! What a pass costs where ten thousand groups wait.

use super::ours::Ours;
use super::simulate::Discipline as _;
use super::workload::{Job, MACHINES, Need};
use crate::figure::Figure;
use hostler_core::schedule::Policy;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Groups that wait at any time.
pub(super) const WAITING: usize = 10_000;

/// Passes before anything is measured: everybody is in the middle of something then.
const WARM_UP: usize = 2_000;

/// Passes that are measured.
const MEASURED: usize = 20_000;

/// Passes over a queue of ten thousand on so many machines, each after a lease that ended. For each that starts another
/// one comes, so that the queue stays as long as it is; what it takes to make it a promise is measured too.
#[must_use]
pub fn figures(bench: &'static str, jobs: &[Job], machines: u32) -> Vec<Figure> {
    let [passes, requests] = measure(jobs, machines);
    let passes = percentiles(bench, format!("nodes{machines}/pass"), &passes);
    let requests = percentiles(bench, format!("nodes{machines}/request"), &requests);
    passes.into_iter().chain(requests).collect()
}

/// The median and the 99th percentile of so many nanoseconds.
pub(super) fn percentiles(bench: &'static str, what: String, unsorted: &[u64]) -> [Figure; 2] {
    let mut times = unsorted.to_vec();
    times.sort_unstable();
    [("p50", 0.5), ("p99", 0.99)].map(|(name, part)| {
        let rank = ((part * times.len() as f64).ceil() as usize).clamp(1, times.len().max(1));
        let nanoseconds = times.get(rank - 1).copied().unwrap_or(0);
        Figure::new(bench, format!("{what}_{name}_us"), nanoseconds as f64 / 1000.0, "us")
    })
}

/// Nanoseconds of each pass, and of each request.
fn measure(jobs: &[Job], machines: u32) -> [Vec<u64>; 2] {
    let scale = f64::from(machines) / f64::from(MACHINES.iter().sum::<u32>());
    let room: Need = MACHINES.map(|count| (f64::from(count) * scale) as u32);
    let mut ours = Ours::new(Policy::default(), room);
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let (mut next, mut now) = (0, 0);
    let (mut passes, mut requests) = (Vec::new(), Vec::new());
    let mut waiting = 0_usize;
    while passes.len() < WARM_UP + MEASURED {
        while waiting < WAITING {
            let begun = Instant::now();
            ours.submit(next, &jobs[next % jobs.len()], now);
            requests.push(elapsed(begun));
            next += 1;
            waiting += 1;
        }
        let begun = Instant::now();
        let started = ours.pass(now);
        passes.push(elapsed(begun));
        for index in started {
            waiting -= 1;
            ends.push(Reverse((now + jobs[index % jobs.len()].length_ms(), index)));
        }
        let Some(Reverse((at, index))) = ends.pop() else { break };
        now = at;
        ours.end(index, &jobs[index % jobs.len()], now);
    }
    // The first ones fill an empty room.
    [passes.split_off(WARM_UP.min(passes.len())), requests.split_off(WAITING.min(requests.len()))]
}

fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
