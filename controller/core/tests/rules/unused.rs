//! Machines that nobody uses: which of them stay powered, and which are looked at anew.

use crate::given::{bmc, spec};
use crate::rack::{Rack, SECOND};
use hostler_core::attempt::{PowerOutcome, Purpose, Rung};
use hostler_core::explain;
use hostler_core::input::{Input, PowerResult, Refusal, Reply};
use hostler_core::keep::KeepChange;
use hostler_core::node::{BmcSpec, HoldKind, StateName};
use hostler_core::pool::{Limits, census};
use hostler_core::standby::Standby;

const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

fn set(rack: &mut Rack, keep: KeepChange) -> Result<Reply, Refusal> {
    let limits = Limits { keep, ..Limits::default() };
    rack.tell(Input::SetPool { author: "ada".into(), name: "lab".into(), limits })
}

/// Those that nobody uses for half an hour are powered off, but for so many.
fn idle_off(warm: u32) -> KeepChange {
    KeepChange { warm: Some(warm), idle_off_ms: Some(30 * MINUTE), ..KeepChange::default() }
}

fn refresh() -> KeepChange {
    KeepChange { refresh_ms: Some(24 * HOUR), ..KeepChange::default() }
}

/// A rack of which this is said.
fn kept(machines: &[&str], keep: KeepChange) -> Rack {
    let mut rack = Rack::with(machines);
    set(&mut rack, keep).expect("a setting that makes sense");
    rack
}

/// The BMC of a machine says that it did as it was told.
fn obeyed(rack: &mut Rack, name: &str) {
    let ack = rack.ack(name);
    rack.accept(ack);
}

fn powered(rack: &mut Rack) -> Vec<String> {
    rack.powered().into_iter().map(|(name, _)| name).collect()
}

fn standby(rack: &Rack, name: &str) -> Standby {
    rack.node(name).standby().unwrap_or_else(|| panic!("{name} is {:?}", rack.state(name)))
}

fn why(rack: &Rack, name: &str) -> String {
    explain::node(&rack.world, rack.node(name))
}

#[test]
fn unless_something_is_said_they_stay_as_they_are() {
    let mut rack = Rack::with(&["a", "b"]);
    assert_eq!(rack.world.next_deadline(), None);
    rack.wait_ms(1_000 * HOUR);
    assert_eq!((rack.powered(), standby(&rack, "a")), (Vec::new(), Standby::Warm));
}

#[test]
fn those_that_nobody_uses_are_powered_off_but_for_as_many_as_are_to_be_warm() {
    let mut rack = kept(&["a", "b", "c"], idle_off(1));
    rack.wait();
    assert_eq!(powered(&mut rack), ["a"], "the longest unused");
    assert!(
        why(&rack, "a").starts_with("wiped and free; being powered off: unused for 30 min"),
        "{}",
        why(&rack, "a")
    );
    assert_eq!(rack.boot("a").purpose, Purpose::Rest);
    obeyed(&mut rack, "a");
    assert!(
        why(&rack, "a").starts_with("wiped and free; powered off: unused for 30 min"),
        "{}",
        why(&rack, "a")
    );
    rack.wait();
    assert_eq!(powered(&mut rack), ["b"]);
    obeyed(&mut rack, "b");
    assert_eq!(rack.world.next_deadline(), None, "one stays warm");
    let counts = census(&rack.world)["lab"][&None];
    assert_eq!((counts.machines, counts.warm, counts.off), (3, 1, 2));

    let lease = rack.lease("1 any");
    assert_eq!((rack.group(lease), powered(&mut rack)), (vec!["c".to_owned()], vec!["a".to_owned()]));
    assert!(
        why(&rack, "a").contains("pool lab keeps 1 machines warm"),
        "another takes its place: {}",
        why(&rack, "a")
    );
    rack.work("a", StateName::Ready);
    assert_eq!(standby(&rack, "a"), Standby::Warm);
    let lease = rack.lease("2 any");
    assert_eq!(rack.group(lease), ["a", "b"], "whoever needs more boots one");
    assert_eq!(powered(&mut rack), ["b"]);
    rack.work("b", StateName::Leased);
}

#[test]
fn no_more_have_power_than_the_pool_has_for_them() {
    let mut rack = kept(&["a", "b", "c"], KeepChange { max_powered: Some(2), ..KeepChange::default() });
    assert_eq!(powered(&mut rack), ["a"], "at once");
    assert!(why(&rack, "a").contains("pool lab has power for 2 unused machines"), "{}", why(&rack, "a"));
    obeyed(&mut rack, "a");
    let lease = rack.active("1 any among b");
    assert_eq!(
        powered(&mut rack),
        Vec::<String>::new(),
        "who has a tenant does not count, and nobody is to be warm"
    );
    rack.release(lease);
    rack.powered();
    rack.work("b", StateName::Ready);
    assert_eq!(powered(&mut rack), Vec::<String>::new(), "two have power again");
    let refusal = set(&mut rack, KeepChange { warm: Some(3), ..KeepChange::default() }).unwrap_err();
    assert_eq!(refusal.to_string(), "warm: 3 machines, but max_powered is 2: raise that first");
}

#[test]
fn as_many_are_spared_as_were_asked_for_of_late() {
    let mut rack = kept(&["a", "b", "c"], idle_off(0));
    for _ in 0..2 {
        let lease = rack.active("1 any");
        let name = rack.group(lease).remove(0);
        rack.release(lease);
        rack.work(&name, StateName::Ready);
    }
    rack.powered();
    rack.wait_ms(31 * MINUTE);
    assert_eq!(powered(&mut rack), ["c"], "two were leased within this hour or the one before");
    obeyed(&mut rack, "c");
    rack.wait_ms(2 * HOUR);
    assert_eq!(powered(&mut rack), ["a", "b"], "nobody asks any more");
}

#[test]
fn who_is_off_boots_for_a_lease_and_its_old_agent_is_not_believed() {
    let mut rack = Rack::with(&["a"]);
    let old = rack.agent("a", hostler_core::input::Profile::Ramdisk, hostler_core::input::Report::Back);
    set(&mut rack, idle_off(0)).unwrap();
    rack.wait();
    rack.powered();
    rack.refuse(old);
    let off = rack.ack("a");
    rack.lease("1 any");
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::First)], "whether it is off or not");
    let before = rack.node("a").clone();
    rack.accept(off);
    assert_eq!(*rack.node("a"), before, "that attempt is over");
    rack.work("a", StateName::Leased);
}

#[test]
fn a_machine_that_does_not_go_off_is_tried_once_more_and_then_looked_at() {
    let mut rack = kept(&["a"], idle_off(0));
    rack.wait();
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::First)]);
    let failed = rack.answer("a", PowerResult::Failed { detail: "the chassis is still on".into() });
    rack.accept(failed);
    let unknown = "whether it is off is unknown: the chassis is still on";
    assert!(why(&rack, "a").ends_with(unknown), "{}", why(&rack, "a"));
    rack.wait_for("a");
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::Repeat)]);
    rack.wait_for("a");
    assert!(matches!(rack.boot("a").power, PowerOutcome::Unknown { .. }), "nobody answered");
    rack.wait_for("a");
    assert_eq!(
        (rack.state("a"), rack.powered()),
        (StateName::Inspecting, vec![("a".to_owned(), Rung::First)])
    );
    assert_eq!(rack.boot("a").because.as_deref(), Some("it could not be powered off: no answer in time"));
    assert!(rack.heard().contains(&"power-off-failed".to_owned()));
    rack.work("a", StateName::Ready);
}

#[test]
fn a_refused_account_is_not_tried_again() {
    let mut rack = kept(&["a"], idle_off(0));
    rack.wait();
    rack.powered();
    let denied = rack.answer("a", PowerResult::Denied { detail: "no".into() });
    rack.accept(denied);
    assert_eq!((rack.state("a"), rack.powered()), (StateName::Failed, Vec::new()));
    assert_eq!(rack.holds("a"), [HoldKind::Quarantine]);
}

#[test]
fn a_restart_of_the_controller_changes_nothing_but_that_an_answer_is_not_waited_for() {
    let mut rack = kept(&["a", "b"], idle_off(1));
    rack.wait();
    assert_eq!(powered(&mut rack), ["a"]);
    rack.restart();
    assert!(matches!(rack.boot("a").power, PowerOutcome::Unknown { .. }));
    assert_eq!((standby(&rack, "a"), standby(&rack, "b")), (Standby::Off, Standby::Warm));
    rack.wait_for("a");
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::Repeat)]);
    obeyed(&mut rack, "a");
    assert_eq!(rack.world.next_deadline(), None);
}

#[test]
fn who_shares_a_bmc_or_is_held_is_left_alone() {
    let mut rack = Rack::new();
    for name in ["a", "b"] {
        let spec = spec(name);
        let shared = BmcSpec { address: "chassis:623".into(), shared: true, ..bmc(&spec) };
        rack.accept(Input::Apply { author: "ada".into(), nodes: vec![(spec, shared)] });
    }
    rack.register(spec("c"));
    ["a", "b", "c"].into_iter().for_each(|name| rack.work(name, StateName::Ready));
    let drain = hostler_core::input::AdminAction::drain("a fan");
    rack.admin("c", drain).unwrap();
    rack.powered();
    set(&mut rack, idle_off(0)).unwrap();
    rack.wait_ms(24 * HOUR);
    assert_eq!(rack.powered(), []);
    rack.admin("c", hostler_core::input::AdminAction::Resume).unwrap();
    assert_eq!(powered(&mut rack), ["c"]);
}

#[test]
fn whoever_is_waited_for_is_left_alone() {
    let mut rack = kept(&["a", "b x86_64", "c aarch64"], idle_off(0));
    let lease = rack.active("1 any among b");
    rack.powered();
    let big = rack.lease("2 x86_64");
    rack.wait_ms(31 * MINUTE);
    assert_eq!(powered(&mut rack), ["c"], "a waits for b, and nobody for c");
    rack.release(lease);
    rack.clean("b");
    assert_eq!(rack.group(big), ["a", "b"]);
}

#[test]
fn those_that_nobody_used_for_a_day_are_looked_at_anew_two_at_a_time() {
    let mut rack = kept(&["a", "b", "c"], refresh());
    rack.wait_ms(24 * HOUR);
    assert_eq!(powered(&mut rack), ["a", "b"]);
    assert!(why(&rack, "a").contains("nobody has used it for 1 d"), "{}", why(&rack, "a"));
    rack.work("a", StateName::Ready);
    assert_eq!(powered(&mut rack), ["c"]);
    ["b", "c"].into_iter().for_each(|name| rack.work(name, StateName::Ready));
    let next = rack.world.next_deadline().expect("another day");
    assert!(next.since(rack.now).as_secs() > 23 * 3600);
}

#[test]
fn one_that_died_in_silence_is_found_where_it_was_to_be_warm() {
    let mut rack = kept(&["a"], KeepChange { warm: Some(1), ..KeepChange::default() });
    rack.chill("a");
    assert_eq!(rack.powered(), [], "it may be the network");
    rack.wait_for("a");
    assert_eq!((rack.state("a"), powered(&mut rack)), (StateName::Inspecting, vec!["a".to_owned()]));
}
