//! Who goes first.

use crate::given::{HOUR, Room};
use hostler_core::schedule::{Policy, Spans, Standing};

/// Old enough to go first.
const LATER: u64 = 25 * HOUR;

#[test]
fn the_young_go_by_score_and_keep_nothing() {
    let mut room = Room::new(Policy::default(), &[2]);
    let running = room.ask(&[(1, &[0])], 1, 6, 0);
    assert_eq!(room.pass(0), [running]);
    let pair = room.ask(&[(2, &[0])], 1, 6, HOUR);
    let single = room.ask(&[(1, &[0])], 1, 6, 2 * HOUR);
    assert_eq!(room.pass(2 * HOUR), [single], "the pair does not fit, and keeps nothing");
    room.end(running, 3 * HOUR);
    assert_eq!(room.pass(3 * HOUR), []);
    room.end(single, 3 * HOUR);
    assert_eq!(room.pass(3 * HOUR), [pair]);
}

/// Each waits for an hour; what is short or small comes first.
#[test]
fn the_score_is_for_the_short_and_the_small() {
    let first = |room: &mut Room, others: [u32; 2]| {
        let started = room.pass(HOUR);
        assert_eq!(started.len(), 1, "{started:?} of {others:?}");
        started[0]
    };
    let mut room = Room::new(Policy::default(), &[1]);
    let (long, short) = (room.ask(&[(1, &[0])], 4, 6, 0), room.ask(&[(1, &[0])], 1, 6, 0));
    assert_eq!(first(&mut room, [long, short]), short);
    let mut room = Room::new(Policy::default(), &[4]);
    let (large, small) = (room.ask(&[(4, &[0])], 1, 6, 0), room.ask(&[(1, &[0])], 1, 6, 0));
    assert_eq!(first(&mut room, [large, small]), small);
    // Of two that are alike the first comes first.
    let mut room = Room::new(Policy::default(), &[1]);
    let (one, other) = (room.ask(&[(1, &[0])], 1, 6, 0), room.ask(&[(1, &[0])], 1, 6, 0));
    assert_eq!(first(&mut room, [one, other]), one);
}

/// A machine is busy for four hours; the aged pair keeps the other for whoever is not done by then.
#[test]
fn the_aged_keep_what_they_need_and_no_longer_than_they_need_it() {
    let mut room = Room::new(Policy { age_ms: 24 * HOUR, ..Policy::default() }, &[2]);
    let running = room.ask(&[(1, &[0])], 4, 6, 0);
    assert_eq!(room.pass(0), [running]);
    room.set(0, Standing::Busy { guard: LATER + 4 * HOUR, limit: LATER + 6 * HOUR });
    let pair = room.ask(&[(2, &[0])], 1, 6, 0);
    let long = room.ask(&[(1, &[0])], 5, 6, LATER);
    let short = room.ask(&[(1, &[0])], 3, 6, LATER);
    assert_eq!(room.scheduler.next_aging(HOUR), Some(24 * HOUR + 1));
    assert_eq!(room.pass(LATER), [short], "it is probably done when the pair's machines are there");
    room.end(short, LATER + HOUR);
    room.end(running, LATER + 2 * HOUR);
    assert_eq!(room.pass(LATER + 2 * HOUR), [pair]);
    assert!(room.waiting.contains_key(&long));
}

#[test]
fn only_so_many_keep_machines() {
    for (reservations, expected) in [(2, 0), (1, 1), (0, 1)] {
        let mut room = Room::new(Policy { reservations, ..Policy::default() }, &[1, 2]);
        room.set(0, Standing::Busy { guard: LATER + HOUR, limit: LATER + HOUR });
        room.set(1, Standing::Busy { guard: LATER + HOUR, limit: LATER + HOUR });
        room.ask(&[(1, &[0])], 1, 6, 0);
        room.ask(&[(2, &[1])], 1, 6, 0);
        room.ask(&[(1, &[1])], 6, 6, LATER);
        // With two the second of the old keeps the free machine; with one only the first keeps something.
        assert_eq!(room.pass(LATER).len(), expected, "{reservations}");
    }
}

#[test]
fn whom_nothing_can_serve_keeps_nobody_waiting() {
    let mut room = Room::new(Policy::default(), &[2]);
    let pair = room.ask(&[(2, &[0])], 1, 6, 0);
    room.set(0, Standing::Away);
    let single = room.ask(&[(1, &[0])], 6, 6, LATER);
    assert_eq!(room.pass(LATER), [single]);
    assert!(room.waiting.contains_key(&pair));
}

/// A group of all machines would wait for ever among small ones; the age ends that.
#[test]
fn nobody_starves() {
    let mut room = Room::new(Policy::default(), &[4]);
    for hour in 0..4 {
        room.ask(&[(1, &[0])], 4, 6, hour * HOUR);
        room.pass(hour * HOUR);
    }
    let all = room.ask(&[(4, &[0])], 1, 6, 4 * HOUR);
    let mut started = None;
    for hour in 4..60 {
        let now = hour * HOUR;
        let over: Vec<_> = room.running.keys().copied().collect();
        let began = |room: &Room, id: u32| match room.nodes[&room.running[&id].1[0]].1 {
            Standing::Busy { guard, .. } => guard,
            _ => 0,
        };
        for id in over.into_iter().filter(|id| began(&room, *id) <= now).collect::<Vec<_>>() {
            room.end(id, now);
        }
        for _ in 0..2 {
            room.ask(&[(1, &[0])], 4, 6, now);
        }
        if room.pass(now).contains(&all) {
            started = Some(hour);
            break;
        }
    }
    // A day, and until those who run at that time are done.
    assert!(started.is_some_and(|hour| (29..=33).contains(&hour)), "{started:?}");
}

#[test]
fn classes_that_overlap_are_matched_exactly() {
    let mut room = Room::new(Policy::default(), &[1, 1]);
    let both = room.ask(&[(1, &[0, 1]), (1, &[0])], 1, 6, 0);
    assert_eq!(room.pass(0), [both]);
}

#[test]
fn a_forecast_counts_with_what_is_likely() {
    let mut room = Room::new(Policy::default(), &[1]);
    let spans = Spans { expect: HOUR, guard: 2 * HOUR, limit: 6 * HOUR };
    let running = room.ask_for(&[(1, &[0])], spans, 0);
    assert_eq!(room.pass(0), [running]);
    let (next, last) = (room.ask_for(&[(1, &[0])], spans, HOUR), room.ask_for(&[(1, &[0])], spans, HOUR));
    let never = room.ask(&[(2, &[0])], 1, 1, HOUR);
    let forecast = room.scheduler.forecast(HOUR, 10);
    assert_eq!((forecast[&next], forecast[&last], forecast.get(&never)), (2 * HOUR, 4 * HOUR, None));
    assert_eq!(room.scheduler.forecast(HOUR, 1).len(), 1);
    // Who takes longer than is likely takes all that is allowed.
    assert_eq!(room.scheduler.forecast(3 * HOUR, 1)[&next], 6 * HOUR);
}
