//! How many machines of a pool are started at once.

use crate::given::spec;
use crate::rack::Rack;
use hostler_core::attempt::{EvidenceKind, PowerOutcome, Rung, Stage};
use hostler_core::boot::{self, BootPlan, NetworkEvidence};
use hostler_core::explain;
use hostler_core::input::{AdminAction, Input, Refusal, Reply};
use hostler_core::node::{NodeSpec, StateName};
use hostler_core::pool::{Limits, census};

fn set(rack: &mut Rack, pool: &str, max_booting: Option<u32>, max_booting_per_rack: Option<u32>) -> Reply {
    let limits = Limits { max_booting, max_booting_per_rack, ..Limits::default() };
    rack.accept(Input::SetPool { author: "ada".into(), name: pool.into(), limits })
}

/// Machines that were just registered in a pool of which so many may start at once.
fn registered(max_booting: u32, machines: &[&str]) -> Rack {
    let mut rack = Rack::new();
    set(&mut rack, "lab", Some(max_booting), None);
    for machine in machines {
        rack.register(spec(machine));
    }
    rack
}

fn standing(machine: &str, place: &str) -> NodeSpec {
    NodeSpec { rack: Some(place.into()), ..spec(machine) }
}

/// The machines that got a power order since this was last asked.
fn powered(rack: &mut Rack) -> Vec<String> {
    rack.powered().into_iter().map(|(name, _)| name).collect()
}

fn why(rack: &Rack, name: &str) -> String {
    explain::node(&rack.world, rack.node(name))
}

#[test]
fn the_first_come_start_first_and_the_others_say_what_they_wait_for() {
    let mut rack = registered(2, &["d", "c", "b", "a"]);
    assert_eq!(powered(&mut rack), ["d", "c"]);
    let full = "waits to be powered on: 2 of 2 machines of pool lab are starting";
    assert_eq!([why(&rack, "b"), why(&rack, "a")], [full, full]);
    rack.work_to("c", Stage::Firmware);
    while rack.stage("c") < Stage::Enrolled {
        assert_eq!(powered(&mut rack), [""; 0], "{:?}", rack.boot("c"));
        rack.word("c");
    }
    assert_eq!(powered(&mut rack), ["b"], "its ramdisk's agent is there");
    rack.work_to("d", Stage::Enrolled);
    assert_eq!(powered(&mut rack), ["a"]);
    for name in ["a", "b", "c", "d"] {
        rack.work(name, StateName::Ready);
    }
}

#[test]
fn a_full_rack_keeps_nobody_of_another_waiting() {
    let mut rack = Rack::new();
    set(&mut rack, "lab", Some(3), Some(1));
    for (machine, place) in [("a", "r1"), ("b", "r1"), ("c", "r2"), ("d", "r3"), ("e", "r4")] {
        rack.register(standing(machine, place));
    }
    rack.register(spec("nowhere"));
    rack.register(spec("other x86_64 far"));
    assert_eq!(powered(&mut rack), ["a", "c", "d", "other"]);
    rack.work_to("d", Stage::Enrolled);
    assert_eq!(powered(&mut rack), ["e"], "b still waits for its rack");
    assert_eq!(why(&rack, "b"), "waits to be powered on: 3 of 3 machines of pool lab are starting");
    rack.work_to("c", Stage::Enrolled);
    assert_eq!(powered(&mut rack), ["nowhere"], "who stands nowhere is bound by the pool alone");
    rack.work_to("nowhere", Stage::Enrolled);
    assert_eq!(
        why(&rack, "b"),
        "waits to be powered on: 1 of 1 machines of pool lab in rack r1 are starting"
    );
    rack.work_to("a", Stage::Enrolled);
    assert_eq!(powered(&mut rack), ["b"]);
}

#[test]
fn who_waits_runs_out_of_no_time() {
    let mut rack = registered(1, &["a", "b"]);
    let minted = rack.boot("b").id;
    let mut attempts = powered(&mut rack);
    while rack.state("a") != StateName::Failed {
        assert_eq!((rack.node("b").deadline, rack.boot("b").id), (None, minted));
        rack.wait_for("a");
        attempts.extend(powered(&mut rack));
    }
    assert_eq!(attempts, ["a", "a", "a", "a", "b"], "who counts already does not wait for itself");
    let timing = &rack.world.timing;
    let (now, boot) = (rack.now, rack.boot("b"));
    let answered_by = now.0 + timing.power_ms;
    assert_eq!((boot.ordered, rack.node("b").deadline.map(|d| d.0)), (now, Some(answered_by)));
    assert_eq!(boot.token_expires.0, answered_by + timing.firmware_ms + timing.enrol_ms);
    rack.work("b", StateName::Ready);
}

/// What is heard of a machine that waits is of the boot before.
#[test]
fn nothing_is_believed_of_a_boot_that_was_not_ordered_yet() {
    let mut rack = registered(1, &["a", "b"]);
    let seen = rack.network("b", NetworkEvidence::Script);
    rack.accept(seen);
    assert!(!rack.boot("b").was_seen());
    let plan = BootPlan::Wait { reason: "this boot waits to be powered on".into() };
    assert_eq!(boot::decide(rack.node("b")), plan);
    let answer = rack.ack("b");
    rack.accept(answer);
    assert_eq!(rack.boot("b").power, PowerOutcome::Waiting);
    let enrol = rack.enrol("b");
    assert!(matches!(rack.refuse(enrol), Refusal::Forbidden(_)));
    assert!(rack.boot("b").seen(EvidenceKind::Enrolled).is_none());
}

#[test]
fn groups_and_their_ends_take_turns_as_well() {
    let mut rack = Rack::with_cold(&["a", "b", "c"]);
    set(&mut rack, "lab", Some(2), None);
    let lease = rack.lease("3 any");
    let group = rack.group(lease);
    assert_eq!(powered(&mut rack), group[..2]);
    rack.release(lease);
    assert_eq!(powered(&mut rack), group[..2], "they are starting already; the third still waits");
    assert!(why(&rack, &group[2]).starts_with("waits to be powered on: 2 of 2"), "{}", why(&rack, &group[2]));
    rack.work(&group[0], StateName::Ready);
    assert_eq!(powered(&mut rack), group[2..]);
}

#[test]
fn a_restart_changes_nothing_about_whose_turn_it_is() {
    let mut rack = registered(1, &["a", "b", "c"]);
    powered(&mut rack);
    rack.restart();
    assert_eq!(powered(&mut rack), [""; 0], "whether a was powered is not known: it counts");
    assert_eq!(rack.boot("b").power, PowerOutcome::Waiting);
    let answer = rack.ack("a");
    rack.accept(answer);
    rack.work_to("a", Stage::Enrolled);
    assert_eq!(powered(&mut rack), ["b"]);
    rack.restart();
    rack.admin("b", AdminAction::Retire).unwrap();
    assert_eq!(powered(&mut rack), ["c"], "who is taken out of service makes room");
}

#[test]
fn a_machine_that_is_tried_again_later_waits_its_turn() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.admin("a", AdminAction::Repair).unwrap();
    rack.work_to("a", Stage::Inspect);
    set(&mut rack, "lab", Some(1), None);
    rack.admin("b", AdminAction::Repair).unwrap();
    rack.word("b");
    rack.powered();
    rack.wait_for("a");
    assert_eq!(rack.powered(), []);
    assert_eq!(
        why(&rack, "a"),
        "waits to be powered on: 1 of 1 machines of pool lab are starting (second try: inspection took too long); \
         it proves itself before anybody gets it"
    );
    rack.work_to("b", Stage::Enrolled);
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::Repeat)]);
}

#[test]
fn bounds_are_said_taken_back_and_counted() {
    let mut rack = registered(1, &["a", "b", "c"]);
    powered(&mut rack);
    let count = |rack: &Rack| {
        let pools = census(&rack.world);
        let lab = pools["lab"][&None];
        [lab.machines, lab.starting, lab.waiting]
    };
    assert_eq!(count(&rack), [3, 1, 2]);
    let first = set(&mut rack, "lab", None, Some(1));
    assert_eq!(powered(&mut rack), [""; 0], "what is not said stays");
    assert_eq!(set(&mut rack, "lab", Some(2), None), first, "it is the same pool");
    assert_eq!(powered(&mut rack), ["b"]);
    set(&mut rack, "lab", Some(1), None);
    assert_eq!(count(&rack), [3, 2, 1], "nobody is switched off");
    rack.work_to("a", Stage::Enrolled);
    assert_eq!(powered(&mut rack), [""; 0]);
    set(&mut rack, "lab", Some(0), None);
    assert_eq!(powered(&mut rack), ["c"]);
    set(&mut rack, "empty", Some(1), None);
    assert!(census(&rack.world)["empty"].is_empty());
    let limits = Limits::default();
    let refusal = rack.refuse(Input::SetPool { author: "ada".into(), name: "No Pool".into(), limits });
    assert!(matches!(&refusal, Refusal::Invalid(why) if why.starts_with("pool name")), "{refusal}");
}
