//! Machines of active leases that are given back as broken, and those that come in their places.

use crate::given::{hello, replace};
use crate::rack::{Rack, SECOND};
use hostler_core::attempt::Stage;
use hostler_core::course::Terms;
use hostler_core::explain;
use hostler_core::ids::{LeaseId, RunId, TenantId};
use hostler_core::input::{AdminAction, Blame, Input, Profile, Refusal, Reply, Report};
use hostler_core::lease::{CloseReason, Lease, LeaseSpec, LeaseState};
use hostler_core::node::{NodeState, StateName};
use hostler_core::order;
use hostler_core::run::{TaskResult, TaskState};
use hostler_core::tenancy::Setting;

const HOUR: u64 = 3600 * SECOND;

/// The machine that comes.
#[track_caller]
fn replaced(rack: &mut Rack, input: Input) -> String {
    match rack.accept(input) {
        Reply::Replaced(node) => rack.world.nodes.get(node).expect("it is registered").spec.name.clone(),
        other => panic!("asked for another machine, got {other:?}"),
    }
}

/// The refusal, which has changed nothing.
#[track_caller]
fn refused(rack: &mut Rack, input: Input) -> String {
    let rows = |rack: &Rack| {
        let mut world = rack.world.clone();
        world.meta.now = rack.now;
        serde_json::to_value((&world.leases, &world.nodes, &world.runs, &world.tenants))
            .expect("rows are JSON")
    };
    let before = rows(rack);
    match rack.refuse(input) {
        Refusal::Conflict(text) | Refusal::NotFound(text) | Refusal::Invalid(text) => {
            assert_eq!(rows(rack), before, "{text}");
            text
        }
        Refusal::Forbidden(text) => panic!("{text}"),
    }
}

fn get(rack: &Rack, lease: LeaseId) -> &Lease {
    rack.world.leases.get(lease).expect("it is remembered")
}

fn expires(rack: &Rack, lease: LeaseId) -> u64 {
    match rack.lease_state(lease) {
        LeaseState::Active { expires, .. } => expires.0,
        other => panic!("not active: {other:?}"),
    }
}

fn lost(rack: &Rack, run: RunId, name: &str) -> Option<String> {
    match &rack.world.runs.get(run)?.task(rack.id(name))?.state {
        TaskState::Lost { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

#[test]
fn another_machine_comes_and_the_lease_goes_on() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    let lease = rack.active("2 any");
    let (end, run) = (expires(&rack, lease), rack.run(lease, "nightly"));
    rack.heard();
    assert_eq!(replaced(&mut rack, replace(lease, "one", "a")), "c");
    assert_eq!((rack.group(lease), expires(&rack, lease)), (vec!["b".to_owned(), "c".to_owned()], end));
    assert_eq!(rack.heard(), ["member-given-back", "member-replaced"]);
    assert_eq!(lost(&rack, run, "a").as_deref(), Some("the machine was given back as broken: no link"));
    assert_eq!(lost(&rack, run, "b"), None, "what runs elsewhere goes on");
    let since = rack.node("c").since.utc();
    let why = format!("in the tenant's hands; c (r0) is deploying since {since}");
    assert_eq!(rack.why(lease), why);
    rack.work("c", StateName::Leased);
    assert_eq!(rack.heard(), ["member-up"]);
    assert_eq!(rack.why(lease), "in the tenant's hands");
    let left = &get(&rack, lease).course.departures[0];
    assert_eq!((left.had.node, left.successor.map(|(node, _)| node)), (rack.id("a"), Some(rack.id("c"))));
    rack.release(lease);
    let LeaseState::Closing { ended, .. } = rack.lease_state(lease) else { panic!("it goes on") };
    assert_eq!(ended.had.len(), 2);
}

/// A tenant's word is told and proves nothing: the machine proves itself, and is good then.
#[test]
fn a_machine_that_was_given_back_proves_itself() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    for (key, name) in [("one", "a"), ("two", "c")] {
        let lease = rack.active("1 any");
        assert_eq!(rack.group(lease), [name]);
        let other = replaced(&mut rack, replace(lease, key, name));
        rack.release(lease);
        rack.work(&other, StateName::Ready);
        let record = &rack.node(name).record;
        let failure = record.failures.last().expect("it is on its record");
        let told = format!("given back as broken by kim from lease {lease}: no link");
        assert_eq!((&failure.evidence, failure.counts, record.strikes()), (&told, false, 0));
    }
    assert!(explain::node(&rack.world, rack.node("a")).contains("it proves itself before anybody gets it"));
    rack.work_to("a", Stage::Prove);
    rack.work("a", StateName::Ready);
    assert!(rack.node("a").is_free());
}

#[test]
fn the_same_key_is_the_same_replacement() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    let lease = rack.active("1 any");
    assert_eq!(replaced(&mut rack, replace(lease, "one", "a")), "b");
    rack.restart();
    assert_eq!(replaced(&mut rack, replace(lease, "one", "a")), "b");
    assert_eq!(rack.group(lease), ["b"]);
    let text = refused(&mut rack, replace(lease, "one", "b"));
    assert_eq!(text, "the idempotency key \"one\" was used for another replacement");
    let text = refused(&mut rack, replace(lease, "two", "a"));
    assert_eq!(text, "lease 1 has no machine \"a\"; it has b");
    let text = refused(&mut rack, replace(lease, "two", "b"));
    assert_eq!(text, "b is being deployed: if that fails, another takes its place by itself");
    // The machines of its end are cleaned, and the key is answered still.
    rack.release(lease);
    assert_eq!(rack.state("b"), StateName::Cleaning);
    assert_eq!(replaced(&mut rack, replace(lease, "one", "a")), "b");
    rack.work("b", StateName::Ready);
    assert!(get(&rack, lease).is_closed());
}

#[test]
fn without_a_machine_nothing_changes() {
    let mut rack = Rack::with(&["a", "b", "c", "d far", "e far"]);
    let lease = rack.active("1 any among a b c");
    let other = rack.active("1 any among b");
    rack.admin("c", AdminAction::drain("it is loud")).unwrap();
    let next = "Nothing has changed: ask again later, or give the lease back with `hostler lease release 1`";
    let text = refused(&mut rack, replace(lease, "one", "a"));
    let none = "no machine can take its place now: of 2 others that suit, 0 free, 1 held (drain), 1 leased";
    assert_eq!(text, format!("{none}. {next}"));
    rack.release(other);
    rack.work("b", StateName::Ready);
    assert_eq!(replaced(&mut rack, replace(lease, "one", "a")), "b", "the key was not used up");
    rack.work("b", StateName::Leased);
    rack.work("a", StateName::Ready);
    let text = refused(&mut rack, replace(lease, "two", "b"));
    let none = "no machine can take its place now: of 2 others that suit, 1 free, given back as broken before, 1 held (drain)";
    assert_eq!(text, format!("{none}. {next}"));
    let alone = rack.active("1 any among d");
    let text = refused(&mut rack, replace(alone, "three", "d"));
    assert!(text.starts_with("no machine can take its place now: there is no other that suits. "), "{text}");
}

#[test]
fn what_comes_is_as_the_group_was_asked_for() {
    let mut rack = Rack::with(&["a", "b", "c", "d aarch64"]);
    for (name, rack_name) in [("a", "r1"), ("b", "r2"), ("c", "r2")] {
        let mut spec = rack.node(name).spec.clone();
        spec.rack = Some(rack_name.into());
        rack.register(spec);
        rack.work(name, StateName::Ready);
    }
    let lease = rack.active("2 x86_64; different rack");
    let apart = rack.group(lease)[1].clone();
    let text = refused(&mut rack, replace(lease, "one", "a"));
    assert!(text.contains("1 free, not as asked together with the rest of the group"), "{text}");
    let other = if apart == "b" { "c" } else { "b" };
    assert_eq!(replaced(&mut rack, replace(lease, "one", &apart)), other);
}

#[test]
fn a_substitute_that_fails_is_replaced_until_none_is_left() {
    let mut rack = Rack::with(&["a", "b", "c", "d"]);
    let lease = rack.active("2 any among a b c d");
    assert_eq!(replaced(&mut rack, replace(lease, "one", "a")), "c");
    rack.fail("c");
    assert_eq!(rack.group(lease), ["b", "d"]);
    rack.heard();
    rack.fail("d");
    assert_eq!(rack.group(lease), ["b"]);
    assert!(rack.heard().contains(&"member-missing".to_owned()));
    assert_eq!(rack.why(lease), "in the tenant's hands; the place of d (r0) is empty");
    let run = rack.run(lease, "on what there is");
    assert_eq!(rack.world.runs.get(run).unwrap().tasks.len(), 1);
    // The place may be asked for again, and is then as any.
    let text = refused(&mut rack, replace(lease, "two", "c"));
    assert_eq!(text, "lease 1 has no machine \"c\"; it has b");
    rack.work("a", StateName::Ready);
    let text = refused(&mut rack, replace(lease, "two", "d"));
    assert!(text.contains("1 free, given back as broken before"), "{text}");
    rack.admin("c", AdminAction::Repair).unwrap();
    rack.work("c", StateName::Ready);
    assert_eq!(replaced(&mut rack, replace(lease, "two", "d")), "c");
    rack.work("c", StateName::Leased);
    assert_eq!(
        (rack.group(lease), rack.why(lease)),
        (vec!["b".into(), "c".into()], "in the tenant's hands".into())
    );
    rack.release(lease);
    for name in ["b", "c"] {
        rack.work(name, StateName::Ready);
    }
    assert!(get(&rack, lease).is_closed());
}

/// A machine dies alone: the lease has none, and goes on until somebody ends it.
#[test]
fn a_lease_without_any_machine_ends_as_any() {
    for expire in [true, false] {
        let mut rack = Rack::with(&["a", "b"]);
        let lease = rack.active("1 any");
        replaced(&mut rack, replace(lease, "one", "a"));
        rack.fail("b");
        assert_eq!(rack.group(lease), [] as [&str; 0]);
        let no_run = rack.start_run(lease, "nowhere");
        rack.refuse(no_run);
        if expire {
            rack.wait_ms(expires(&rack, lease) - rack.now.0);
        } else {
            rack.release(lease);
        }
        let LeaseState::Closed { ended, .. } = rack.lease_state(lease) else { panic!("it goes on") };
        let expected = if expire { CloseReason::Expired } else { CloseReason::Released };
        assert_eq!((ended.reason, ended.had.len()), (expected, 0));
    }
}

#[test]
fn no_payload_begins_without_a_machine_that_it_needs() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    let lease = rack.active("1 any among a c + 1 any among b");
    replaced(&mut rack, replace(lease, "one", "a"));
    let all = rack.start_run(lease, "all");
    let text = rack.refuse(all.clone()).to_string();
    assert!(text.starts_with("c is not there yet: it is being deployed since "), "{text}");
    let Input::StartRun { lease, key, mut spec } = rack.start_run(lease, "some") else { panic!("no run") };
    spec.role = "r1".into();
    rack.accept(Input::StartRun { lease, key, spec });
    rack.work("c", StateName::Leased);
    rack.accept(all);
}

/// What was promised to others is theirs; what is back in time is nobody's loss.
#[test]
fn a_replacement_breaks_no_promise() {
    for (hours, expected) in [(240, None), (2, Some("b"))] {
        let mut rack = Rack::with(&["a", "b", "c"]);
        let long = move |_: &mut TenantId, spec: &mut LeaseSpec| spec.duration_ms = hours * HOUR;
        let lease = rack.lease_as("1 any among a b", long);
        rack.work("a", StateName::Leased);
        rack.active("1 any among c");
        let waits = rack.lease_as("2 any among b c", |_, spec| spec.max_wait_ms = 240 * HOUR);
        let latest = get(&rack, waits).latest_start().expect("it was promised something");
        let input = replace(lease, "one", "a");
        match expected {
            Some(name) => assert_eq!(replaced(&mut rack, input), name),
            None => {
                let text = refused(&mut rack, input);
                assert!(text.starts_with("what is free was promised to others that wait. "), "{text}");
            }
        }
        assert_eq!(get(&rack, waits).latest_start(), Some(latest));
    }
}

#[test]
fn a_quota_has_room_for_one_in_place_of_another() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    rack.set(&[Setting::Machines(Some(2))]);
    let lease = rack.active("2 any");
    assert_eq!(replaced(&mut rack, replace(lease, "one", "a")), "c");
    rack.fail("c");
    rack.set(&[Setting::Machines(Some(1))]);
    rack.admin("c", AdminAction::Repair).unwrap();
    rack.work("c", StateName::Ready);
    let text = refused(&mut rack, replace(lease, "two", "c"));
    assert!(text.starts_with("quota: 1 of 1 machines in use, 1 wanted. "), "{text}");
}

#[test]
fn only_a_lease_that_goes_on_gets_another_machine() {
    let mut rack = Rack::with(&["a", "b"]);
    let terms = Terms { hold_ms: Some(HOUR), ..Terms::default() };
    let lease = rack.lease_as("1 any among a", |_, spec| spec.terms = terms);
    let text = refused(&mut rack, replace(lease, "one", "a"));
    let expected = "lease 1 is not active yet: until then, machines that fail are replaced by themselves";
    assert_eq!(text, expected);
    let queued = rack.lease("1 any among a");
    assert_eq!(refused(&mut rack, replace(queued, "one", "a")), "lease 2 has no machines yet");
    rack.work("a", StateName::Leased);
    let run = rack.run(lease, "fails");
    let result = TaskResult { exit_code: 1, ..TaskResult::default() };
    let report = rack.agent("a", Profile::Tenant, Report::RunFinished { run, result });
    rack.accept(report);
    rack.release(lease);
    let text = refused(&mut rack, replace(lease, "one", "a"));
    assert_eq!(text, "lease 1 is held: its machines are left as they are");
    rack.accept(Input::ReleaseLease { lease, author: "kim".into(), at_once: true });
    let text = refused(&mut rack, replace(lease, "one", "a"));
    assert_eq!(text, "lease 1 has ended (released by kim): ask for another one");
    let text = refused(&mut rack, replace(LeaseId(77), "one", "a"));
    assert_eq!(text, "there is no lease 77");
    let nameless = refused(&mut rack, replace(lease, "", "a"));
    assert_eq!(nameless, "idempotency_key: 1 to 128 bytes");
}

/// An image that fails on substitutes does not end a lease whose machines run it.
#[test]
fn invariant_2_an_active_lease_outlives_what_its_substitutes_come_to() {
    let mut rack = Rack::with(&["a", "b", "c", "d"]);
    let lease = rack.active("2 any");
    replaced(&mut rack, replace(lease, "one", "a"));
    for name in ["c", "d"] {
        while rack.state(name) == StateName::Deploying {
            rack.work_to(name, Stage::Deploy);
            let task = order::task_id(rack.boot(name));
            let blame = Blame::Image;
            let report = Report::Failed { task, reason: "no kernel in it".into(), blame };
            let report = rack.agent(name, Profile::Ramdisk, report);
            rack.accept(report);
        }
    }
    assert_eq!(rack.group(lease), ["b"]);
    assert!(matches!(rack.node("b").state, NodeState::Leased { .. }));
    assert!(matches!(rack.lease_state(lease), LeaseState::Active { .. }));
    let known = hello(1, &[]);
    rack.accept(rack.agent("b", Profile::Tenant, known));
}
