//! What a controller does that finds a world it left in the middle of things.

use crate::given::spec;
use crate::rack::{Rack, SECOND};
use hostler_core::attempt::{PowerOutcome, Rung, Stage};
use hostler_core::input::{Input, Profile, Report};
use hostler_core::node::StateName;

/// Nobody knows whether the command went out. The machine may still show itself, and only then comes a new attempt.
#[test]
fn an_outstanding_attempt_is_waited_for_before_a_new_one_is_made() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    rack.powered();
    rack.restart();
    assert_eq!(rack.powered(), [], "an attempt is not repeated");
    let PowerOutcome::Unknown { detail, .. } = &rack.boot("a").power else { panic!("it is not known") };
    assert_eq!(detail, "the controller was restarted");
    assert_eq!(rack.node("a").deadline.map(|d| d.since(rack.now).as_secs()), Some(600));
    rack.wait_for("a");
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::Repeat)]);
}

#[test]
fn a_machine_that_was_powered_before_the_restart_goes_on() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    let boot = rack.boot("a").id;
    rack.restart();
    rack.work("a", StateName::Ready);
    assert_eq!(rack.boot("a").id, boot);
}

#[test]
fn every_wait_begins_anew() {
    let mut rack = Rack::with_cold(&["a"]);
    rack.lease("1 any");
    for (stage, seconds) in
        [(Stage::Enrolled, 600), (Stage::Inspect, 300), (Stage::Deploy, 2 * 3600), (Stage::Start, 900)]
    {
        rack.work_to("a", stage);
        rack.now.0 += seconds * SECOND - 1;
        rack.restart();
        rack.accept(Input::Tick);
        assert_eq!(rack.stage("a"), stage, "the wait of {stage:?} is not over");
        let left = rack.node("a").deadline.map(|d| d.since(rack.now).as_secs());
        assert_eq!(left, Some(seconds - 1), "{stage:?}");
    }
}

/// The controller was down for longer than the token was good; the machine is still on its way.
#[test]
fn a_token_lasts_as_long_as_its_boot_is_waited_for() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    rack.word("a");
    rack.now.0 += 3600 * SECOND;
    rack.restart();
    assert!(rack.boot("a").token_expires > rack.node("a").deadline.unwrap());
    rack.work("a", StateName::Ready);
}

#[test]
fn silence_begins_anew() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    rack.work_to("a", Stage::Wipe);
    rack.powered();
    let lost = rack.agent("a", Profile::Ramdisk, Report::Lost);
    rack.accept(lost);
    rack.now.0 += 3600 * SECOND;
    rack.restart();
    rack.accept(Input::Tick);
    assert_eq!(rack.powered(), []);
    rack.wait_ms(60 * SECOND);
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::Repeat)]);
}

#[test]
fn a_restart_does_not_shorten_or_lengthen_a_lease() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    let before = rack.lease_state(lease).clone();
    rack.powered();
    rack.restart();
    assert_eq!(*rack.lease_state(lease), before);
    assert_eq!(rack.powered(), []);
}

#[test]
fn the_queue_is_looked_at() {
    let mut rack = Rack::with(&["a"]);
    rack.active("1 any");
    let waiting = rack.lease("1 any");
    rack.restart();
    assert_eq!(rack.world.queue().len(), 1);
    let lease = rack.world.leases.get(waiting).unwrap().clone();
    assert_eq!(rack.world.lease_by_key(lease.tenant, &lease.key), Some(&lease));
}
