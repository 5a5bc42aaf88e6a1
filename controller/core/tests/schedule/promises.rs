//! What is promised, and when somebody waits for a promise to somebody else.

use crate::given::{HOUR, Room};
use hostler_core::schedule::{Planned, Policy, Standing};

#[test]
fn three_days_or_four_times_the_planned_wait() {
    let mut room = Room::new(Policy { window_ms: 72 * HOUR, ..Policy::default() }, &[1]);
    let mut latest = Vec::new();
    for _ in 0..20 {
        let id = room.ask(&[(1, &[0])], 1, 6, 0);
        latest.push(room.waiting[&id].promise.map(|p| p.latest_ms / HOUR));
    }
    // The lazy plan has one after another, six hours each: the thirteenth starts after exactly 72 hours.
    assert_eq!(latest[..13], [Some(72); 13]);
    // From there on four times the wait counts.
    assert_eq!(latest[13..16], [Some(4 * 78), Some(4 * 84), Some(4 * 90)]);
    assert!(matches!(room.waiting[&14].promise.unwrap().planned, Planned::At(_)));
}

#[test]
fn nothing_is_promised_that_depends_on_somebody() {
    let mut room = Room::new(Policy { promises: 2, ..Policy::default() }, &[2]);
    room.set(0, Standing::Away);
    let pair = room.ask(&[(2, &[0])], 1, 6, 0);
    assert_eq!(room.waiting[&pair].promise, None, "one of its machines does not come back by itself");
    let ids = [(); 3].map(|()| room.ask(&[(1, &[0])], 1, 6, 0));
    let promised = ids.map(|id| room.waiting[&id].promise.is_some());
    assert_eq!(promised, [true, true, false], "no more than two at once");
}

/// One machine, promises as tight as can be: nobody may overtake, though the score would let the short one.
#[test]
fn nobody_starts_who_would_break_a_promise() {
    let tight = Policy { window_ms: 0, stretch: 1, ..Policy::default() };
    for (policy, expected) in [(Policy::default(), 3), (tight, 2)] {
        let mut room = Room::new(policy, &[1]);
        room.ask(&[(1, &[0])], 6, 6, 0);
        assert_eq!(room.pass(0), [1]);
        room.ask(&[(1, &[0])], 6, 6, HOUR);
        room.ask(&[(1, &[0])], 1, 6, HOUR);
        room.end(1, 6 * HOUR);
        assert_eq!(room.pass(6 * HOUR), [expected]);
    }
}

/// As before, but the short one is done before the other has to start.
#[test]
fn whoever_fits_beside_the_plan_starts() {
    let tight = Policy { window_ms: 0, stretch: 1, ..Policy::default() };
    let mut room = Room::new(tight, &[1]);
    room.ask(&[(1, &[0])], 6, 6, 0);
    assert_eq!(room.pass(0), [1]);
    room.ask(&[(1, &[0])], 6, 6, HOUR);
    let short = room.ask(&[(1, &[0])], 1, 2, HOUR);
    room.end(1, 2 * HOUR);
    assert_eq!(room.pass(2 * HOUR), [short], "it is over when the other starts at the latest");
}
