//! Machines that are not what they are registered as, and wires that end elsewhere.

use crate::given::spec;
use crate::rack::Rack;
use hostler_core::attempt::Stage;
use hostler_core::boot::NetworkEvidence;
use hostler_core::input::AdminAction;
use hostler_core::node::{HoldKind, Inventory, NodeSpec, NodeState, StateName};

fn uuid(text: &str) -> Option<String> {
    Some(text.to_owned())
}

const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

/// The evidence with which `a`, registered like this, is given up when its agent reads that, or none if it goes on.
fn verdict(registered: NodeSpec, read: Inventory, guid: Option<&str>) -> Option<String> {
    let mut rack = Rack::new();
    rack.register(registered);
    rack.inventories.insert("a".into(), read);
    rack.guids.extend(guid.map(|g| ("a".to_owned(), g.to_owned())));
    rack.work_to("a", Stage::Inspect);
    rack.word("a");
    match &rack.node("a").state {
        NodeState::Failed { step, evidence } => {
            assert_eq!(step, "inspection");
            assert_eq!(rack.holds("a"), [HoldKind::Miswired]);
            Some(evidence.clone())
        }
        _ => None,
    }
}

#[test]
fn what_the_agent_reads_must_be_what_is_registered() {
    let serial = |s: &str| Inventory { serial: s.into(), ..Inventory::default() };
    let read = |s: &str, u: &str| Inventory { uuid: u.into(), ..serial(s) };
    let with_uuid = NodeSpec { uuid: uuid(UUID), ..spec("a") };
    let other = "99999999-4455-6677-8899-aabbccddeeff";
    for (registered, read, guid, expected) in [
        (spec("a"), serial("S-a"), None, None),
        (spec("a"), serial("S-b"), None, Some("the registered serial is \"S-a\", the machine's is \"S-b\"")),
        (spec("a"), serial(""), None, Some("the registered serial is \"S-a\", the machine's is \"\"")),
        (with_uuid.clone(), read("S-a", UUID), None, None),
        (with_uuid.clone(), read("S-a", &UUID.to_uppercase()), None, None),
        (
            with_uuid.clone(),
            read("S-a", other),
            None,
            Some(
                "the registered UUID is 00112233-4455-6677-8899-aabbccddeeff, the machine's is \
                  \"99999999-4455-6677-8899-aabbccddeeff\"",
            ),
        ),
        // The BMC's system GUID, as it is or in one of the byte orders that firmware makes of it.
        (spec("a"), read("S-a", UUID), Some(UUID), None),
        (spec("a"), read("S-a", UUID), Some("33221100-5544-7766-8899-aabbccddeeff"), None),
        (spec("a"), read("S-a", UUID), Some("ffeeddcc-bbaa-9988-7766-554433221100"), None),
        (
            spec("a"),
            read("S-a", UUID),
            Some(other),
            Some(
                "the BMC belongs to the system 99999999-4455-6677-8899-aabbccddeeff, the agent runs on \
                  00112233-4455-6677-8899-aabbccddeeff",
            ),
        ),
        // Who has no UUID cannot contradict.
        (spec("a"), serial("S-a"), Some(other), None),
    ] {
        let about = format!("{registered:?} {read:?} {guid:?}");
        assert_eq!(verdict(registered, read, guid), expected.map(str::to_owned), "{about}");
    }
}

#[test]
fn the_node_whose_serial_was_read_elsewhere_is_held_as_well() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.inventories.insert("a".into(), rack.inventory("b"));
    rack.admin("a", AdminAction::Repair).unwrap();
    rack.work("a", StateName::Failed);
    assert_eq!((rack.holds("a"), rack.holds("b")), (vec![HoldKind::Miswired], vec![HoldKind::Miswired]));
    let NodeState::Failed { evidence, .. } = &rack.node("a").state else { panic!("not failed") };
    assert!(evidence.ends_with("b is registered with it"), "{evidence}");
    assert_eq!(rack.state("b"), StateName::Ready, "held, not touched");
}

/// `a` was powered, its BMC said OK, and `b` asks for a boot program.
fn crossed(woken: &[&str]) -> Rack {
    let mut rack = Rack::with_cold(&["a", "b", "c"]);
    rack.lease("1 any among a");
    rack.word("a");
    for name in woken {
        let script = rack.network(name, NetworkEvidence::Script);
        rack.accept(script);
    }
    rack.wait_for("a");
    rack
}

#[test]
fn power_on_one_and_evidence_from_another_holds_both() {
    let rack = crossed(&["b"]);
    assert_eq!(rack.state("a"), StateName::Failed);
    assert_eq!((rack.holds("a"), rack.holds("b")), (vec![HoldKind::Miswired], vec![HoldKind::Miswired]));
    let NodeState::Failed { step, evidence } = &rack.node("a").state else { panic!("not failed") };
    assert_eq!(step, "wiring");
    assert_eq!(evidence, "power was given to a, but b booted: check their BMC addresses");
}

#[test]
fn several_machines_that_wake_up_are_no_crossed_wire() {
    let rack = crossed(&["b", "c"]);
    assert_eq!(rack.state("a"), StateName::Deploying, "it climbs the ladder");
    assert_eq!((rack.holds("b"), rack.holds("c")), (vec![], vec![]));
}

#[test]
fn nobody_woke_up_is_no_crossed_wire_either() {
    assert_eq!(crossed(&[]).state("a"), StateName::Deploying);
}

/// Tenants restart their machines when they like; that says nothing about the wires.
#[test]
fn a_leased_machine_that_restarts_is_not_taken_for_crossed() {
    let mut rack = Rack::with_cold(&["a", "b"]);
    rack.active("1 any among b");
    rack.lease("1 any among a");
    rack.word("a");
    let script = rack.network("b", NetworkEvidence::Script);
    rack.accept(script);
    assert!(rack.heard().contains(&"restart".to_owned()));
    rack.wait_for("a");
    assert_eq!((rack.state("a"), rack.holds("b")), (StateName::Deploying, vec![]));
}

/// It asks again and again; once a minute is told.
#[test]
fn an_unordered_boot_is_told_once_a_minute() {
    let mut rack = Rack::with(&["a"]);
    rack.heard();
    for _ in 0..119 {
        let script = rack.network("a", NetworkEvidence::Script);
        rack.accept(script);
    }
    assert_eq!(rack.heard(), ["unordered-boot", "unordered-boot"]);
}

#[test]
fn repair_lifts_what_was_found_wrong() {
    let mut rack = crossed(&["b"]);
    for name in ["a", "b"] {
        rack.admin(name, AdminAction::Repair).unwrap();
        rack.clean(name);
        assert!(rack.holds(name).is_empty() && rack.state(name) != StateName::Failed);
    }
}
