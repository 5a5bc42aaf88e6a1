//! What the controller hears and must not believe: stale, forged, doubled, out of order.

use crate::lab::Lab;
use crate::machine::says;
use crate::random::Random;
use hostler_core::attempt::Stage;
use hostler_core::boot::NetworkEvidence;
use hostler_core::hardware::Mac;
use hostler_core::ids::{BootId, NodeId, RunId};
use hostler_core::input::{Blame, Input, PowerResult, Profile, Report};
use hostler_core::node::{DiskWipe, Inventory, Node};
use hostler_core::order;
use hostler_core::run::TaskResult;
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use std::net::{IpAddr, Ipv4Addr};

/// One thing that should not be believed.
pub(crate) fn make(world: &World, lab: &Lab, now: Timestamp, random: &mut Random) -> Option<Input> {
    let nodes: Vec<_> = world.nodes.values().collect();
    let node = *random.pick(&nodes)?;
    Some(match random.below(12) {
        0..4 => stale_report(node, random),
        4 => wrong_profile(node, random)?,
        5 => wrong_task(node, random)?,
        6 => hostile_tenant(node, world, random)?,
        7 => enrolment(node, now, random),
        8 => power(node, random),
        9 => network(node, now, random),
        10 => liveness(node, random)?,
        _ => misplaced(lab, node, random),
    })
}

/// A report of another boot than the present one.
fn stale_report(node: &Node, random: &mut Random) -> Input {
    let present = node.state.boot().map_or(0, |b| b.id.0);
    let mut boot = BootId(u32::try_from(random.below(u64::from(present) + 3)).unwrap_or(0));
    if boot.0 == present {
        boot.0 += 1;
    }
    let profile = random.weighted(&[(1, Profile::Ramdisk), (1, Profile::Tenant)]);
    let task = order_number(node, boot, random);
    says(node.id, boot, profile, any_report(node, task, random))
}

/// The number of any order of this boot.
fn order_number(node: &Node, boot: BootId, random: &mut Random) -> u64 {
    let stages = [Stage::Inspect, Stage::Idle, Stage::Wipe, Stage::Prove, Stage::Deploy, Stage::Start];
    let stage = *random.pick(&stages).unwrap_or(&Stage::Wipe);
    match node.state.boot().cloned() {
        Some(mut known) => {
            (known.id, known.stage) = (boot, stage);
            order::task_id(&known)
        }
        None => random.next(),
    }
}

fn any_report(node: &Node, task: u64, random: &mut Random) -> Report {
    let run = RunId(u32::try_from(1 + random.below(50)).unwrap_or(1));
    match random.below(11) {
        0 => Report::Hello { incarnation: 1, runs: vec![run], proves: true },
        1 => Report::Lost,
        2 => Report::Back,
        3 => Report::Inspected { task, inventory: node.inventory.clone().unwrap_or_default() },
        4 => Report::Wiped { task, disks: all_wiped(node) },
        5 => Report::SignRequest,
        6 => Report::Deployed { task, sha256: "00".into(), host_keys: Vec::new() },
        7 => Report::Proved { task, took_ms: 1, checks: Vec::new() },
        8 => Report::WrittenAhead { task, sha256: "00".into() },
        9 => Report::Failed { task, reason: "no reason".into(), blame: Blame::Machine },
        _ => Report::RunFinished { run, result: TaskResult::default() },
    }
}

fn all_wiped(node: &Node) -> Vec<DiskWipe> {
    let disks = node.inventory.iter().flat_map(|i| &i.disks);
    disks
        .map(|d| DiskWipe {
            serial: d.serial.clone(),
            path: d.path.clone(),
            method: "said so".into(),
            verified: true,
            ..DiskWipe::default()
        })
        .collect()
}

/// A report that the present boot's certificate does not allow.
fn wrong_profile(node: &Node, random: &mut Random) -> Option<Input> {
    let boot = node.state.boot()?;
    let task = order::task_id(boot);
    let disks = all_wiped(node);
    let (profile, report) = match random.below(4) {
        0 => (Profile::Tenant, Report::Wiped { task, disks }),
        1 => (Profile::Tenant, Report::Inspected { task, inventory: Inventory::default() }),
        2 => (Profile::Tenant, Report::SignRequest),
        _ => (Profile::Ramdisk, Report::RunStarted { run: RunId(1) }),
    };
    Some(says(node.id, boot.id, profile, report))
}

/// The present boot's agent, about an order that it does not have (any more).
fn wrong_task(node: &Node, random: &mut Random) -> Option<Input> {
    let boot = node.state.boot()?;
    let task = order_number(node, BootId(boot.id.0.saturating_sub(1)), random);
    let report = match random.below(4) {
        0 => Report::Wiped { task, disks: all_wiped(node) },
        1 => Report::Inspected { task, inventory: Inventory::default() },
        2 => Report::Deployed { task, sha256: "00".into(), host_keys: Vec::new() },
        _ => Report::Failed { task, reason: "of an order long gone".into(), blame: Blame::Machine },
    };
    Some(says(node.id, boot.id, Profile::Ramdisk, report))
}

/// The tenant is root and owns the deployed agent's key: it may say what it likes about runs.
fn hostile_tenant(node: &Node, world: &World, random: &mut Random) -> Option<Input> {
    let boot = node.state.boot().filter(|b| b.stage == Stage::Deployed)?;
    let runs: Vec<_> = world.runs.values().map(|r| r.id).collect();
    let run = random.pick(&runs).copied().unwrap_or(RunId(7));
    let report = match random.below(4) {
        0 => Report::RunStarted { run },
        1 => Report::RunFinished { run, result: TaskResult { exit_code: 1, ..TaskResult::default() } },
        2 => Report::Wiped { task: order::task_id(boot), disks: all_wiped(node) },
        _ => Report::Deployed { task: order::task_id(boot), sha256: "00".into(), host_keys: Vec::new() },
    };
    Some(says(node.id, boot.id, Profile::Tenant, report))
}

/// A token used by somebody else than the machine for which it was made.
fn enrolment(node: &Node, now: Timestamp, random: &mut Random) -> Input {
    let present = node.state.boot();
    let mut boot = present.map_or(BootId(1), |b| b.id);
    let (mut mac, mut address) = (node.spec.mac, node.spec.address);
    let mut key = "somebody else's key".to_owned();
    let expired = present.is_some_and(|b| b.token_expires < now);
    let used = present.is_some_and(|b| b.key.is_some());
    match random.below(5) {
        0 if used => {}
        1 if expired => key = present.and_then(|b| b.key.clone()).unwrap_or(key),
        2 => mac = Mac([2, 0, 0, 0, 0, 1]),
        3 => address = Ipv4Addr::new(10, 6, 6, 6),
        _ => boot = BootId(boot.0.saturating_sub(1)),
    }
    Input::Enrol { boot, node: node.id, mac, address: IpAddr::V4(address), key }
}

/// An answer of a BMC to an attempt that is over.
fn power(node: &Node, random: &mut Random) -> Input {
    let present = node.state.boot().map_or(1, |b| b.id.0);
    let over = BootId(u32::try_from(random.below(u64::from(present))).unwrap_or(0));
    let result = match random.below(3) {
        0 => PowerResult::Acknowledged { guid: None, detail: "late".into() },
        1 => PowerResult::Denied { detail: "late".into() },
        _ => PowerResult::Failed { detail: "late".into() },
    };
    Input::Power { node: node.id, boot: over, result }
}

/// Anybody on the wire can send packets with somebody's address.
fn network(node: &Node, now: Timestamp, random: &mut Random) -> Input {
    let evidence = random.weighted(&[
        (3, NetworkEvidence::Dhcp),
        (1, NetworkEvidence::Tftp),
        (1, NetworkEvidence::Http),
        (1, NetworkEvidence::Script),
    ]);
    let began = match random.below(4) {
        0 => Timestamp(random.below(now.0 + 1)),
        1 => Timestamp(now.0 + 1_000_000),
        _ => now,
    };
    Input::Network { node: node.id, evidence, began, detail: "a packet".into() }
}

/// The shell's opinion about an agent, mistaken.
fn liveness(node: &Node, random: &mut Random) -> Option<Input> {
    let boot = node.state.boot()?;
    let profile = if boot.stage == Stage::Deployed { Profile::Tenant } else { Profile::Ramdisk };
    Some(says(node.id, boot.id, profile, if random.chance(400) { Report::Lost } else { Report::Back }))
}

/// A machine's words under another node's name, a node that does not exist, a clock that jumps.
fn misplaced(lab: &Lab, node: &Node, random: &mut Random) -> Input {
    let said = lab.late.iter().find_map(|input| match input {
        Input::Agent { boot, profile, report, .. } => Some((*boot, *profile, report.clone())),
        _ => None,
    });
    match (random.below(4), said) {
        (0, Some((boot, profile, report))) if node.current(boot).is_none() => {
            says(node.id, boot, profile, report)
        }
        (1, _) => says(NodeId(40_000), BootId(1), Profile::Ramdisk, Report::Back),
        (2, _) => Input::ClockStepped { by_ms: -3_600_000 },
        _ => Input::Refused {
            node: Some(node.id),
            kind: "bad-token".into(),
            message: "a token that nobody made".into(),
        },
    }
}
