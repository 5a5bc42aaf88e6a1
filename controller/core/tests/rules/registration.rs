//! `apply`: idempotent, all or nothing, and it says what it changed.

use crate::given::{bmc, spec};
use crate::rack::Rack;
use hostler_core::input::{AdminAction, Applied, ApplyAction, Input, Refusal, Reply};
use hostler_core::node::{BmcSpec, NodeSpec, Sealed, StateName};
use hostler_core::step::preview_apply;
use std::collections::BTreeSet;

fn apply(nodes: Vec<(NodeSpec, BmcSpec)>) -> Input {
    Input::Apply { author: "ada".into(), nodes }
}

fn given(name: &str) -> (NodeSpec, BmcSpec) {
    let spec = spec(name);
    let bmc = bmc(&spec);
    (spec, bmc)
}

fn shared(name: &str, address: &str) -> (NodeSpec, BmcSpec) {
    let (spec, bmc) = given(name);
    (spec, BmcSpec { address: address.into(), shared: true, ..bmc })
}

fn applied(name: &str, action: ApplyAction, fields: &[&str]) -> Applied {
    let fields = fields.iter().map(|f| (*f).to_owned()).collect();
    Applied { object: format!("node {name}"), action, fields }
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let mut rack = Rack::new();
    let nodes = vec![given("a"), shared("b", "blades:623"), shared("c", "blades:623")];
    let created = ["a", "b", "c"].map(|n| applied(n, ApplyAction::Created, &[]));
    assert_eq!(rack.accept(apply(nodes.clone())), Reply::Applied(created.to_vec()));
    rack.powered();
    let before = crate::given::rows(&rack.world);
    let unchanged = ["a", "b", "c"].map(|n| applied(n, ApplyAction::Unchanged, &[]));
    assert_eq!(rack.accept(apply(nodes)), Reply::Applied(unchanged.to_vec()));
    assert_eq!(crate::given::rows(&rack.world)[1..], before[1..]);
    assert_eq!(rack.powered(), []);
}

#[test]
fn the_preview_says_what_apply_will_change() {
    let mut rack = Rack::with(&["a"]);
    let (mut spec, mut bmc) = given("a");
    spec.pool = "far".into();
    spec.serial = None;
    bmc.user = "root".into();
    bmc.password = Sealed("another".into());
    let expected = [
        "pool lab -> far",
        "serial S-a -> none",
        "bmc.user hostler -> root",
        "bmc.password (sealed) -> (sealed, changed)",
    ];
    let nodes = vec![(spec, bmc)];
    let change = vec![applied("a", ApplyAction::Updated, &expected)];
    assert_eq!(preview_apply(&rack.world, &nodes).unwrap(), change);
    assert_eq!(rack.accept(apply(nodes)), Reply::Applied(change));
}

#[test]
fn what_may_be_another_machine_is_looked_at_anew() {
    let kept: BTreeSet<_> = ["D9".to_owned()].into();
    let spec = |name| NodeSpec { keep_disks: kept.clone(), ..spec(name) };
    for (what, change, looks) in [
        ("pool", NodeSpec { pool: "far".into(), ..spec("a") }, false),
        (
            "a disk to keep more",
            NodeSpec { keep_disks: ["D8", "D9"].map(str::to_owned).into(), ..spec("a") },
            false,
        ),
        ("serial", NodeSpec { serial: Some("S-new".into()), ..spec("a") }, true),
        ("Ethernet address", NodeSpec { mac: spec("z").mac, ..spec("a") }, true),
        ("a disk to keep less", NodeSpec { keep_disks: BTreeSet::new(), ..spec("a") }, true),
        ("IP address", NodeSpec { address: spec("z").address, ..spec("a") }, true),
    ] {
        let mut rack = Rack::new();
        rack.register(spec("a"));
        rack.work("a", StateName::Ready);
        rack.register(change);
        let expected = if looks { StateName::Inspecting } else { StateName::Ready };
        assert_eq!(rack.state("a"), expected, "{what}");
    }
}

#[track_caller]
fn check_refused(rack: &mut Rack, nodes: Vec<(NodeSpec, BmcSpec)>, text: &str) {
    let before = crate::given::rows(&rack.world);
    let refusal = rack.refuse(apply(nodes));
    assert_eq!(refusal.to_string(), text);
    assert_eq!(crate::given::rows(&rack.world)[1..], before[1..], "all or nothing");
}

#[test]
fn what_makes_no_sense_is_refused_as_a_whole() {
    let mut rack = Rack::new();
    let with = |change: fn(&mut NodeSpec, &mut BmcSpec)| {
        let (mut spec, mut bmc) = given("b");
        change(&mut spec, &mut bmc);
        vec![given("a"), (spec, bmc)]
    };
    for (nodes, text) in [
        (with(|s, _| s.name = "a".into()), "name a is given to both a and a"),
        (with(|s, _| s.mac = spec("a").mac), &*format!("mac {} is given to both a and b", spec("a").mac)),
        (
            with(|s, _| s.address = spec("a").address),
            &format!("address {} is given to both a and b", spec("a").address),
        ),
        (
            with(|_, b| b.address = "bmc-a:623".into()),
            "nodes a and b have the same BMC bmc-a:623: set `shared = true` on both if that is so",
        ),
        (with(|_, b| b.cipher_suite = 0), "node b: bmc.cipher_suite is 3 or 17, not 0"),
        (
            with(|s, _| s.firmware = hostler_core::hardware::Firmware::OpenFirmware),
            "node b: no x86_64 machine has openfirmware firmware",
        ),
        (
            with(|s, _| s.name = "../b".into()),
            "node name \"../b\": 1 to 63 lower-case letters, digits or any of \"-.\", beginning with a letter or digit",
        ),
    ] {
        check_refused(&mut rack, nodes, text);
    }
    let (spec, other_account) = shared("b", "blades:623");
    let other_account = BmcSpec { user: "root".into(), ..other_account };
    check_refused(
        &mut rack,
        vec![shared("a", "blades:623"), (spec, other_account)],
        "nodes a and b share the BMC blades:623, and give it different users or cipher suites",
    );
}

#[test]
fn what_belongs_to_another_node_is_refused() {
    let mut rack = Rack::with(&["a"]);
    let (mut spec, bmc) = given("b");
    spec.mac = crate::given::spec("a").mac;
    check_refused(&mut rack, vec![(spec, bmc)], "node b: mac belongs to node a already");
    let (spec, mut bmc) = given("b");
    bmc.address = "bmc-a:623".into();
    check_refused(
        &mut rack,
        vec![(spec, bmc)],
        "nodes a and b have the same BMC bmc-a:623: set `shared = true` on both if that is so",
    );
}

#[test]
fn a_leased_machine_keeps_its_identity() {
    let mut rack = Rack::with(&["a"]);
    rack.active("1 any");
    let (mut spec, bmc) = given("a");
    spec.serial = Some("S-new".into());
    check_refused(
        &mut rack,
        vec![(spec, bmc)],
        "node a is leased: serial S-a -> S-new can be changed when it is given back",
    );
    let (mut spec, bmc) = given("a");
    spec.pool = "far".into();
    rack.accept(apply(vec![(spec, bmc)]));
    assert_eq!(rack.state("a"), StateName::Leased);
}

/// Two nodes may exchange their addresses in one go, and both are found by what they have then: also by a controller
/// that loads the rows.
#[test]
fn addresses_can_be_exchanged() {
    let mut rack = Rack::with(&["a", "b"]);
    let ((mut a, bmc_a), (mut b, bmc_b)) = (given("a"), given("b"));
    std::mem::swap(&mut a.mac, &mut b.mac);
    std::mem::swap(&mut a.address, &mut b.address);
    let (mac_a, mac_b, address_a, address_b) = (a.mac, b.mac, a.address, b.address);
    rack.accept(apply(vec![(a, bmc_a), (b, bmc_b)]));
    for _ in 0..2 {
        let name = |node: Option<&hostler_core::node::Node>| node.unwrap().spec.name.clone();
        assert_eq!(name(rack.world.node_by_mac(mac_a)), "a");
        assert_eq!(name(rack.world.node_by_mac(mac_b)), "b");
        assert_eq!(name(rack.world.node_by_address(address_a)), "a");
        assert_eq!(name(rack.world.node_by_address(address_b)), "b");
        rack.restart();
    }
}

#[test]
fn a_retired_machine_may_be_registered_anew() {
    let mut rack = Rack::with(&["a"]);
    let old = rack.id("a");
    rack.admin("a", AdminAction::Retire).unwrap();
    assert!(rack.world.node_named("a").is_none());
    assert!(matches!(rack.admin("a", AdminAction::Repair), Err(Refusal::NotFound(_))));
    rack.register(spec("a"));
    rack.restart();
    let new = rack.world.node_named("a").unwrap().id;
    assert_ne!(new, old);
    rack.work("a", StateName::Ready);
}

#[test]
fn a_leased_machine_is_not_retired() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    assert!(matches!(rack.admin("a", AdminAction::Retire), Err(Refusal::Conflict(_))));
    rack.release(lease);
    assert!(
        matches!(rack.admin("a", AdminAction::Retire), Err(Refusal::Conflict(_))),
        "nor before it is clean"
    );
    rack.work("a", StateName::Ready);
    rack.admin("a", AdminAction::Retire).unwrap();
}
