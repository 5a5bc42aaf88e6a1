//! Random histories of a whole controller, checked after every input.
//!
//! A history is a controller ([`history::History`]) with a store that keeps what was committed, a rack of machines that
//! boot, wipe and deploy what they are told ([`lab`], [`machine`]), people who want things ([`people`]), and everything
//! that goes wrong: lost, late and doubled messages, forged ones ([`noise`]), networks that fall silent, crashes.
//! [`invariants`] and [`quotas`] say what must hold whatever happens, [`coverage`] that enough of it did.
//!
//! `HOSTLER_SEED` repeats one history, `HOSTLER_STEPS` makes histories longer, and `HOSTLER_FULL=true` tells a million
//! inputs.

mod controller;
mod coverage;
mod endings;
mod history;
mod inrush;
mod invariants;
mod lab;
mod machine;
mod noise;
mod people;
mod quotas;
mod random;
mod store;

use coverage::Coverage;
use history::History;
use std::ops::RangeInclusive;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Histories in an ordinary run and in a full one, and inputs in each of them.
const SEEDS: u64 = 50;
const FULL_SEEDS: u64 = 500;
const STEPS: u64 = 2_000;

/// How many of the last inputs are shown when something is wrong.
const SHOWN: usize = 25;

/// After so many histories somebody who waits is told how far it is.
const TOLD_AFTER: u64 = 25;

#[test]
fn invariants_1_2_3_4_6_7_10_hold_in_every_history() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let steps = setting("HOSTLER_STEPS").unwrap_or(STEPS);
    let only = setting("HOSTLER_SEED");
    let full = std::env::var("HOSTLER_FULL").is_ok_and(|value| value == "true");
    let seeds = only.map_or(1..=if full { FULL_SEEDS } else { SEEDS }, |seed| seed..=seed);
    let enough = (seeds.end() - seeds.start() + 1) * steps;
    let told = Told::all(seeds, steps);
    if let Some(failure) = told.failure {
        panic!("{failure}");
    }
    println!("{} inputs: {:#?}", told.inputs, told.coverage.counts);
    if only.is_none() {
        assert!(told.inputs >= enough, "only {} inputs", told.inputs);
        told.coverage.assert_enough(told.inputs);
    }
}

/// What histories came to.
#[derive(Default)]
struct Told {
    failure: Option<String>,
    histories: u64,
    inputs: u64,
    coverage: Coverage,
}

impl Told {
    /// Tells these histories, on each processor another one.
    fn all(seeds: RangeInclusive<u64>, steps: u64) -> Self {
        let (next, told, began) =
            (AtomicU64::new(*seeds.start()), Mutex::new(Self::default()), Instant::now());
        let tellers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..tellers {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if !seeds.contains(&seed) {
                            return;
                        }
                        match tell(seed, steps) {
                            Ok(history) => lock(&told).add(&history, began),
                            Err(failure) => {
                                next.store(u64::MAX, Ordering::Relaxed);
                                lock(&told).failure = Some(failure);
                            }
                        }
                    }
                });
            }
        });
        told.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&mut self, history: &History, began: Instant) {
        self.histories += 1;
        self.inputs += history.log.len() as u64;
        self.coverage.add(&history.coverage);
        if self.histories.is_multiple_of(TOLD_AFTER) {
            eprintln!("{} histories, {} inputs, {:.0?}", self.histories, self.inputs, began.elapsed());
        }
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One history; or what is wrong with it, and how to repeat it.
fn tell(seed: u64, steps: u64) -> Result<History, String> {
    let mut history = History::begin(seed);
    let verdict = std::panic::catch_unwind(AssertUnwindSafe(|| unfold(&mut history, seed, steps)));
    let complaint = match verdict {
        Ok(Ok(())) => return Ok(history),
        Ok(Err(complaint)) => complaint,
        Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or("a panic".into()),
    };
    let log = &history.log;
    let mut failure = String::new();
    for (at, input) in &log[log.len().saturating_sub(SHOWN)..] {
        failure.push_str(&format!("{at}: {input:?}\n"));
    }
    let repeated = format!("HOSTLER_SEED={seed} HOSTLER_STEPS={steps} repeats this");
    Err(format!("{failure}after {} inputs: {complaint}\n{repeated}", log.len()))
}

/// From the first day until everything works again or, in every other history, the network falls silent for good; and
/// then until everything rests.
fn unfold(history: &mut History, seed: u64, steps: u64) -> invariants::Verdict {
    history.found()?;
    while (history.log.len() as u64) < steps {
        history.step()?;
    }
    history.invariant_10_replays_byte_for_byte()?;
    if seed.is_multiple_of(2) {
        history.recover()?;
    } else {
        history.storm()?;
    }
    history.settle()?;
    history.invariant_10_replays_byte_for_byte()
}
