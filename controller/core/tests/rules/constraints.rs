//! What constraints say of machines, and what a request is told that none can serve.

use crate::given::{bmc, disk, groupings, members, spec};
use crate::rack::Rack;
use hostler_core::constraint::{Constraint, Verdict};
use hostler_core::course::Terms;
use hostler_core::input::Input;
use hostler_core::lease::{LeaseSpec, LeaseState};
use hostler_core::node::{Disk, Inventory, Nic, NodeSpec, StateName};
use hostler_core::schedule;

const GIB: u64 = 1 << 30;

fn nic(speed_mbps: u32) -> Nic {
    Nic { name: "eth0".into(), link: speed_mbps > 0, speed_mbps, ..Nic::default() }
}

/// Everything that can be asked about.
fn known() -> Inventory {
    Inventory {
        manufacturer: "Maker".into(),
        product: "Model 7".into(),
        cpus: 32,
        cpu_cores: 16,
        cpu_sockets: 2,
        cpu_model: "AMD EPYC 7543 32-Core Processor".into(),
        memory_bytes: 64 * GIB,
        disks: vec![
            Disk { size_bytes: 480_000_000_000, model: "Flash".into(), ..disk("D1", true) },
            Disk { size_bytes: 4_000_000_000_000, rotational: true, ..disk("D2", true) },
            Disk { remote: true, size_bytes: 100_000_000_000_000, ..disk("D3", true) },
        ],
        nics: vec![nic(25_000), nic(0)],
        ..Inventory::default()
    }
}

fn placed(name: &str, rack: &str) -> NodeSpec {
    NodeSpec { rack: Some(rack.into()), ..spec(name) }
}

/// A machine of which everything is known, one of which nothing was told, and one that was never looked at.
fn rack() -> Rack {
    let mut rack = Rack::new();
    let labels = [("gpu".to_owned(), "a100".to_owned())].into();
    rack.register(NodeSpec { switch: Some("s1".into()), labels, ..placed("known", "r1") });
    rack.register(spec("silent"));
    rack.register(spec("unseen"));
    let serial = |name: &str| format!("S-{name}");
    rack.inventories.insert("known".into(), Inventory { serial: serial("known"), ..known() });
    rack.inventories.insert("silent".into(), Inventory { serial: serial("silent"), ..Inventory::default() });
    for name in ["known", "silent"] {
        rack.work(name, StateName::Ready);
    }
    rack
}

#[test]
fn what_is_said_of_machines() {
    use Verdict::{No, Unknown, Yes};
    let rack = rack();
    for (text, expected) in [
        ("cpu.cores >= 16", [Yes, Unknown, Unknown]),
        ("cpu.cores > 16", [No, Unknown, Unknown]),
        ("cpu.processors = 32", [Yes, Unknown, Unknown]),
        ("cpu.sockets != 2", [No, Unknown, Unknown]),
        ("cpu.model-name ~ \"EPYC 7\\d\"", [Yes, Unknown, Unknown]),
        ("cpu.model-name !~ EPYC", [No, Unknown, Unknown]),
        ("memory >= 64 GiB", [Yes, Unknown, Unknown]),
        ("memory < 64 GiB", [No, Unknown, Unknown]),
        ("system.vendor-name = Maker and system.model-name ~ 7", [Yes, Unknown, Unknown]),
        // The disk that others share is none of its own.
        ("disk.count = 2", [Yes, No, Unknown]),
        ("disk.size >= 4 TB", [Yes, No, Unknown]),
        ("disk.size > 4 TB", [No, No, Unknown]),
        ("disk.rotational = false and disk.rotational = true", [Yes, No, Unknown]),
        ("disk.model-name = Flash", [Yes, No, Unknown]),
        ("network.count = 2", [Yes, No, Unknown]),
        ("network.speed >= 25 Gbit", [Yes, No, Unknown]),
        // The other interface has no link: its speed is not known.
        ("network.speed >= 40 Gbit", [Unknown, No, Unknown]),
        ("boot.method = uefi", [Yes, Yes, Yes]),
        ("arch = x86_64 and pool = lab", [Yes, Yes, Yes]),
        ("hostname ~ \"^un\"", [No, No, Yes]),
        ("rack = r1", [Yes, Unknown, Unknown]),
        ("switch = s1 or hostname = silent", [Yes, Yes, Unknown]),
        // Nobody knows where a machine stands that is not in r1 as far as is known.
        ("not rack = r1", [No, Unknown, Unknown]),
        ("not rack = r2", [Yes, Unknown, Unknown]),
        // What was not written on a machine is known not to be there.
        ("label.gpu = a100", [Yes, No, No]),
        ("not label.gpu = a100", [No, Yes, Yes]),
        ("label.gpu != h100", [Yes, No, No]),
    ] {
        let constraint: Constraint = text.parse().unwrap();
        let said = ["known", "silent", "unseen"].map(|name| constraint.verdict(rack.node(name)));
        assert_eq!(said, expected, "{text}");
    }
}

#[test]
fn only_a_machine_that_is_known_to_be_as_asked_is_given() {
    let mut rack = rack();
    let lease = rack.lease("1 any where memory >= 1 GiB");
    assert_eq!(rack.group(lease), ["known"]);
    // `silent` is free and may have as much; nobody knows.
    let next = rack.lease("1 any where memory >= 1 GiB");
    assert!(matches!(rack.lease_state(next), LeaseState::Queued { .. }));
    let LeaseState::Queued { reason } = rack.lease_state(next) else { panic!("not queued") };
    assert_eq!(reason, "waits for 1 x any architecture with memory >= 1 GiB for role \"r0\"");
}

#[test]
fn alternatives_of_architecture() {
    let mut rack = Rack::with(&["a ppc64le", "b aarch64", "c"]);
    let lease = rack.lease("2 x86_64|aarch64");
    assert_eq!(rack.group(lease), ["b", "c"]);
}

#[test]
fn a_range_starts_with_what_is_there() {
    let mut rack = Rack::with(&["a", "b", "c", "d"]);
    let busy = rack.active("1 any among d");
    let lease = rack.lease("2..8 any");
    assert_eq!(rack.group(lease), ["a", "b", "c"]);
    rack.release(busy);
    let next = rack.lease("2..8 any");
    assert!(matches!(rack.lease_state(next), LeaseState::Queued { .. }), "one is less than two");
    // Each role gets one in turn.
    let mut rack = Rack::with(&["a", "b", "c", "d", "e"]);
    let lease = rack.lease("1..4 any + 1..4 any");
    let members: Vec<_> =
        rack.world.leases.get(lease).unwrap().group().iter().map(|assigned| assigned.member).collect();
    assert_eq!(members, [0, 0, 0, 1, 1]);
}

#[track_caller]
fn never(rack: &Rack, request: &str) -> String {
    let spec = LeaseSpec {
        members: members(request),
        groupings: groupings(request),
        duration_ms: 1,
        max_wait_ms: 1,
        purpose: String::new(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    };
    schedule::satisfiable(&rack.world, &spec).expect_err(request)
}

#[test]
fn what_no_machine_has_is_refused_with_what_there_is() {
    let mut rack = rack();
    // `unseen` may have anything: nothing is refused for its sake.
    rack.lease("1 any where cpu.cores >= 4096");
    rack.work("unseen", StateName::Ready);
    let head = |c: &str| {
        format!(
            "1 x any architecture with {c} for role \"r0\" can never be had: 0 of such machines are registered; "
        )
    };
    for (constraint, there) in [
        ("cpu.cores >= 17", "no machine has cpu.cores >= 17; the most is 16; of 2 it is not known"),
        ("memory < 1 GiB", "no machine has memory < 1 GiB; the least is 64 GiB; of 2 it is not known"),
        ("rack = r9", "no machine has rack = r9; there is r1; of 2 it is not known"),
        ("label.gpu = h100", "no machine has label.gpu = h100; there is a100"),
        ("label.fpga = yes", "no machine has label.fpga = yes; none has any"),
        (
            "memory >= 1 GiB and cpu.cores = 1",
            "no machine has cpu.cores = 1; there is 16; of 2 it is not known",
        ),
        ("(rack = a or rack = b)", "no machine has (rack = a or rack = b)"),
    ] {
        let constraint = constraint.replace(['(', ')'], "");
        let there = there.replace(['(', ')'], "");
        assert_eq!(never(&rack, &format!("1 any where {constraint}")), head(&constraint) + &there);
    }
    assert_eq!(
        never(&rack, "2 x86_64 where memory >= 1 GiB"),
        "2 x x86_64 with memory >= 1 GiB for role \"r0\" can never be had: 1 of such machines are registered; only 1 \
         machine has memory >= 1 GiB; there is none".replace("; there is none", "; the most is 64 GiB; of 2 it is not known")
    );
}

#[test]
fn what_people_say_of_a_machine_is_checked_and_told() {
    let mut rack = Rack::with(&["a"]);
    let apply =
        |spec: NodeSpec| Input::Apply { author: "ada".into(), nodes: vec![(spec.clone(), bmc(&spec))] };
    for (spec, text) in [
        (placed("a", ""), "node a: rack: 1 to 128 bytes without control characters"),
        (placed("a", "r\n1"), "node a: rack: 1 to 128 bytes without control characters"),
        (
            NodeSpec { labels: [("GPU".to_owned(), "x".to_owned())].into(), ..spec("a") },
            "node a: labels: \"GPU\" is no name: 1 to 63 lower-case letters, digits, `-`, `_` and `.`",
        ),
        (
            NodeSpec { labels: (0..33).map(|i| (format!("l{i}"), "x".to_owned())).collect(), ..spec("a") },
            "node a: labels: 33 of them; at most 32",
        ),
    ] {
        assert_eq!(rack.refuse(apply(spec)).to_string(), text);
    }
    // A machine is not looked at anew because somebody carried it elsewhere.
    rack.accept(apply(placed("a", "r1")));
    assert_eq!(rack.state("a"), StateName::Ready);
    let lease = rack.lease("1 any where rack = r1");
    assert_eq!(rack.group(lease), ["a"]);
}
