//! Random histories of people who ask, leases that end whenever they like within their limits, machines that are lost,
//! and restarts.

use crate::given::{HOUR, Room};
use hostler_core::calendar::{Again, Window};
use hostler_core::schedule::{Class, Policy, Spans, Standing};
use std::collections::BTreeSet;
use std::num::NonZeroU64;

/// SplitMix64 (Steele, Lea and Flood: Fast Splittable Pseudorandom Number Generators, 2014).
struct Random(u64);

impl Random {
    const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A kind of history.
struct Kind {
    policy: Policy,
    machines: &'static [u32],
    /// What may be asked for.
    groups: &'static [&'static [(u32, &'static [Class])]],
    /// Machines are lost.
    losses: bool,
    /// The policy keeps machines for nobody.
    keeps_nothing: bool,
    /// When machines of which class are not to be had.
    windows: fn() -> Vec<Vec<Window>>,
}

/// Members of one class each.
const PLAIN: &[&[(u32, &[Class])]] = &[
    &[(1, &[0])],
    &[(2, &[0])],
    &[(4, &[0])],
    &[(1, &[1])],
    &[(2, &[1])],
    &[(2, &[0]), (1, &[1])],
    &[(1, &[2])],
    &[(3, &[0]), (2, &[1]), (1, &[2])],
];

/// Members that could have machines of several classes.
const CHOOSY: &[&[(u32, &[Class])]] = &[
    &[(1, &[0])],
    &[(2, &[1, 0])],
    &[(1, &[2, 0]), (1, &[0])],
    &[(3, &[2, 1, 0])],
    &[(2, &[0, 1]), (2, &[1])],
    &[(1, &[2])],
];

/// No windows, and some: every night, once, and from a moment on for half a class of machines.
const WINDOWS: [fn() -> Vec<Vec<Window>>; 2] = [Vec::new, || {
    let again = NonZeroU64::new(24 * HOUR).map(|every| Again { every, last: u64::MAX });
    let nightly = Window { from: 20 * HOUR, until: 24 * HOUR, again, reserved: None };
    let once = Window { from: 50 * HOUR, until: 62 * HOUR, again: None, reserved: None };
    vec![vec![nightly], vec![once], Vec::new()]
}];

/// What becomes of somebody who waits.
#[derive(Default)]
struct Tally {
    started: u32,
    promised: u32,
    broken: u32,
    tight: u32,
}

/// Tells one history; `after_pass` looks at the room after each pass.
fn tell(kind: &Kind, seed: u64, steps: u32, mut after_pass: impl FnMut(&Room, u64)) -> Tally {
    let mut random = Random(seed);
    let mut room = Room::new(kind.policy, kind.machines);
    room.windows = (kind.windows)();
    room.restart();
    let mut over: BTreeSet<(u64, u32)> = BTreeSet::new();
    let (mut next, mut tally) = (0, Tally::default());
    let mut last = 0;
    for _ in 0..steps {
        // What ends is noticed at once, and somebody comes now and then.
        let edges = room.windows.iter().flatten().filter_map(|window| window.next_edge(last));
        let edge = edges.min().filter(|edge| *edge <= next);
        let ended = over.first().copied().filter(|(at, _)| *at <= edge.unwrap_or(next));
        let now = ended.map(|(at, _)| at).or(edge).unwrap_or(next);
        last = now;
        if let Some(end) = ended {
            over.remove(&end);
            room.end(end.1, now);
        } else if edge.is_none() {
            next += random.below(HOUR);
        }
        for _ in 0..if ended.is_none() && edge.is_none() { random.below(3) } else { 0 } {
            let group = kind.groups[random.below(kind.groups.len() as u64) as usize];
            let limit = (1 + random.below(12)) * HOUR / 2;
            let guard = limit * (1 + random.below(10)) / 10;
            let expect = guard * (1 + random.below(10)) / 10;
            let id = room.ask_for(group, Spans { expect, guard, limit }, now);
            tally.promised += u32::from(room.waiting[&id].promise.is_some());
        }
        if random.chance(5)
            && let Some(id) = room.waiting.keys().next_back().copied()
        {
            room.cancel(id);
        }
        if kind.losses && random.chance(5) {
            let node = random.below(room.nodes.len() as u64) as u32;
            match room.nodes[&node].1 {
                Standing::Away => room.set(node, Standing::Free { cold: false, since: now }),
                _ => room.set(node, Standing::Away),
            }
        }
        if random.chance(10) {
            room.restart();
        }
        let promises: Vec<_> = room.waiting.iter().map(|(id, job)| (*id, job.promise)).collect();
        assert_eq!(
            room.fresh().pass(now),
            room.scheduler.clone().pass(now),
            "invariant 10: seed {seed}: a restart decides otherwise"
        );
        for id in room.pass(now) {
            let job = &room.running[&id].0;
            over.insert((now + 1 + random.below(job.spans.limit), id));
            tally.started += 1;
            let latest = promises.iter().find(|(other, _)| *other == id).and_then(|(_, promise)| *promise);
            tally.broken += u32::from(latest.is_some_and(|promise| promise.latest_ms < now));
        }
        tally.tight += u32::from(!room.startable(now).is_empty());
        after_pass(&room, now);
        if kind.keeps_nothing {
            assert_eq!(
                room.startable(now),
                [] as [u32; 0],
                "seed {seed}: somebody waits for whom there is room"
            );
        }
        let idle = !room.nodes.values().any(|(_, standing)| matches!(standing, Standing::Busy { .. }));
        // Where windows come, what begins now may be in the way of what has to begin after them.
        let idle = idle && room.windows.is_empty();
        assert!(!idle || room.startable(now).is_empty(), "seed {seed}: everything idles and somebody waits");
    }
    tally
}

type Groups = &'static [&'static [(u32, &'static [Class])]];

fn every_kind() -> impl Iterator<Item = (Groups, fn() -> Vec<Vec<Window>>)> {
    [PLAIN, CHOOSY].into_iter().flat_map(|groups| WINDOWS.map(|windows| (groups, windows)))
}

fn seeds() -> impl Iterator<Item = u64> {
    1..=60
}

/// The usual promises never bind in these histories, and nobody gets old enough: then whoever fits has started.
#[test]
fn nothing_idles_for_whom_it_would_serve() {
    let policy = Policy { age_ms: u64::MAX / 2, window_ms: 10_000 * HOUR, ..Policy::default() };
    for (groups, windows) in every_kind() {
        let kind = Kind { policy, machines: &[8, 4, 2], groups, losses: true, keeps_nothing: true, windows };
        let started: u32 = seeds().map(|seed| tell(&kind, seed, 400, |_, _| ()).started).sum();
        assert!(started > 1_000, "only {started} started");
    }
}

/// However tight promises are, all are kept as long as no machine is lost; and they do bind. Where members may choose
/// between classes, a plan that is made again may choose otherwise: then they are kept with the slack that they have in
/// use, and with much less.
#[test]
fn invariant_promises_are_kept_while_the_machines_hold() {
    let mut tight = 0;
    let bounds = [(PLAIN, 0, 1), (PLAIN, 0, 2), (PLAIN, 6, 1), (PLAIN, 24, 2), (PLAIN, 72, 4)];
    let slack = [(CHOOSY, 24, 2), (CHOOSY, 72, 4)];
    let bounds = bounds.into_iter().chain(slack);
    for ((groups, window_h, stretch), windows) in bounds.flat_map(|b| WINDOWS.map(|w| (b, w))) {
        let policy = Policy { window_ms: window_h * HOUR, stretch, age_ms: 12 * HOUR, ..Policy::default() };
        let kind =
            Kind { policy, machines: &[8, 4, 2], groups, losses: false, keeps_nothing: false, windows };
        let mut promised = 0;
        for seed in seeds() {
            let late = |room: &Room, now: u64| {
                let late =
                    room.waiting.iter().find(|(_, job)| job.promise.is_some_and(|p| p.latest_ms < now));
                assert!(late.is_none(), "seed {seed}, {window_h} h x {stretch}: {late:?} waits at {now}");
            };
            let tally = tell(&kind, seed, 400, late);
            assert_eq!(tally.broken, 0, "seed {seed}, {window_h} h x {stretch}");
            promised += tally.promised;
            tight += tally.tight;
        }
        assert!(promised > 1_000, "only {promised} promises");
    }
    assert!(tight > 100, "hardly anybody ever had to stand back: {tight}");
}

/// Machines are lost, classes overlap, promises are tight: nothing breaks but promises.
#[test]
fn invariant_2_groups_are_whole_whatever_happens() {
    let policy = Policy { window_ms: 0, stretch: 1, age_ms: 6 * HOUR, ..Policy::default() };
    for (groups, windows) in every_kind() {
        let kind = Kind { policy, machines: &[8, 4, 2], groups, losses: true, keeps_nothing: false, windows };
        let started: u32 = seeds().map(|seed| tell(&kind, seed, 400, |_, _| ()).started).sum();
        assert!(started > 1_000, "only {started} started");
    }
}

/// A scheduler that is fed anew from what is stored decides as one that saw everything: every pass is made by both.
#[test]
fn invariant_10_a_restart_changes_no_decision() {
    let policy = Policy { window_ms: 6 * HOUR, stretch: 1, age_ms: 6 * HOUR, ..Policy::default() };
    for (groups, windows) in every_kind() {
        let kind = Kind { policy, machines: &[8, 4, 2], groups, losses: true, keeps_nothing: false, windows };
        for seed in seeds() {
            let tally = tell(&kind, seed, 300, |_, _| ());
            assert!(tally.started > 50, "only {} started", tally.started);
        }
    }
}
