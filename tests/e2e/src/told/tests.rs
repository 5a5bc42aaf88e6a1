//! The checker finds each kind of contradiction, and none where there is none.

use super::{Departure, Final, State, Times, Told, View, What, check};
use std::collections::BTreeSet;

/// At which moment a lease was seen; its answer took a tenth of that.
fn at(moment: u64, what: What) -> Told {
    Told { asked_ms: moment * 10, told_ms: moment * 10 + 1, what }
}

fn view(lease: u32, state: State, nodes: &[&str]) -> View {
    let reached = |least: State, moment: u64| (state >= least).then_some(moment);
    View {
        lease,
        state,
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        departures: Vec::new(),
        close_reason: reached(State::Closing, 0).map(|_| "released".to_owned()),
        times: Times {
            assigned: reached(State::Deploying, 15),
            active: reached(State::Active, 25),
            expires: (state == State::Active).then_some(500),
            ended: reached(State::Closing, 55),
            closed: reached(State::Closed, 65),
        },
    }
}

fn seen(moment: u64, state: State, nodes: &[&str]) -> Told {
    at(moment, What::Seen(view(1, state, nodes)))
}

fn granted(moment: u64, key: &str, lease: u32) -> Told {
    at(moment, What::Granted { tenant: "ci".to_owned(), key: key.to_owned(), lease })
}

fn extended(moment: u64, until_ms: u64) -> Told {
    at(moment, What::Extended { lease: 1, key: "e".to_owned(), until_ms })
}

fn replaced(moment: u64, substitute: &str) -> Told {
    let [key, node, substitute] = ["r", "a", substitute].map(str::to_owned);
    at(moment, What::Replaced { lease: 1, key, node, substitute })
}

fn ran(moment: u64, exit_code: i64) -> Told {
    let exit_codes = [("a".to_owned(), exit_code)].into();
    at(moment, What::Ran { lease: 1, key: "k".to_owned(), run: 3, exit_codes })
}

/// A lease of two machines, of which one is replaced, as it is told in full.
fn story() -> Vec<Told> {
    vec![
        granted(1, "k", 1),
        seen(2, State::Deploying, &["a", "b"]),
        seen(3, State::Active, &["a", "b"]),
        granted(3, "k", 1),
        extended(4, 700),
        at(5, What::Seen(with_end(view(1, State::Active, &["a", "b"]), 700))),
        replaced(5, "c"),
        ran(5, 0),
        ran(6, 0),
        at(6, What::Released(1)),
        seen(7, State::Closed, &["b", "c"]),
    ]
}

fn with_end(view: View, end: u64) -> View {
    View { times: Times { expires: Some(end), ..view.times }, ..view }
}

fn end() -> Final {
    let mut lease = view(1, State::Closed, &["b", "c"]);
    let (node, successor) = ("a".to_owned(), Some("c".to_owned()));
    lease.departures.push(Departure { node, since: 15, until: 51, successor });
    Final { leases: [(1, lease)].into(), accounted: [(1, 2)].into() }
}

/// What is wrong with the story if this was told as well, or this is how it ends.
fn complaint(told: &[Told], change: impl FnOnce(&mut Final)) -> String {
    let (mut all, mut last) = (story(), end());
    all.extend_from_slice(told);
    change(&mut last);
    check(&all, &last).map_or_else(|error| format!("{error:#}"), |()| "nothing".to_owned())
}

#[test]
fn what_is_true_is_believed() {
    assert_eq!(complaint(&[], |_| ()), "nothing");
    // Asked before something happened, and answered after it: both may be true.
    let slow = Told { asked_ms: 40, told_ms: 90, what: seen(0, State::Active, &["a", "b"]).what };
    assert_eq!(complaint(&[slow], |_| ()), "nothing");
    // Others have the machines before and after.
    let other = [
        at(8, What::Seen(view(2, State::Active, &["a", "b"]))),
        at(9, What::Seen(view(2, State::Active, &["a", "b"]))),
    ];
    let later = |last: &mut Final| {
        let mut second = view(2, State::Active, &["a", "b"]);
        second.times.assigned = Some(70);
        last.leases.insert(2, second);
        last.accounted.insert(2, 2);
    };
    assert_eq!(complaint(&other, later), "nothing");
}

#[test]
fn the_same_key_has_the_same_answer() {
    for (again, expected) in [
        (granted(9, "k", 2), "the request with the key \"k\" was 1 and is 2"),
        (extended(9, 800), "the extension with the key \"e\" was 700 and is 800"),
        (replaced(9, "d"), "the replacement with the key \"r\" was c for a and is d for a"),
        (ran(9, 1), "was 3, which ended with {\"a\": 0} and is 3, which ended with {\"a\": 1}"),
    ] {
        let complaint = complaint(&[again], |_| ());
        assert!(complaint.contains(expected), "{complaint}");
    }
    let of_another = at(9, What::Granted { tenant: "kernel".to_owned(), key: "k".to_owned(), lease: 1 });
    assert_eq!(complaint(&[of_another], |_| ()), "nothing");
}

#[test]
fn what_was_answered_is_not_lost() {
    type Change = fn(&mut Final);
    fn lease(last: &mut Final) -> &mut View {
        last.leases.get_mut(&1).unwrap()
    }
    let cases: [(Change, &str); 6] = [
        (|last| last.leases.clear(), "lease 1 is gone"),
        (|last| lease(last).departures.clear(), "nothing is known of the replacement"),
        (|last| lease(last).state = State::Active, "it is Active"),
        (|last| lease(last).times.active = Some(26), "it was active at Some(25)"),
        (|last| lease(last).times.closed = None, "it was closed at Some(65)"),
        (|last| lease(last).close_reason = Some("expired".to_owned()), "it lasts until Some(55)"),
    ];
    for (change, expected) in cases {
        let complaint = complaint(&[], change);
        assert!(complaint.contains(expected), "{complaint}");
    }
}

#[test]
fn nothing_comes_back() {
    for (late, expected) in [
        (seen(8, State::Active, &["b", "c"]), "lease 1 comes back"),
        (seen(8, State::Closing, &["b", "c"]), "lease 1 comes back"),
        (seen(8, State::Queued, &[]), "lease 1 comes back"),
    ] {
        let complaint = complaint(&[late], |_| ());
        assert!(complaint.contains(expected), "{complaint}");
    }
}

#[test]
fn who_reads_after_an_answer_reads_it() {
    let between = |moment: u64, what: What| Told { asked_ms: moment, told_ms: moment + 1, what };
    let active = |nodes: &[&str]| view(1, State::Active, nodes);
    for (stale, expected) in [
        (between(45, What::Seen(active(&["a", "b"]))), "lease 1 does not know of its extension"),
        (
            between(55, What::Seen(with_end(active(&["a", "b"]), 700))),
            "lease 1 has a still, which was replaced",
        ),
        (between(65, What::Seen(with_end(active(&["b", "c"]), 700))), "lease 1 was released and is Active"),
    ] {
        let complaint = complaint(&[stale], |_| ());
        assert!(complaint.contains(expected), "{complaint}");
    }
}

#[test]
fn no_machine_is_in_two_leases() {
    let other = |state: State, nodes: &[&str]| What::Seen(view(2, state, nodes));
    let known = |last: &mut Final| {
        last.leases.insert(2, View { times: Times::default(), ..view(2, State::Active, &[]) });
        last.accounted.insert(2, 0);
    };
    // The first lease has b from the answer at 31 to the question at 50.
    let read = Told { asked_ms: 35, told_ms: 36, what: other(State::Deploying, &["b"]) };
    let complaint_of = |told: &[Told]| {
        let (mut all, mut last) = (story(), end());
        all.extend_from_slice(told);
        known(&mut last);
        super::check::nothing_is_granted_twice(&all)
            .map_or_else(|error| error.to_string(), |()| String::new())
    };
    assert!(complaint_of(std::slice::from_ref(&read)).contains("b was told to be in two leases"));
    let wide = Told { told_ms: 75, ..read.clone() };
    assert_eq!(complaint_of(&[wide]), "", "it may have come to the other after the first had ended");
    let begins = Told { asked_ms: 45, told_ms: 46, what: other(State::Active, &["b"]) };
    let goes_on = Told { asked_ms: 95, told_ms: 96, ..begins.clone() };
    assert!(complaint_of(&[begins, goes_on]).contains("b was in two leases"));
    // By what everybody sees at the end.
    let overlaps = |last: &mut Final| {
        let mut second = view(2, State::Active, &["a"]);
        second.times.assigned = Some(50);
        last.leases.insert(2, second);
        last.accounted.insert(2, 1);
    };
    assert!(complaint(&[], overlaps).contains("a was in two leases"));
}

#[test]
fn every_machine_is_accounted_for() {
    assert!(complaint(&[], |last| last.accounted.clear()).contains("lease 1 has no account"));
    let fewer = |last: &mut Final| _ = last.accounted.insert(1, 1);
    assert!(complaint(&[], fewer).contains("had 2 machines and is accounted with 1"));
    let nodes: BTreeSet<_> = story()
        .iter()
        .filter_map(|told| match &told.what {
            What::Seen(view) => Some(view.nodes.len()),
            _ => None,
        })
        .collect();
    assert_eq!(nodes, [2].into(), "the story has machines");
}
