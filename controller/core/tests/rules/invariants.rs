//! The invariants of the architecture, each told once as a story. The random histories check them after every input.

use crate::given::{before, disk, hello, rows, spec, wiped};
use crate::rack::Rack;
use hostler_core::attempt::Stage;
use hostler_core::explain;
use hostler_core::input::{Blame, Input, Profile, Refusal, Report};
use hostler_core::lease::LeaseState;
use hostler_core::node::{Disk, Inventory, NodeState, StateName};
use hostler_core::order;
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::World;

#[test]
fn invariant_1_a_node_is_in_one_lease_at_a_time() {
    let mut rack = Rack::with(&["a"]);
    let first = rack.active("1 any");
    let second = rack.lease("1 any");
    assert_eq!(rack.group(second), Vec::<String>::new());
    rack.release(first);
    assert_eq!(rack.node("a").state.lease(), Some(first), "until it is clean");
    rack.work("a", StateName::Deploying);
    assert_eq!(rack.node("a").state.lease(), Some(second));
    assert_eq!(rack.group(first), Vec::<String>::new());
}

#[test]
fn invariant_2_a_group_is_whole_or_nothing() {
    let mut rack = Rack::with(&["a", "b"]);
    let busy = rack.active("1 any");
    let pair = rack.lease("2 any");
    assert_eq!(rack.group(pair), Vec::<String>::new());
    assert!(rack.node("b").is_free(), "nothing is held while the rest is missing");
    rack.release(busy);
    rack.clean("a");
    assert_eq!(rack.group(pair), ["a", "b"]);
}

#[test]
fn invariant_3_between_two_tenants_a_node_is_booted_afresh_and_wiped() {
    let mut rack = Rack::with(&["a"]);
    let first = rack.active("1 any");
    let used = rack.boot("a").id;
    rack.lease("1 any");
    rack.release(first);
    let (_, vacated) = rack.node("a").vacated.unwrap();
    assert!(rack.boot("a").id > used && rack.boot("a").ordered >= vacated);
    rack.work_to("a", Stage::Wipe);
    // Only every disk, wiped and read back, in this boot, makes it free.
    let task = order::task_id(rack.boot("a"));
    let stale = Report::Wiped { task: task - 256, disks: wiped(rack.node("a")) };
    let report = rack.agent("a", Profile::Ramdisk, stale);
    rack.accept(report);
    assert_eq!(rack.state("a"), StateName::Cleaning);
    let report = rack.agent("a", Profile::Ramdisk, Report::Wiped { task, disks: Vec::new() });
    rack.accept(report);
    assert_eq!((rack.state("a"), rack.stage("a")), (StateName::Cleaning, Stage::Firmware));
    rack.work("a", StateName::Deploying);
}

/// A disk that does not answer while the node is wiped comes back with what a tenant left on it.
#[test]
fn invariant_3_a_disk_that_hides_from_the_wipe_is_not_handed_out() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    let whole = Inventory { disks: vec![disk("D1", true), disk("D2", true)], ..rack.inventory("a") };
    let hidden = Inventory { disks: vec![disk("D1", false)], ..whole.clone() };
    rack.inventories.insert("a".into(), whole);
    rack.work("a", StateName::Ready);
    let lease = rack.active("1 any");
    rack.release(lease);
    rack.inventories.insert("a".into(), hidden);
    rack.work("a", StateName::Failed);
    let NodeState::Failed { evidence, .. } = &rack.node("a").state else { panic!("not failed") };
    assert!(evidence.starts_with("the machine has lost a disk: /dev/disk/D2"), "{evidence}");

    // Somebody says that the disk is gone, but it is not.
    rack.admin("a", hostler_core::input::AdminAction::Repair).unwrap();
    rack.work("a", StateName::Ready);
    rack.lease("1 any");
    let back = Inventory { disks: vec![disk("D1", true), disk("D2", false)], ..rack.inventory("a") };
    rack.inventories.insert("a".into(), back);
    rack.work("a", StateName::Failed);
    let NodeState::Failed { evidence, .. } = &rack.node("a").state else { panic!("not failed") };
    assert!(evidence.starts_with("not there when the node was wiped: /dev/disk/D2"), "{evidence}");
}

/// A disk that a tenant made look like somebody else's is not wiped.
#[test]
fn invariant_3_a_disk_that_passes_for_a_remote_one_is_not_handed_out() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    rack.release(lease);
    let inventory =
        Inventory { disks: vec![Disk { remote: true, ..disk("D1", false) }], ..rack.inventory("a") };
    rack.inventories.insert("a".into(), inventory);
    rack.work("a", StateName::Failed);
    let NodeState::Failed { evidence, .. } = &rack.node("a").state else { panic!("not failed") };
    assert!(evidence.starts_with("the machine has lost a disk: "), "{evidence}");
}

/// A disk that was exchanged for a smaller one of the same serial number, or of which a tenant has hidden a part.
#[test]
fn invariant_3_a_disk_of_another_size_is_not_handed_out() {
    for (bytes, released) in [(1 << 20, true), (8 << 40, false)] {
        let mut rack = Rack::with(&["a"]);
        if released {
            let lease = rack.active("1 any");
            rack.release(lease);
        } else {
            rack.lease("1 any");
        }
        let other = Disk { size_bytes: bytes, ..disk("D1", true) };
        let had = rack.node("a").inventory.as_ref().unwrap().disks[0].clone();
        assert_eq!(had.serial, other.serial);
        let inventory = Inventory { disks: vec![other], ..rack.inventory("a") };
        rack.inventories.insert("a".into(), inventory);
        rack.work("a", StateName::Failed);
        let NodeState::Failed { evidence, .. } = &rack.node("a").state else { panic!("not failed") };
        assert!(
            evidence.ends_with(&format!("has {bytes} bytes, and had {} before", had.size_bytes)),
            "{evidence}"
        );
        // Somebody says that this is the disk now.
        rack.admin("a", hostler_core::input::AdminAction::Repair).unwrap();
        rack.work("a", if released { StateName::Ready } else { StateName::Deploying });
    }
}

#[test]
fn invariant_4_an_agent_of_an_earlier_boot_is_not_heard() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    let run = rack.run(lease, "test");
    let (node, old) = (rack.id("a"), rack.boot("a").id);
    rack.release(lease);
    let state = rack.node("a").clone();
    let task = order::task_id(rack.boot("a"));
    let disks = wiped(rack.node("a"));
    for boot in [old, before(old)] {
        for (profile, report) in [
            (Profile::Tenant, hello(2, &[run])),
            (Profile::Tenant, Report::RunStarted { run }),
            (Profile::Tenant, Report::Back),
            (Profile::Ramdisk, hello(0, &[])),
            (Profile::Ramdisk, Report::Wiped { task, disks: disks.clone() }),
            (Profile::Ramdisk, Report::Lost),
            (Profile::Ramdisk, Report::SignRequest),
        ] {
            let refusal = rack.refuse(Input::Agent { node, boot, profile, report });
            assert_eq!(refusal, Refusal::Forbidden(format!("boot {boot} is over: a newer boot was ordered")));
        }
    }
    assert_eq!(*rack.node("a"), state);
}

/// Each profile may say what belongs to its part of a boot, at its time, and nothing else.
#[test]
fn invariant_4_a_profile_says_only_what_is_its_own() {
    let mut rack = Rack::with(&["a"]);
    rack.lease("1 any");
    rack.work_to("a", Stage::Deploy);
    let refused = |rack: &mut Rack, profile, report| {
        let input = rack.agent("a", profile, report);
        assert!(matches!(rack.refuse(input), Refusal::Forbidden(_)));
    };
    refused(&mut rack, Profile::Tenant, hello(1, &[]));
    let sign = rack.agent("a", Profile::Ramdisk, Report::SignRequest);
    rack.accept(sign.clone());
    rack.work("a", StateName::Leased);
    refused(&mut rack, Profile::Tenant, Report::SignRequest);
    refused(&mut rack, Profile::Ramdisk, Report::SignRequest);
    refused(&mut rack, Profile::Ramdisk, Report::Lost);
    let task = order::task_id(rack.boot("a"));
    refused(&mut rack, Profile::Tenant, Report::Wiped { task, disks: Vec::new() });
    refused(&mut rack, Profile::Tenant, Report::Failed { task, reason: "no".into(), blame: Blame::Machine });
}

#[test]
fn invariant_6_an_attempt_is_in_the_state_before_it_is_in_the_world() {
    let mut rack = Rack::with(&["a"]);
    let outcome = rack.world.apply(
        rack.now,
        Input::Admin {
            author: "ada".into(),
            node: "a".into(),
            action: hostler_core::input::AdminAction::Repair,
        },
    );
    let [hostler_core::input::Effect::Power { node, boot, rung, .. }] = outcome.effects[..] else {
        panic!("one attempt is made")
    };
    let known = rack.world.nodes.get(node).unwrap().current(boot).unwrap();
    assert_eq!((known.rung, &known.power), (rung, &hostler_core::attempt::PowerOutcome::Outstanding));
    let stored = rows(&rack.world);
    let mut loaded = World::new(Timing::default());
    loaded.restore(stored);
    assert!(loaded.nodes.get(node).unwrap().current(boot).is_some());
}

#[test]
fn invariant_6_evidence_that_is_heard_twice_is_harmless() {
    let mut rack = Rack::with(&["a"]);
    rack.lease("1 any");
    let mut heard = Vec::new();
    while rack.state("a") != StateName::Leased {
        let word = rack.next_word("a");
        rack.accept(word.clone());
        heard.push(word);
    }
    let before = rack.node("a").clone();
    rack.powered();
    for word in heard {
        let _ = rack.tell(word);
    }
    assert_eq!(rack.powered(), []);
    // What is left is that the script was asked for, which tells of a restart; it is old, and tells nothing.
    assert_eq!(*rack.node("a"), before);
}

#[test]
fn invariant_7_nothing_waits_for_ever_and_everything_has_a_reason() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.active("1 any");
    rack.lease("2 any");
    rack.lease("1 any");
    rack.register(spec("c"));
    for _ in 0..1000 {
        for node in rack.world.nodes.values() {
            assert!(!explain::node(&rack.world, node).is_empty());
        }
        for lease in rack.world.leases.values() {
            assert!(!explain::lease(&rack.world, lease).is_empty());
        }
        let Some(next) = rack.world.next_deadline() else { break };
        assert!(next > rack.now, "time goes on");
        rack.wait();
    }
    assert_eq!(rack.world.next_deadline(), None, "everything has come to rest");
    assert!(rack.world.leases.is_empty());
    assert!(
        rack.world
            .nodes
            .values()
            .all(|n| matches!(n.state, NodeState::Failed { .. } | NodeState::Ready { .. }))
    );
}

#[test]
fn invariant_10_the_same_inputs_lead_to_the_same_bytes() {
    let story = |world: &mut World| {
        let mut now = 0;
        let mut apply = |input| {
            now += 1000;
            world.apply(Timestamp(now), input).effects
        };
        apply(Input::AddTenant { name: "kernel".into() });
        apply(crate::given::image("fedora", hostler_core::hardware::Arch::X86_64, "f0"));
        for name in ["a", "b", "c"] {
            let spec = spec(name);
            let bmc = crate::given::bmc(&spec);
            apply(Input::Apply { author: "ada".into(), nodes: vec![(spec, bmc)] });
        }
        apply(Input::Started);
        now += 700_000;
        world.apply(Timestamp(now), Input::Tick);
    };
    let (mut one, mut other) = (World::new(Timing::default()), World::new(Timing::default()));
    story(&mut one);
    story(&mut other);
    let bytes = serde_json::to_vec(&one).unwrap();
    assert_eq!(bytes, serde_json::to_vec(&other).unwrap());
    let mut loaded = World::new(Timing::default());
    loaded.restore(one.take_changes());
    assert_eq!(bytes, serde_json::to_vec(&loaded).unwrap());
}

/// Time does not go back, whoever says so.
#[test]
fn invariant_10_time_does_not_go_back() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    rack.world.apply(Timestamp(0), Input::Tick);
    assert_eq!(rack.world.meta.now, rack.now);
    assert!(matches!(rack.lease_state(lease), LeaseState::Active { .. }));
}
