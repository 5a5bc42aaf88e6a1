//! Leases that give way to more urgent ones.

use crate::given::{hello, replace};
use crate::rack::{Rack, SECOND};
use hostler_core::course::MoreTime;
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::input::{Input, Profile, Refusal, Report};
use hostler_core::lease::{CloseReason, Lease, LeaseSpec, LeaseState};
use hostler_core::node::StateName;
use hostler_core::run::{TaskResult, TaskState};
use hostler_core::tenancy::{Band, Setting};
use hostler_core::time::Timestamp;

const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const GRACE: u64 = 5 * MINUTE;

fn rack(machines: &[&str]) -> Rack {
    let mut rack = Rack::with(machines);
    rack.set(&[Setting::Priority(Band::Admin)]);
    rack
}

fn preemptible(_: &mut TenantId, spec: &mut LeaseSpec) {
    (spec.duration_ms, spec.terms.grace_ms) = (10 * HOUR, Some(GRACE));
}

fn long(_: &mut TenantId, spec: &mut LeaseSpec) {
    spec.duration_ms = 10 * HOUR;
}

fn urgent(_: &mut TenantId, spec: &mut LeaseSpec) {
    spec.terms.priority = Band::Gate;
}

/// A lease whose machines have all come up.
fn active(rack: &mut Rack, request: &str, change: fn(&mut TenantId, &mut LeaseSpec)) -> LeaseId {
    let lease = rack.lease_as(request, change);
    for name in rack.group(lease) {
        rack.work(&name, StateName::Leased);
    }
    lease
}

fn get(rack: &Rack, lease: LeaseId) -> &Lease {
    rack.world.leases.get(lease).expect("it is remembered")
}

/// Which of these have to give way.
fn told(rack: &Rack, leases: &[LeaseId]) -> Vec<usize> {
    let is_told = |(_, lease): &(usize, &LeaseId)| get(rack, **lease).course.notice.is_some();
    leases.iter().enumerate().filter(is_told).map(|(index, _)| index).collect()
}

#[test]
fn it_is_told_and_gives_way_and_goes_back_with_its_age() {
    let mut rack = rack(&["a"]);
    let victim = active(&mut rack, "1 any", preemptible);
    let requested = get(&rack, victim).requested;
    rack.tell(rack.agent("a", Profile::Tenant, hello(1, &[]))).unwrap();
    let run = rack.run(victim, "nightly");
    rack.tell(rack.agent("a", Profile::Tenant, Report::RunStarted { run })).unwrap();
    rack.heard();
    let other = rack.lease_as("1 any", urgent);
    let notice = get(&rack, victim).course.notice.expect("it is told");
    assert_eq!((notice.to, notice.at), (other, Timestamp(rack.now.0 + GRACE)));
    assert_eq!(rack.heard(), ["lease-requested", "lease-preemption"]);
    assert!(rack.why(victim).starts_with("in the tenant's hands; gives way to lease"));
    rack.wait_ms(GRACE - SECOND);
    assert!(matches!(rack.lease_state(victim), LeaseState::Active { .. }), "not before");
    rack.wait();
    assert_eq!(rack.heard(), ["lease-preempted"]);
    let lost = &rack.world.runs.get(run).unwrap().tasks[0].state;
    assert!(
        matches!(lost, TaskState::Lost { reason, .. } if *reason == format!("the lease gave way to lease {other}"))
    );
    let back = get(&rack, victim);
    assert_eq!((back.requested, back.waits_from()), (requested, requested), "its age is kept");
    assert_eq!(
        back.latest_start(),
        Some(Timestamp(rack.now.0 + rack.world.meta.busy.window_ms())),
        "and it is promised something anew"
    );
    let interruption = &back.course.interruptions[0];
    assert_eq!((interruption.to, interruption.at, interruption.had.len()), (other, rack.now, 1));
    assert_eq!(rack.state("a"), StateName::Cleaning, "nobody finds what it left");
    rack.clean("a");
    assert_eq!(rack.group(other), ["a"]);
    rack.restart();
    rack.work("a", StateName::Leased);
    rack.release(other);
    rack.clean("a");
    assert_eq!(rack.group(victim), ["a"]);
}

/// Who gives way to a request for so many machines, of some leases on machines of their own.
#[test]
fn only_those_give_way_who_may_and_who_help() {
    type Change = fn(&mut TenantId, &mut LeaseSpec);
    type Case<'a> = (&'a [(&'a str, Change)], &'a str, Change, &'a [usize]);
    let cases: [Case<'_>; 8] = [
        (&[("1 any", long)], "1 any", urgent, &[]),
        (&[("1 any", preemptible)], "1 any", long, &[]),
        (&[("1 any", preemptible)], "1 any", urgent, &[0]),
        // The youngest of the smallest.
        (&[("1 any", preemptible), ("1 any", preemptible), ("2 any", preemptible)], "1 any", urgent, &[1]),
        (&[("1 any", preemptible), ("1 any", preemptible), ("2 any", preemptible)], "2 any", urgent, &[0, 1]),
        // Of those that came first, whoever does not help in the end is spared.
        (&[("1 any", preemptible), ("2 any", preemptible)], "2 any", urgent, &[1]),
        // Not all together suffice.
        (&[("1 any", preemptible), ("1 any", long)], "2 any", urgent, &[]),
        (&[("1 any among a", preemptible), ("1 any among b", preemptible)], "1 any among a", urgent, &[0]),
    ];
    for (leases, request, change, expected) in cases {
        let hosts: usize = leases.iter().map(|(words, _)| words[..1].parse::<usize>().unwrap()).sum();
        let mut rack = rack(&["a", "b", "c", "d"][..hosts]);
        let leases: Vec<_> = leases.iter().map(|(words, change)| active(&mut rack, words, *change)).collect();
        rack.lease_as(request, change);
        assert_eq!(told(&rack, &leases), expected, "{request} beside {leases:?}");
    }
}

#[test]
fn nobody_gives_way_to_whom_it_would_not_help() {
    // A machine is back sooner than the notice would be over.
    let mut soon = rack(&["a", "b"]);
    let short = soon.lease_as("1 any among b", |_, spec| spec.duration_ms = MINUTE);
    soon.work("b", StateName::Leased);
    let victim = active(&mut soon, "1 any among a", preemptible);
    soon.lease_as("1 any", urgent);
    assert_eq!(told(&soon, &[victim, short]), [] as [usize; 0]);
    // The quota of its tenant keeps it waiting.
    let mut barred = rack(&["a"]);
    barred.set(&[Setting::Machines(Some(1))]);
    let victim = active(&mut barred, "1 any", preemptible);
    barred.lease_as("1 any", urgent);
    assert_eq!(told(&barred, &[victim]), [] as [usize; 0]);
}

/// Until they are there, nobody else gets the machines that were given up, however old.
#[test]
fn the_machines_are_kept_for_whom_they_were_given_up() {
    let mut rack = rack(&["a", "b"]);
    let victim = active(&mut rack, "1 any among a", preemptible);
    let other = active(&mut rack, "1 any among b", preemptible);
    let pair = rack.lease_as("2 any", urgent);
    assert_eq!(told(&rack, &[victim, other]), [0, 1]);
    rack.release(victim);
    rack.clean("a");
    let batch = rack.lease("1 any");
    assert_eq!(rack.group(batch).len(), 0, "it would not be done when b is there");
    rack.restart();
    rack.wait_ms(GRACE);
    assert!(matches!(rack.lease_state(other), LeaseState::Queued { .. }));
    assert_eq!((rack.group(batch).len(), rack.group(pair).len()), (0, 0));
    rack.clean("b");
    assert_eq!(rack.group(pair), ["a", "b"]);
}

#[test]
fn whose_machines_are_not_needed_any_more_goes_on() {
    let mut rack = rack(&["a"]);
    let victim = active(&mut rack, "1 any", preemptible);
    let other = rack.lease_as("1 any", urgent);
    rack.heard();
    rack.release(other);
    assert_eq!(told(&rack, &[victim]), [] as [usize; 0]);
    assert_eq!(rack.heard(), ["lease-ended", "lease-preemption-withdrawn"]);
    rack.wait_ms(2 * GRACE);
    assert!(matches!(rack.lease_state(victim), LeaseState::Active { .. }));
}

/// What failed on a lease is no reason to keep its machines once it was told to give way.
#[test]
fn whoever_gives_way_is_not_held() {
    let mut rack = rack(&["a"]);
    let victim = active(&mut rack, "1 any", |tenant, spec| {
        preemptible(tenant, spec);
        spec.terms.hold_ms = Some(4 * HOUR);
    });
    let run = rack.run(victim, "fails");
    let result = TaskResult { exit_code: 3, ..TaskResult::default() };
    let report = rack.agent("a", Profile::Tenant, Report::RunFinished { run, result });
    rack.accept(report);
    let other = rack.lease_as("1 any", urgent);
    assert_eq!(told(&rack, &[victim]), [0]);
    rack.release(victim);
    rack.clean("a");
    assert_eq!(rack.group(other), ["a"]);
}

/// What was to be done soon, by all that was likely, is not.
#[test]
fn it_is_asked_again_whether_somebody_gives_way() {
    let mut rack = rack(&["a"]);
    for _ in 0..6 {
        let short = active(&mut rack, "1 any", preemptible);
        rack.wait_ms(MINUTE);
        rack.release(short);
        rack.clean("a");
    }
    let victim = active(&mut rack, "1 any", preemptible);
    let other = rack.lease_as("1 any", urgent);
    assert_eq!(told(&rack, &[victim]), [] as [usize; 0], "it takes a minute, as ever");
    let began = rack.now;
    while told(&rack, &[victim]).is_empty() {
        assert!(rack.now < Timestamp(began.0 + HOUR), "nobody has asked");
        rack.wait();
    }
    rack.wait_ms(GRACE);
    assert_eq!(get(&rack, victim).course.assigned, None, "it has no machines any more");
    rack.clean("a");
    assert_eq!(rack.group(other), ["a"]);
}

#[test]
fn others_give_way_if_what_was_given_up_fails() {
    let mut rack = rack(&["a", "b"]);
    let old = active(&mut rack, "1 any among a", preemptible);
    let young = active(&mut rack, "1 any among b", preemptible);
    let other = rack.lease_as("1 any", urgent);
    assert_eq!(told(&rack, &[old, young]), [1]);
    rack.wait_ms(GRACE);
    assert_eq!(told(&rack, &[old]), [] as [usize; 0], "b is being cleaned");
    rack.fail("b");
    assert_eq!(told(&rack, &[old]), [0]);
    rack.wait_ms(GRACE);
    rack.clean("a");
    assert_eq!(rack.group(other), ["a"]);
}

#[test]
fn whoever_gives_way_gets_no_other_machine() {
    let mut rack = rack(&["a", "b", "c"]);
    let victim = active(&mut rack, "1 any", preemptible);
    rack.accept(replace(victim, "k", "a"));
    assert_eq!(rack.group(victim), ["b"]);
    rack.fail("a");
    rack.lease_as("2 any", urgent);
    assert_eq!(told(&rack, &[victim]), [0]);
    rack.fail("b");
    assert_eq!((rack.group(victim), rack.node("c").is_free()), (Vec::new(), true));
}

/// What gave way once gets something done before it does so again.
#[test]
fn nobody_gives_way_twice_within_a_day() {
    let mut rack = rack(&["a"]);
    let victim = rack.lease_as("1 any", |_, spec| {
        (spec.duration_ms, spec.max_wait_ms, spec.terms.grace_ms) = (100 * HOUR, 100 * HOUR, Some(GRACE));
    });
    rack.work("a", StateName::Leased);
    let first = rack.lease_as("1 any", urgent);
    rack.wait_ms(GRACE);
    rack.clean("a");
    rack.work("a", StateName::Leased);
    rack.release(first);
    rack.clean("a");
    rack.work("a", StateName::Leased);
    let second =
        rack.lease_as("1 any", |_, spec| (spec.terms.priority, spec.max_wait_ms) = (Band::Gate, 100 * HOUR));
    assert_eq!(told(&rack, &[victim]), [] as [usize; 0]);
    rack.wait_ms(25 * HOUR);
    assert_eq!(told(&rack, &[victim]), [0]);
    assert!(get(&rack, second).course.claim.is_some());
}

/// The bound on waiting does not count what it had machines for.
#[test]
fn waiting_begins_anew() {
    let mut rack = rack(&["a"]);
    let victim = rack.lease_as("1 any", |_, spec| {
        (spec.duration_ms, spec.max_wait_ms, spec.terms.grace_ms) = (100 * HOUR, HOUR, Some(GRACE));
    });
    rack.work("a", StateName::Leased);
    rack.wait_ms(3 * HOUR);
    rack.lease_as("1 any", |_, spec| (spec.duration_ms, spec.terms.priority) = (9 * HOUR, Band::Gate));
    rack.wait_ms(GRACE);
    rack.clean("a");
    rack.wait_ms(HOUR - MINUTE * 2);
    assert!(matches!(rack.lease_state(victim), LeaseState::Queued { .. }));
    rack.wait_ms(2 * MINUTE);
    let LeaseState::Closed { ended, .. } = rack.lease_state(victim) else { panic!("it waits") };
    assert_eq!(ended.reason, CloseReason::WaitedTooLong, "{}", ended.detail);
}

#[test]
fn what_is_not_possible_is_refused() {
    let mut rack = rack(&["a"]);
    for grace_ms in [MINUTE - 1, HOUR + 1] {
        let input = rack.ask_as("1 any", |_, spec| spec.terms.grace_ms = Some(grace_ms));
        let refusal = Refusal::Invalid("grace: at least a minute and at most an hour".into());
        assert_eq!(rack.refuse(input), refusal);
    }
    let victim = active(&mut rack, "1 any", preemptible);
    let other = rack.lease_as("1 any", urgent);
    let wanted = MoreTime::By(HOUR);
    let input = Input::ExtendLease { lease: victim, key: "more".into(), wanted, author: "kim".into() };
    let at = get(&rack, victim).course.notice.unwrap().at.utc();
    let text = format!("lease {victim} gives way to lease {other} at {at}");
    assert_eq!(rack.refuse(input), Refusal::Conflict(text));
}
