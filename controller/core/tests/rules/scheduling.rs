//! Who gets which machines, and what the others are told.

use crate::given::{groupings, image, members, spec};
use crate::rack::{Rack, SECOND};
use hostler_core::calendar::Times;
use hostler_core::catalogue::{Content, Encoding, Kind};
use hostler_core::course::Terms;
use hostler_core::explain;
use hostler_core::hardware::Arch;
use hostler_core::ids::LeaseId;
use hostler_core::input::{AdminAction, Input, Reply};
use hostler_core::lease::{LeaseSpec, LeaseState};
use hostler_core::node::StateName;
use hostler_core::schedule;
use hostler_core::time::Timestamp;

/// `machines` are ready, but those of the request `busy` are leased. Then `requests` arrive one after the other;
/// `expected` says which machines each gets, slot by slot, or that it waits.
#[track_caller]
fn check(machines: &[&str], busy: &str, requests: &[&str], expected: &[&str]) {
    let mut rack = Rack::with(machines);
    if !busy.is_empty() {
        rack.active(busy);
    }
    let leases: Vec<_> = requests.iter().map(|r| rack.lease(r)).collect();
    let got: Vec<_> = leases
        .into_iter()
        .map(|lease| match rack.lease_state(lease) {
            LeaseState::Queued { .. } => "waits".to_owned(),
            _ => rack.group(lease).join(" "),
        })
        .collect();
    assert_eq!(got, expected, "{machines:?}, busy: {busy}, requests: {requests:?}");
}

#[test]
fn whole_groups_in_order_of_arrival() {
    check(&["a", "b"], "", &["1 x86_64", "1 x86_64", "1 x86_64"], &["a", "b", "waits"]);
    check(&["a", "b"], "", &["2 x86_64", "1 x86_64"], &["a b", "waits"]);
    check(&["a", "b"], "1 any among a", &["2 x86_64"], &["waits"]);
}

#[test]
fn whoever_fits_starts_and_the_young_keep_nothing() {
    // The pair waits for a; b does not wait with it.
    check(&["a", "b"], "1 any among a", &["2 x86_64", "1 x86_64"], &["waits", "b"]);
    check(&["a", "b", "c aarch64"], "1 any among a", &["2 x86_64", "1 aarch64"], &["waits", "c"]);
    check(&["a", "b far"], "1 any among a", &["1 x86_64 in lab", "1 x86_64"], &["waits", "b"]);
}

#[test]
fn a_machine_that_nobody_else_wants_is_taken_first() {
    let mut rack = Rack::with(&["a", "b far"]);
    rack.register(spec("c"));
    // c is not ready, and somebody waits who could use a, but not b.
    rack.lease("2 any in lab");
    let lease = rack.lease("1 any");
    assert_eq!(rack.group(lease), ["b"]);
}

const HOUR: u64 = 3600 * SECOND;

/// A lease of somebody who waits for as long as it takes, for so many hours.
fn patient(rack: &mut Rack, request: &str, hours: u64) -> LeaseId {
    let Input::RequestLease { tenant, key, mut spec } = rack.ask(request) else { panic!("not a request") };
    (spec.duration_ms, spec.max_wait_ms) = (hours * HOUR, 500 * HOUR);
    match rack.accept(Input::RequestLease { tenant, key, spec }) {
        Reply::Lease(id) => id,
        other => panic!("asked for a lease, got {other:?}"),
    }
}

/// a is leased for two days, and a pair has waited for longer than a day for it; b is free.
fn aged_pair() -> (Rack, LeaseId, LeaseId) {
    let mut rack = Rack::with(&["a", "b"]);
    let busy = patient(&mut rack, "1 any among a", 48);
    rack.work("a", StateName::Leased);
    let pair = patient(&mut rack, "2 any", 1);
    rack.wait_ms(25 * HOUR);
    (rack, busy, pair)
}

#[test]
fn whoever_waits_for_more_than_a_day_keeps_what_it_needs() {
    let (mut rack, busy, pair) = aged_pair();
    let long = patient(&mut rack, "1 any", 60);
    assert!(rack.group(long).is_empty(), "b is kept: it would not be back when a is");
    let why = explain::lease(&rack.world, rack.world.leases.get(long).unwrap());
    assert_eq!(why, "1 asked earlier; the free machines are kept for leases that have waited longer");
    let short = patient(&mut rack, "1 any", 1);
    assert_eq!(rack.group(short), ["b"]);
    rack.release(short);
    rack.clean("b");
    rack.release(busy);
    rack.clean("a");
    assert_eq!(rack.group(pair), ["a", "b"]);
}

/// Age alone changes who goes first: time has to bring about a decision.
#[test]
fn the_moment_at_which_somebody_is_old_enough_is_a_deadline() {
    let mut rack = Rack::with(&["a"]);
    let busy = patient(&mut rack, "1 any", 400);
    rack.work("a", StateName::Leased);
    let requested = rack.now;
    patient(&mut rack, "1 any", 1);
    let asked = requested.0 + SECOND;
    assert_eq!(rack.world.next_deadline(), Some(Timestamp(asked + rack.world.meta.busy.age_ms() + 1)));
    rack.wait();
    assert!(rack.world.next_deadline() > Some(rack.now), "it comes once");
    assert!(matches!(rack.lease_state(busy), LeaseState::Active { .. }));
}

/// How busy all were is counted in with each decision, and is known after a restart.
#[test]
fn the_age_follows_the_last_weeks() {
    let mut rack = Rack::with(&["a"]);
    let new = rack.world.meta.busy.age_ms();
    let lease = patient(&mut rack, "1 any", 1);
    assert_eq!(rack.world.meta.busy.age_ms(), new, "of which a moment says nothing");
    rack.work("a", StateName::Leased);
    rack.release(lease);
    rack.clean("a");
    rack.wait_ms(60 * 24 * HOUR);
    patient(&mut rack, "1 any", 1);
    let idle = rack.world.meta.busy;
    assert!(idle.age_ms() < new, "hardly anything was in use for two months: {idle:?}");
    rack.restart();
    assert_eq!(rack.world.meta.busy, idle);
}

/// The latest start is told at the request and kept in mind over a restart; if machines are lost, an event says so.
#[test]
fn a_promise_that_cannot_be_kept_is_told() {
    let mut rack = Rack::with(&["a"]);
    let lease = patient(&mut rack, "1 any", 1);
    assert_eq!(rack.group(lease), ["a"]);
    let waiting = patient(&mut rack, "1 any", 1);
    let latest = |rack: &Rack| rack.world.leases.get(waiting).unwrap().latest_start();
    let promised = Timestamp(rack.now.0 + rack.world.meta.busy.window_ms());
    assert_eq!(latest(&rack), Some(promised));
    rack.restart();
    assert_eq!(latest(&rack), Some(promised));
    rack.work("a", StateName::Leased);
    // The machine is lost: it dies while it is cleaned, and nothing brings it back.
    rack.release(lease);
    rack.heard();
    while rack.now <= promised {
        rack.wait();
        assert_eq!(latest(&rack).is_some(), rack.now <= promised);
    }
    let broken: Vec<_> = rack.heard().into_iter().filter(|kind| kind == "promise-broken").collect();
    assert_eq!((broken.len(), latest(&rack)), (1, None));
}

/// Whose machines do not come back by themselves is promised nothing.
#[test]
fn nothing_is_promised_that_depends_on_an_administrator() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.admin("a", AdminAction::drain("new fans")).unwrap();
    let pair = patient(&mut rack, "2 any", 1);
    assert_eq!(rack.world.leases.get(pair).unwrap().latest_start(), None);
    assert_eq!(schedule::forecast(&rack.world, rack.now).get(&pair), None);
    let why = explain::lease(&rack.world, rack.world.leases.get(pair).unwrap());
    assert_eq!(why, "waits for 2 x any architecture for role \"r0\": 1 free, 1 held (drain)");
}

#[test]
fn leases_that_ended_say_how_long_the_next_one_takes() {
    let mut rack = Rack::with(&["a"]);
    for _ in 0..5 {
        let lease = patient(&mut rack, "1 any", 6);
        rack.work("a", StateName::Leased);
        rack.wait_ms(HOUR);
        rack.release(lease);
        rack.clean("a");
    }
    let lease = patient(&mut rack, "1 any", 6);
    rack.work("a", StateName::Leased);
    let active = rack.now;
    let next = patient(&mut rack, "1 any", 6);
    let starts = schedule::forecast(&rack.world, rack.now)[&next];
    let after = starts.since(active).as_millis() as u64;
    assert!(
        (HOUR..HOUR + 120 * SECOND).contains(&after),
        "after {after} ms: an hour and the wipe, to the minute"
    );
    rack.restart();
    assert_eq!(schedule::forecast(&rack.world, rack.now)[&next], starts, "it is remembered");
    assert!(matches!(rack.lease_state(lease), LeaseState::Active { .. }));
}

#[test]
fn matching_is_exact_where_taking_the_first_would_fail() {
    // The first role takes anything; it must leave `a` to the second.
    check(&["a lab", "b far"], "", &["1 any + 1 any in lab"], &["b a"]);
    check(&["a", "b", "c"], "", &["1 any + 1 any among a b + 1 any among a"], &["c b a"]);
    check(&["a", "b aarch64"], "", &["1 any + 1 x86_64"], &["b a"]);
}

#[test]
fn the_least_recently_used_machine_comes_first() {
    let mut rack = Rack::with(&["a", "b"]);
    let lease = rack.active("1 any");
    assert_eq!(rack.group(lease), ["a"]);
    rack.release(lease);
    rack.work("a", StateName::Ready);
    let lease = rack.lease("1 any");
    assert_eq!(rack.group(lease), ["b"]);
}

#[test]
fn pools_and_names_are_obeyed() {
    let machines = ["a", "b far", "c far", "d aarch64 far"];
    check(&machines, "", &["1 any in far", "1 x86_64 in far", "1 any in far"], &["b", "c", "d"]);
    check(&machines, "", &["1 any among c d", "1 any among c d"], &["c", "d"]);
    check(&machines, "", &["2 any among b c in far", "1 any among a b c"], &["b c", "a"]);
}

#[test]
fn the_image_is_that_of_the_machines_architecture() {
    let mut rack = Rack::with(&["a", "b aarch64", "c ppc64le"]);
    rack.accept(image("debian", Arch::Aarch64, "d1"));
    // Only the aarch64 machine has a debian.
    let lease = rack.lease("1 any with debian");
    assert_eq!(rack.group(lease), ["b"]);
    let lease = rack.lease("2 any");
    let lease = rack.world.leases.get(lease).unwrap();
    let arches: Vec<_> = lease.group().iter().map(|a| rack.world.images.get(a.image).unwrap().arch).collect();
    assert_eq!(arches, [Arch::X86_64, Arch::Ppc64le]);
}

#[test]
fn a_held_machine_is_not_given_and_not_forgotten() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.admin("a", AdminAction::drain("new fans")).unwrap();
    let pair = rack.lease("2 any");
    assert!(matches!(rack.lease_state(pair), LeaseState::Queued { .. }), "a hold is not for ever: it waits");
    rack.admin("a", AdminAction::Resume).unwrap();
    assert_eq!(rack.group(pair), ["a", "b"]);
}

#[test]
fn a_drained_machine_finishes_its_lease() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    rack.admin("a", AdminAction::drain("new fans")).unwrap();
    assert!(matches!(rack.lease_state(lease), LeaseState::Active { .. }));
    rack.release(lease);
    rack.work("a", StateName::Ready);
    let next = rack.lease("1 any");
    assert!(matches!(rack.lease_state(next), LeaseState::Queued { .. }));
}

/// What the machines in service cannot make up does not keep others from them.
#[test]
fn a_group_that_became_impossible_blocks_nobody() {
    let (mut rack, _, pair) = aged_pair();
    let long = patient(&mut rack, "1 any", 60);
    assert!(rack.group(long).is_empty());
    let drain = |anyway| AdminAction::Drain { reason: "new fans".into(), times: Times::default(), anyway };
    let refused = rack.admin("a", drain(false)).unwrap_err().to_string();
    assert!(refused.contains(&format!("lease {pair} would not start by")), "{refused}");
    assert!(rack.holds("a").is_empty() && rack.group(long).is_empty(), "nothing was changed");
    rack.admin("a", drain(true)).unwrap();
    assert_eq!(rack.group(long), ["b"]);
    assert!(matches!(rack.lease_state(pair), LeaseState::Queued { .. }));
}

#[test]
fn plan_says_what_apply_does() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.active("2 any");
    let lease = rack.lease("1 any");
    assert_eq!(schedule::plan(&rack.world, rack.now), [], "nothing is free: there is nothing to decide");
    let text = explain::lease(&rack.world, rack.world.leases.get(lease).unwrap());
    assert_eq!(text, "waits for 1 x any architecture for role \"r0\": 0 free, 2 leased");
    let next = rack.lease("1 x86_64 in lab");
    let text = explain::lease(&rack.world, rack.world.leases.get(next).unwrap());
    assert_eq!(text, "1 asked earlier; waits for 1 x x86_64 in pool lab for role \"r0\": 0 free, 2 leased");
}

/// What is stored of a waiting lease does not change while the queue before it moves.
#[test]
fn a_queue_that_moves_is_not_stored_anew() {
    let mut rack = Rack::with(&["a"]);
    let first = rack.active("1 any");
    rack.lease("1 any");
    let third = rack.lease("1 any");
    let before = rack.lease_state(third).clone();
    assert_eq!(rack.world.queue_position(rack.world.leases.get(third).unwrap()), Some(1));
    rack.release(first);
    rack.clean("a");
    assert_eq!(rack.state("a"), StateName::Deploying);
    assert_eq!(*rack.lease_state(third), before);
    assert_eq!(rack.world.queue_position(rack.world.leases.get(third).unwrap()), Some(0));
}

#[track_caller]
fn check_satisfiable(rack: &Rack, request: &str, expected: Result<(), &str>) {
    let spec = LeaseSpec {
        members: members(request),
        groupings: groupings(request),
        duration_ms: 1,
        max_wait_ms: 1,
        purpose: String::new(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    };
    assert_eq!(schedule::satisfiable(&rack.world, &spec), expected.map_err(str::to_owned), "{request}");
}

#[test]
fn a_request_that_can_never_be_satisfied_is_told_why() {
    let mut rack = Rack::with(&["a", "b", "c aarch64 far"]);
    rack.accept(image("debian", Arch::X86_64, "d1"));
    check_satisfiable(&rack, "2 x86_64 + 1 aarch64", Ok(()));
    check_satisfiable(
        &rack,
        "3 x86_64",
        Err("3 x x86_64 for role \"r0\" can never be had: 2 of such machines are registered"),
    );
    check_satisfiable(
        &rack,
        "1 x86_64 in far",
        Err("1 x x86_64 in pool far for role \"r0\" can never be had: 0 of such machines are registered"),
    );
    check_satisfiable(
        &rack,
        "1 any among a c + 1 any among a + 1 any among a",
        Err("each role alone could be had, but not all of them at once: they ask for the same machines"),
    );
    check_satisfiable(
        &rack,
        "1 aarch64 with debian",
        Err(
            "1 x aarch64 for role \"r0\" needs an image \"debian\" for the architecture of its machines; there is \
             one for x86_64",
        ),
    );
    check_satisfiable(
        &rack,
        "1 aarch64 with suse",
        Err(
            "1 x aarch64 for role \"r0\" needs an image \"suse\" for the architecture of its machines; there is \
             none of that name; catalogued: debian, fedora",
        ),
    );
}

/// What was inspected is known; of a machine that was never looked at, everything may be true.
#[test]
fn an_image_that_no_disk_holds_is_refused_where_it_is_asked_for() {
    let mut rack = Rack::with(&["a", "b"]);
    let kind = Kind::Disk { encoding: Encoding::Raw, disk_bytes: 2 << 40 };
    let content = Content { kind, ..Content::raw("h1".into(), 7) };
    rack.accept(Input::AddImage { name: "huge".into(), arch: Arch::X86_64, content });
    check_satisfiable(
        &rack,
        "1 x86_64 with huge",
        Err(
            "1 x x86_64 for role \"r0\": image \"huge\" takes 2199023255552 bytes on a disk, and 0 of such machines \
             have a disk that large",
        ),
    );
    rack.register(spec("c"));
    check_satisfiable(&rack, "1 x86_64 with huge", Ok(()));
}

#[test]
fn holds_do_not_make_a_request_impossible_and_retirement_does() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.admin("a", AdminAction::drain("new fans")).unwrap();
    check_satisfiable(&rack, "2 any", Ok(()));
    rack.admin("a", AdminAction::Retire).unwrap();
    check_satisfiable(
        &rack,
        "2 any",
        Err("2 x any architecture for role \"r0\" can never be had: 1 of such machines are registered"),
    );
}
