//! Random histories of a whole controller, checked after every input.
//!
//! A history is a controller ([`history::History`]) with a store that keeps what was committed, a rack of machines that
//! boot, wipe and deploy what they are told ([`lab`], [`machine`]), people who want things ([`people`]), and everything
//! that goes wrong: lost, late and doubled messages, forged ones ([`noise`]), networks that fall silent, crashes.
//! [`invariants`] and [`quotas`] say what must hold whatever happens, [`coverage`] that enough of it did.
//!
//! `HOSTLER_SEED` repeats one history, `HOSTLER_STEPS` makes histories longer.

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
use std::panic::AssertUnwindSafe;

/// Histories in an ordinary run, and inputs in each of them.
const SEEDS: u64 = 50;
const STEPS: u64 = 2_000;

/// How many of the last inputs are shown when something is wrong.
const SHOWN: usize = 25;

#[test]
fn invariants_1_2_3_4_6_7_10_hold_in_every_history() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let steps = setting("HOSTLER_STEPS").unwrap_or(STEPS);
    let only = setting("HOSTLER_SEED");
    let seeds = only.map_or(1..=SEEDS, |seed| seed..=seed);
    let mut coverage = Coverage::default();
    let mut inputs = 0;
    for seed in seeds {
        let mut history = History::begin(seed);
        let verdict = std::panic::catch_unwind(AssertUnwindSafe(|| tell(&mut history, seed, steps)));
        let complaint = match verdict {
            Ok(Ok(())) => None,
            Ok(Err(complaint)) => Some(complaint),
            Err(panic) => Some(panic.downcast_ref::<String>().cloned().unwrap_or("a panic".into())),
        };
        if let Some(complaint) = complaint {
            fail(&history, seed, steps, &complaint);
        }
        inputs += history.log.len() as u64;
        coverage.add(&history.coverage);
    }
    println!("{inputs} inputs: {:#?}", coverage.counts);
    if only.is_none() {
        assert!(inputs >= SEEDS * steps, "only {inputs} inputs");
        coverage.assert_enough(inputs);
    }
}

/// From the first day until everything works again or, in every other history, the network falls silent for good; and
/// then until everything rests.
fn tell(history: &mut History, seed: u64, steps: u64) -> invariants::Verdict {
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

fn fail(history: &History, seed: u64, steps: u64, complaint: &str) -> ! {
    let log = &history.log;
    for (at, input) in &log[log.len().saturating_sub(SHOWN)..] {
        eprintln!("{at}: {input:?}");
    }
    panic!("after {} inputs: {complaint}\nHOSTLER_SEED={seed} HOSTLER_STEPS={steps} repeats this", log.len());
}
