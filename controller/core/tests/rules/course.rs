//! The course of a lease: when it begins, how it is kept alive, extended, warned of its end, and held.

use crate::given::hello;
use crate::rack::{Rack, SECOND};
use hostler_core::course::{Grant, MoreTime, Terms};
use hostler_core::explain;
use hostler_core::ids::LeaseId;
use hostler_core::input::{Input, Profile, Refusal, Reply, Report};
use hostler_core::lease::{CloseReason, Lease, LeaseState};
use hostler_core::node::StateName;
use hostler_core::run::TaskResult;
use hostler_core::time::Timestamp;

const MINUTE: u64 = 60 * SECOND;

#[track_caller]
fn lease_with(rack: &mut Rack, terms: Terms) -> LeaseId {
    let Input::RequestLease { tenant, key, mut spec } = rack.ask("1 any") else { panic!("no request") };
    spec.terms = terms;
    match rack.accept(Input::RequestLease { tenant, key, spec }) {
        Reply::Lease(lease) => lease,
        other => panic!("asked for a lease, got {other:?}"),
    }
}

/// A lease of an hour that has just become active.
fn active_with(terms: Terms) -> (Rack, LeaseId) {
    let mut rack = Rack::with(&["a"]);
    let lease = lease_with(&mut rack, terms);
    rack.work("a", StateName::Leased);
    rack.heard();
    (rack, lease)
}

fn get(rack: &Rack, lease: LeaseId) -> &Lease {
    rack.world.leases.get(lease).expect("it is remembered")
}

/// When it began and when it will end.
#[track_caller]
fn time_of(rack: &Rack, lease: LeaseId) -> (Timestamp, Timestamp) {
    match rack.lease_state(lease) {
        LeaseState::Active { since, expires, .. } => (*since, *expires),
        other => panic!("it is not active: {other:?}"),
    }
}

#[track_caller]
fn ended(rack: &Rack, lease: LeaseId) -> (CloseReason, String) {
    match rack.lease_state(lease) {
        LeaseState::Closing { ended, .. } | LeaseState::Closed { ended, .. } => {
            (ended.reason, ended.detail.clone())
        }
        other => panic!("it goes on: {other:?}"),
    }
}

fn extend(lease: LeaseId, key: &str, wanted: MoreTime) -> Input {
    Input::ExtendLease { lease, key: key.into(), wanted, author: "kim".into() }
}

#[track_caller]
fn granted(rack: &mut Rack, input: Input) -> Grant {
    match rack.accept(input) {
        Reply::Extended(grant) => grant,
        other => panic!("asked for more time, got {other:?}"),
    }
}

fn release(rack: &mut Rack, lease: LeaseId, at_once: bool) {
    rack.accept(Input::ReleaseLease { lease, author: "kim".into(), at_once });
}

/// A run on the only machine ends with this exit code.
fn run_ends(rack: &mut Rack, lease: LeaseId, exit_code: i32) {
    let run = rack.run(lease, &format!("run that ends with {exit_code}"));
    let result = TaskResult { exit_code, ..TaskResult::default() };
    let report = rack.agent("a", Profile::Tenant, Report::RunFinished { run, result });
    rack.accept(report);
}

#[test]
fn a_lease_is_extended_once_for_each_key() {
    let (mut rack, lease) = active_with(Terms::default());
    let (_, end) = time_of(&rack, lease);
    let half_an_hour = extend(lease, "one", MoreTime::By(30 * MINUTE));
    let first = granted(&mut rack, half_an_hour.clone());
    assert_eq!(first, Grant { until: Timestamp(end.0 + 30 * MINUTE), granted_ms: 30 * MINUTE, note: None });
    assert_eq!(granted(&mut rack, half_an_hour), first, "the same key is the same extension");
    assert_eq!(time_of(&rack, lease).1, first.until);
    let other = rack.refuse(extend(lease, "one", MoreTime::By(MINUTE)));
    assert_eq!(other, Refusal::Conflict("the idempotency key \"one\" was used for another extension".into()));
    let until = Timestamp(end.0 + 45 * MINUTE);
    assert_eq!(granted(&mut rack, extend(lease, "two", MoreTime::Until(until))).granted_ms, 15 * MINUTE);
    assert!(rack.heard().contains(&"lease-extended".to_owned()));
    rack.now = Timestamp(until.0 - SECOND);
    rack.accept(Input::Tick);
    assert_eq!(ended(&rack, lease), (CloseReason::Expired, "its time was over".into()));
}

#[test]
fn no_lease_lasts_longer_than_thirty_days() {
    let (mut rack, lease) = active_with(Terms::default());
    let (since, _) = time_of(&rack, lease);
    let days = |n: u64| n * 24 * 60 * MINUTE;
    let grant = granted(&mut rack, extend(lease, "long", MoreTime::By(days(40))));
    assert_eq!(grant.until, Timestamp(since.0 + days(30)));
    let note = "granted 29 d 23 h of 40 d: no lease lasts longer than 30 days";
    assert_eq!(grant.note.as_deref(), Some(note));
    let refusal = rack.refuse(extend(lease, "longer", MoreTime::By(MINUTE)));
    assert!(
        matches!(&refusal, Refusal::Conflict(text) if text.ends_with("and no lease lasts longer than 30 days")),
        "{refusal}"
    );
}

#[test]
fn an_extension_breaks_no_promise() {
    let (mut rack, lease) = active_with(Terms::default());
    let Input::RequestLease { tenant, key, mut spec } = rack.ask("1 any") else { panic!("no request") };
    spec.max_wait_ms = 7 * 24 * 60 * MINUTE;
    let reply = rack.accept(Input::RequestLease { tenant, key, spec });
    let Reply::Lease(waits) = reply else { panic!("{reply:?}") };
    let latest = get(&rack, waits).latest_start().expect("it was promised something");
    let days = |days: u64| days * 24 * 60 * MINUTE;
    assert_eq!(granted(&mut rack, extend(lease, "short", MoreTime::By(days(1)))).granted_ms, days(1));
    let grant = granted(&mut rack, extend(lease, "long", MoreTime::By(days(10))));
    assert!(grant.until < latest && latest.0 - grant.until.0 < 15 * MINUTE, "{grant:?} {latest:?}");
    let note = grant.note.expect("it is less");
    assert!(note.contains("others that wait were promised to have its machines then"), "{note}");
    let refusal = rack.refuse(extend(lease, "more", MoreTime::By(days(1))));
    assert!(refusal.to_string().contains("were promised"), "{refusal}");
    rack.wait_ms(grant.until.0 - rack.now.0 + 1);
    rack.work("a", StateName::Deploying);
    assert!(rack.now <= latest && get(&rack, waits).latest_start().is_none());
}

#[test]
fn what_cannot_be_extended_is_told_why() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.lease("1 any");
    let by = |key: &str| extend(lease, key, MoreTime::By(MINUTE));
    let early = Refusal::Conflict("lease 1 is not active yet: its time has not begun".into());
    assert_eq!(rack.refuse(by("early")), early);
    rack.work("a", StateName::Leased);
    let (_, end) = time_of(&rack, lease);
    let past = rack.refuse(extend(lease, "past", MoreTime::Until(end)));
    assert_eq!(past, Refusal::Invalid(format!("lease 1 lasts until {} as it is", end.utc())));
    rack.accept(by("in time"));
    rack.release(lease);
    let late = Refusal::Conflict("lease 1 has ended (released by kim): ask for another one".into());
    assert_eq!(rack.refuse(by("late")), late);
    rack.accept(by("in time"));
    let unknown = rack.refuse(extend(LeaseId(9), "k", MoreTime::By(MINUTE)));
    assert_eq!(unknown, Refusal::NotFound("there is no lease 9".into()));
}

#[test]
fn a_lease_is_not_considered_before_its_earliest_start() {
    let mut rack = Rack::with(&["a"]);
    let not_before = Timestamp(rack.now.0 + 60 * MINUTE);
    let early = lease_with(&mut rack, Terms { not_before: Some(not_before), ..Terms::default() });
    let reason = explain::lease(&rack.world, get(&rack, early));
    assert_eq!(reason, format!("waits for its earliest start, {}", not_before.utc()));
    // Nothing is kept free for it.
    let other = rack.lease("1 any");
    assert_eq!(rack.group(other), ["a"]);
    rack.work("a", StateName::Leased);
    rack.release(other);
    rack.work("a", StateName::Ready);
    assert!(matches!(rack.lease_state(early), LeaseState::Queued { .. }));
    assert_eq!(get(&rack, early).due(), Some(not_before), "its bound on waiting counts from there");
    rack.now = not_before;
    rack.accept(Input::Tick);
    assert_eq!(rack.group(early), ["a"]);
    assert_eq!(get(&rack, early).course.assigned, Some(rack.now));
}

#[test]
fn the_bound_on_waiting_counts_from_the_earliest_start() {
    let mut rack = Rack::with(&["a"]);
    rack.active("1 any");
    let not_before = Timestamp(rack.now.0 + 600 * MINUTE);
    let lease = lease_with(&mut rack, Terms { not_before: Some(not_before), ..Terms::default() });
    assert_eq!(get(&rack, lease).deadline(), Some(Timestamp(not_before.0 + 120 * MINUTE)));
    // One that has passed already is no bound at all.
    let past = lease_with(&mut rack, Terms { not_before: Some(Timestamp(1)), ..Terms::default() });
    assert_eq!(get(&rack, past).deadline(), Some(Timestamp(get(&rack, past).requested.0 + 120 * MINUTE)));
    assert!(!get(&rack, past).is_early());
}

#[test]
fn terms_have_bounds() {
    let mut rack = Rack::with(&["a"]);
    let far = Timestamp(rack.now.0 + 31 * 24 * 60 * MINUTE);
    for (terms, text) in [
        (Terms { not_before: Some(far), ..Terms::default() }, "not_before: at most 30 days ahead"),
        (
            Terms { keepalive_ms: Some(9_999), ..Terms::default() },
            "keepalive: at least 10 seconds and at most a day",
        ),
        (Terms { hold_ms: Some(59_999), ..Terms::default() }, "hold: at least a minute and at most 7 days"),
    ] {
        let Input::RequestLease { tenant, key, mut spec } = rack.ask("1 any") else { panic!("no request") };
        spec.terms = terms;
        assert_eq!(rack.refuse(Input::RequestLease { tenant, key, spec }), Refusal::Invalid(text.into()));
    }
}

#[test]
fn a_lease_that_nobody_keeps_alive_is_over_wherever_it_is() {
    let terms = Terms { keepalive_ms: Some(2 * MINUTE), ..Terms::default() };
    for progress in [None, Some(StateName::Deploying), Some(StateName::Leased)] {
        let mut rack = Rack::with(&["a"]);
        if progress.is_none() {
            rack.active("1 any");
        }
        let lease = lease_with(&mut rack, terms.clone());
        if let Some(state) = progress {
            rack.work("a", state);
        }
        rack.accept(Input::LeaseAbandoned { lease });
        let text = "nobody has kept it alive for 2 min: the job that asked for it seems to be gone";
        assert_eq!(ended(&rack, lease), (CloseReason::Abandoned, text.into()), "{progress:?}");
    }
    // The shell's opinion about a lease that nobody has to keep alive.
    let (mut rack, lease) = active_with(Terms::default());
    rack.accept(Input::LeaseAbandoned { lease });
    time_of(&rack, lease);
}

#[test]
fn a_lease_with_a_failed_run_is_held_instead_of_ending() {
    let terms = Terms { hold_ms: Some(120 * MINUTE), keepalive_ms: Some(MINUTE), ..Terms::default() };
    for reason in [CloseReason::Expired, CloseReason::Abandoned, CloseReason::Released] {
        let (mut rack, lease) = active_with(terms.clone());
        run_ends(&mut rack, lease, 3);
        match reason {
            CloseReason::Expired => {
                rack.now = time_of(&rack, lease).1;
                rack.accept(Input::Tick);
            }
            CloseReason::Abandoned => drop(rack.accept(Input::LeaseAbandoned { lease })),
            _ => release(&mut rack, lease, false),
        }
        let (_, until) = time_of(&rack, lease);
        assert_eq!(until.since(rack.now).as_millis(), u128::from(120 * MINUTE), "{reason:?}");
        assert!(rack.heard().contains(&"lease-held".to_owned()));
        let why = explain::lease(&rack.world, get(&rack, lease));
        assert!(why.contains("since run 1 failed on a: exit code 3; `hostler lease release 1`"), "{why}");
        // A second answer to the same release, and a job that is gone in any case, change nothing.
        release(&mut rack, lease, false);
        rack.accept(Input::LeaseAbandoned { lease });
        assert_eq!(time_of(&rack, lease).1, until);
        rack.run(lease, "somebody looks at it");
        rack.now = until;
        rack.accept(Input::Tick);
        assert_eq!(ended(&rack, lease).0, reason, "it is held once");
    }
}

#[test]
fn a_hold_is_ended_by_hand() {
    let terms = Terms { hold_ms: Some(120 * MINUTE), ..Terms::default() };
    let (mut rack, lease) = active_with(terms.clone());
    run_ends(&mut rack, lease, 1);
    release(&mut rack, lease, false);
    time_of(&rack, lease);
    release(&mut rack, lease, true);
    assert_eq!(ended(&rack, lease).0, CloseReason::Released);

    let (mut rack, lease) = active_with(terms);
    run_ends(&mut rack, lease, 1);
    release(&mut rack, lease, true);
    assert_eq!(ended(&rack, lease).0, CloseReason::Released, "nobody wants to look at it");
}

/// What ends well, what was stopped by hand, and what ends on a lease that nobody wants held.
#[test]
fn not_everything_is_a_failure() {
    let held = Terms { hold_ms: Some(120 * MINUTE), ..Terms::default() };
    let (mut rack, lease) = active_with(held.clone());
    run_ends(&mut rack, lease, 0);
    release(&mut rack, lease, false);
    ended(&rack, lease);

    let (mut rack, lease) = active_with(held);
    let run = rack.run(lease, "stopped");
    rack.accept(Input::StopRun { run, author: "kim".into() });
    let result = TaskResult { exit_code: 143, killed: "stopped by kim".into(), ..TaskResult::default() };
    let report = rack.agent("a", Profile::Tenant, Report::RunFinished { run, result });
    rack.accept(report);
    release(&mut rack, lease, false);
    ended(&rack, lease);

    let (mut rack, lease) = active_with(Terms::default());
    run_ends(&mut rack, lease, 1);
    release(&mut rack, lease, false);
    ended(&rack, lease);
}

/// A test that hangs until the time is over is one to look at; whoever gives machines back under a payload has looked.
#[test]
fn a_run_that_had_not_ended_counts_as_failed_unless_the_lease_is_given_back() {
    let terms = Terms { hold_ms: Some(120 * MINUTE), ..Terms::default() };
    let (mut rack, lease) = active_with(terms.clone());
    rack.run(lease, "hangs");
    rack.now = time_of(&rack, lease).1;
    rack.accept(Input::Tick);
    assert_eq!(get(&rack, lease).course.failure.as_deref(), Some("run 1 had not ended"));
    time_of(&rack, lease);

    let (mut rack, lease) = active_with(terms);
    rack.run(lease, "hangs");
    release(&mut rack, lease, false);
    ended(&rack, lease);
}

#[test]
fn a_run_that_was_lost_has_failed() {
    let (mut rack, lease) = active_with(Terms { hold_ms: Some(MINUTE), ..Terms::default() });
    rack.run(lease, "lost");
    let restarted = rack.agent("a", Profile::Tenant, hello(2, &[]));
    rack.accept(restarted);
    let failure = get(&rack, lease).course.failure.clone().unwrap_or_default();
    assert_eq!(failure, "run 1 failed on a: lost: the machine restarted while the payload ran");
}

/// The moments at which something is told of the end, in minutes before it.
fn warnings(rack: &mut Rack, lease: LeaseId) -> Vec<u64> {
    let mut minutes = Vec::new();
    while let LeaseState::Active { expires, .. } = rack.lease_state(lease) {
        let end = *expires;
        rack.wait();
        if rack.heard().contains(&"lease-expiring".to_owned()) {
            minutes.push(end.since(rack.now).as_secs() / 60);
        }
    }
    minutes
}

#[test]
fn the_end_of_a_lease_is_told_in_advance() {
    let (mut rack, lease) = active_with(Terms::default());
    assert_eq!(warnings(&mut rack, lease), [30, 5, 0]);
}

#[test]
fn a_lease_that_is_extended_is_warned_anew() {
    let (mut rack, lease) = active_with(Terms::default());
    let (_, end) = time_of(&rack, lease);
    rack.now = Timestamp(end.0 - 2 * MINUTE);
    rack.accept(Input::Tick);
    assert_eq!(rack.heard(), ["lease-expiring"], "of two that are due, one is of use");
    rack.accept(extend(lease, "more", MoreTime::By(10 * MINUTE)));
    rack.heard();
    assert_eq!(warnings(&mut rack, lease), [5, 0]);
}

/// Rows of stores that knew no terms.
#[test]
fn a_stored_lease_without_terms_is_read() {
    let (rack, lease) = active_with(Terms::default());
    let mut stored = serde_json::to_value(get(&rack, lease)).unwrap();
    stored.as_object_mut().unwrap().remove("course");
    stored["spec"].as_object_mut().unwrap().remove("terms");
    let read: Lease = serde_json::from_value(stored).unwrap();
    assert_eq!((&read.spec, &read.state), (&get(&rack, lease).spec, rack.lease_state(lease)));
    assert_eq!(read.due(), read.deadline());
}
