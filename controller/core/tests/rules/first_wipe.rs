//! Whose disks are wiped without asking, and whose are not.

use crate::given::{disk, spec, wiped};
use crate::rack::Rack;
use hostler_core::attempt::{Rung, Stage};
use hostler_core::input::{AdminAction, Input, Profile, Refusal, Report};
use hostler_core::node::{Disk, FirstWipe, HoldKind, Inventory, NodeSpec, StateName};
use hostler_core::order::{self, Order};

/// A machine whose agent reads these disks, after its inspection.
fn inspected(spec: NodeSpec, disks: Vec<Disk>) -> Rack {
    let mut rack = Rack::new();
    rack.register(spec);
    let inventory = Inventory { disks, ..rack.inventory("a") };
    rack.inventories.insert("a".into(), inventory);
    rack.work_to("a", Stage::Idle);
    rack
}

#[track_caller]
fn check(spec: NodeSpec, disks: Vec<Disk>, held_because: Option<&str>) {
    let rack = inspected(spec, disks);
    let hold = rack.node("a").holds.get(&HoldKind::AwaitingFirstWipe);
    assert_eq!(hold.map(|h| h.reason.as_str()), held_because);
    let expected = if held_because.is_some() { Stage::Idle } else { Stage::Wipe };
    assert_eq!((rack.state("a"), rack.stage("a")), (StateName::Cleaning, expected));
}

#[test]
fn empty_disks_of_the_registered_machine_are_wiped_at_once() {
    check(spec("a"), vec![disk("D1", true), disk("D2", true)], None);
    check(spec("a"), vec![], None);
}

#[test]
fn disks_that_are_not_empty_wait_for_an_approval() {
    let reason = "not empty: /dev/disk/D2 (Spin, serial \"D2\", 1099 GB)";
    check(spec("a"), vec![disk("D1", true), disk("D2", false)], Some(reason));
}

#[test]
fn a_machine_without_registered_identity_waits_for_an_approval() {
    let anonymous = NodeSpec { serial: None, uuid: None, ..spec("a") };
    let reason = "neither serial nor UUID is registered: is this the machine?";
    check(anonymous, vec![disk("D1", true)], Some(reason));
    let uuid = Some("00112233-4455-6677-8899-aabbccddeeff".to_owned());
    check(NodeSpec { serial: None, uuid, ..spec("a") }, vec![disk("D1", true)], None);
}

#[test]
fn kept_and_remote_disks_are_not_asked_about_and_not_wiped() {
    let keep = NodeSpec { keep_disks: ["D2".to_owned()].into(), ..spec("a") };
    let remote = Disk { remote: true, ..disk("SAN", false) };
    check(keep.clone(), vec![disk("D1", true), disk("D2", false), remote.clone()], None);
    let mut rack = inspected(keep, vec![disk("D1", true), disk("D2", false), remote]);
    let (task, order) = order::for_ramdisk(&rack.world, rack.id("a")).unwrap();
    assert_eq!(order, Order::Wipe { keep: vec!["D2".into()] });
    // The agent answers for D1 alone, and that is enough.
    let disks = wiped(rack.node("a")).into_iter().filter(|w| w.serial == "D1").collect();
    let report = rack.agent("a", Profile::Ramdisk, Report::Wiped { task, disks });
    rack.accept(report);
    assert_eq!(rack.state("a"), StateName::Ready);
}

#[test]
fn an_approval_begins_the_wipe_and_is_needed_once() {
    let mut rack = inspected(spec("a"), vec![disk("D1", false)]);
    rack.admin("a", AdminAction::ApproveWipe).unwrap();
    assert_eq!((rack.stage("a"), rack.holds("a")), (Stage::Wipe, vec![]));
    rack.work("a", StateName::Ready);
    assert_eq!(rack.node("a").first_wipe, FirstWipe::Done);
    let refusal = rack.admin("a", AdminAction::ApproveWipe).unwrap_err();
    assert!(matches!(refusal, Refusal::Conflict(_)), "{refusal}");
    // The same disk, full again after a lease, is wiped without asking.
    rack.active("1 any");
    rack.release(hostler_core::ids::LeaseId(1));
    rack.work("a", StateName::Ready);
}

#[test]
fn an_approval_may_come_before_the_question() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    rack.inventories.insert("a".into(), Inventory { disks: vec![disk("D1", false)], ..rack.inventory("a") });
    rack.admin("a", AdminAction::ApproveWipe).unwrap();
    rack.work("a", StateName::Ready);
}

#[test]
fn an_approval_that_never_comes_ends_the_wait() {
    let mut rack = inspected(spec("a"), vec![disk("D1", false)]);
    rack.wait_for("a");
    assert_eq!(rack.state("a"), StateName::Failed);
    assert_eq!(rack.holds("a"), [HoldKind::Quarantine, HoldKind::AwaitingFirstWipe]);
}

/// An agent that falls silent while an approval is awaited is a machine that needs a boot, not one that nobody wanted.
#[test]
fn silence_while_an_approval_is_awaited_drives_the_ladder() {
    let mut rack = inspected(spec("a"), vec![disk("D1", false)]);
    let lost = rack.agent("a", Profile::Ramdisk, Report::Lost);
    rack.accept(lost);
    rack.wait_for("a");
    assert_eq!((rack.state("a"), rack.boot("a").rung), (StateName::Cleaning, Rung::Repeat));
}

/// What was agreed about one machine's disks does not hold for another's.
#[test]
fn a_machine_registered_anew_under_the_name_is_asked_about_again() {
    let anonymous = NodeSpec { serial: None, ..spec("a") };
    for (name, first, second, kept) in [
        ("another serial", spec("a"), NodeSpec { serial: Some("S-new".into()), ..spec("a") }, false),
        ("the same serial on another card", spec("a"), NodeSpec { mac: spec("z").mac, ..spec("a") }, true),
        ("another pool", spec("a"), NodeSpec { pool: "far".into(), ..spec("a") }, true),
        ("another card, no serial", anonymous.clone(), NodeSpec { mac: spec("z").mac, ..anonymous }, false),
    ] {
        let mut rack = inspected(first, vec![disk("D1", false)]);
        rack.admin("a", AdminAction::ApproveWipe).unwrap();
        rack.work("a", StateName::Ready);
        rack.register(second);
        assert_eq!(rack.node("a").first_wipe == FirstWipe::Done, kept, "{name}");
    }
}

/// Two registrations are exchanged while one of the machines is being wiped: that wipe is the other's now.
#[test]
fn a_wipe_does_not_count_for_a_machine_that_took_the_name_meanwhile() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    rack.register(spec("b"));
    rack.work_to("a", Stage::Wipe);
    let report = rack.next_word("a");
    let exchanged = |of: &str, name: &str| {
        let of = spec(of);
        let bmc = crate::given::bmc(&of);
        (NodeSpec { name: name.into(), ..of }, bmc)
    };
    let nodes = vec![exchanged("a", "b"), exchanged("b", "a")];
    rack.accept(Input::Apply { author: "ada".into(), nodes });
    assert_eq!(rack.state("a"), StateName::Inspecting);
    assert!(matches!(rack.tell(report), Err(Refusal::Forbidden(_))));
    assert_eq!(rack.state("a"), StateName::Inspecting);
}

#[test]
fn a_disk_that_came_later_with_data_on_it_is_asked_about() {
    let mut rack = Rack::with(&["a"]);
    let inventory = Inventory { disks: vec![disk("D1", false), disk("new", false)], ..rack.inventory("a") };
    rack.inventories.insert("a".into(), inventory);
    rack.admin("a", AdminAction::Repair).unwrap();
    rack.work_to("a", Stage::Idle);
    let hold = &rack.node("a").holds[&HoldKind::AwaitingFirstWipe];
    assert_eq!(hold.reason, "not empty: /dev/disk/new (Spin, serial \"new\", 1099 GB)");
    rack.admin("a", AdminAction::ApproveWipe).unwrap();
    rack.work("a", StateName::Ready);
}

/// The wipe that was agreed to failed, and the machine that boots again has one disk more.
#[test]
fn an_approval_is_for_the_disks_that_were_seen() {
    for (serial, asked) in [("D1", false), ("new", true)] {
        let mut rack = inspected(spec("a"), vec![disk("D1", false)]);
        rack.admin("a", AdminAction::ApproveWipe).unwrap();
        assert_eq!(rack.stage("a"), Stage::Wipe);
        let mut disks = vec![disk("D1", false)];
        disks.extend((serial == "new").then(|| disk(serial, false)));
        let inventory = Inventory { disks, ..rack.inventory("a") };
        rack.inventories.insert("a".into(), inventory);
        rack.wait_for("a");
        rack.work_to("a", if asked { Stage::Idle } else { Stage::Wipe });
        assert_eq!(rack.node("a").holds.contains_key(&HoldKind::AwaitingFirstWipe), asked, "{serial}");
        assert_eq!(rack.stage("a"), if asked { Stage::Idle } else { Stage::Wipe });
    }
}
