//! Every state has a reason that a person can read.

use crate::ahead::{Ahead, AheadState};
use crate::attempt::{Boot, EvidenceKind, PowerOutcome, Stage};
use crate::calendar::Outage;
use crate::course::{Hold, Notice};
use crate::ids::LeaseId;
use crate::lease::{Assigned, Lease, LeaseState};
use crate::node::{HoldKind, Node, NodeState, Presence};
use crate::schedule;
use crate::standby::Standby;
use crate::time::Timestamp;
use crate::world::World;

/// Why `node` is in the state it is in: what it waits for, or what failed. Never empty.
#[must_use]
pub fn node(world: &World, node: &Node) -> String {
    let held: Vec<_> = node.holds.iter().map(|(kind, hold)| why_held(node, *kind, hold)).collect();
    let reason = match &node.state {
        NodeState::Registered => "waits for its first boot".to_owned(),
        NodeState::Inspecting { boot } | NodeState::Cleaning { boot, .. } if node.record.due => {
            format!("{}; it proves itself before anybody gets it", coming(world, node, boot))
        }
        NodeState::Inspecting { boot }
        | NodeState::Cleaning { boot, .. }
        | NodeState::Deploying { boot, .. } => coming(world, node, boot),
        NodeState::Ready { boot } => format!("wiped and free; {}", standby(world, node, boot)),
        NodeState::Leased { boot, lease } if boot.stage < Stage::Deployed => brought_back(boot, *lease),
        NodeState::Leased { lease, .. } => format!("in the hands of lease {lease}"),
        NodeState::Failed { step, evidence } => return format!("{step}: {evidence}"),
        NodeState::Retired => return "out of service".to_owned(),
    };
    let silent = if matches!(node.agent, Presence::Silent { .. }) { "; its agent is silent" } else { "" };
    let planned = if held.is_empty() { planned(world, node) } else { String::new() };
    if held.is_empty() {
        format!("{reason}{silent}{planned}")
    } else {
        format!("held, {}{silent}", held.join("; "))
    }
}

fn why_held(node: &Node, kind: HoldKind, hold: &crate::node::Hold) -> String {
    let outage = node.outage.as_ref().filter(|_| kind == HoldKind::Drain);
    format!("{}: {}{}", kind.as_str(), hold.reason, outage.map(bounds).unwrap_or_default())
}

/// By when a drained machine is empty, and when the drain is over: ", empty by 2026-03-21 10:00Z, until 2026-03-21 12:00Z".
fn bounds(outage: &Outage) -> String {
    let empty = outage.deadline.map(|at| format!(", empty by {}", at.utc())).unwrap_or_default();
    let until = outage.back_at.map(|at| format!(", until {}", at.utc())).unwrap_or_default();
    empty + &until
}

/// What a machine is wanted for at a time that is known.
fn planned(world: &World, node: &Node) -> String {
    let now = world.meta.now.0;
    let drained = node.outage.as_ref();
    let drained =
        drained.map(|outage| (outage.from, format!("drained: {}{}", outage.reason, bounds(outage))));
    let all = world.tenants.values().flat_map(|tenant| tenant.reservations.iter().map(move |r| (tenant, r)));
    let reserved = all.filter(|(_, r)| r.nodes.contains(&node.id)).filter_map(|(tenant, r)| {
        let (from, _) = r.window().next(now)?;
        Some((Timestamp(from), format!("set aside for tenant {} as {}", tenant.name, r.name)))
    });
    match drained.into_iter().chain(reserved).min() {
        Some((from, what)) if from.0 <= now => format!("; {what}"),
        Some((from, what)) => format!("; from {} {what}", from.utc()),
        None => String::new(),
    }
}

/// What it costs to begin with a free machine.
fn standby(world: &World, node: &Node, boot: &Boot) -> String {
    let because = boot.because.as_deref().unwrap_or("nobody needs it");
    match (node.standby(), &boot.power) {
        (Some(Standby::Warm), _) => match node.ahead() {
            None => "warm: its agent waits in the ramdisk".to_owned(),
            Some(ahead) => warm_with(world, ahead),
        },
        (Some(Standby::Off), PowerOutcome::Acknowledged { .. }) => format!("powered off: {because}"),
        (Some(Standby::Off), PowerOutcome::Unknown { detail, .. }) => {
            format!("being powered off: {because}; whether it is off is unknown: {detail}")
        }
        (Some(Standby::Off), _) => format!("being powered off: {because}"),
        _ if node.unexpected_boot.is_some() => "cold: it has restarted by itself, and has to boot".to_owned(),
        _ => "cold: it has to boot".to_owned(),
    }
}

/// What a warm machine has of an image.
fn warm_with(world: &World, Ahead { image, state }: &Ahead) -> String {
    let image = world.images.get(*image).map_or("?", |image| &image.name);
    match state {
        AheadState::Writing { .. } => format!("warm, image {image} is being written"),
        AheadState::Written => format!("warm, with image {image} written"),
        AheadState::Failed { reason } => format!("warm, but image {image} could not be written: {reason}"),
    }
}

/// What a leased machine comes to whose system was in memory and is gone.
fn brought_back(boot: &Boot, lease: LeaseId) -> String {
    let begun = format!("in the hands of lease {lease}; it restarted, and its system was in memory");
    match &boot.because {
        Some(reason) => format!("{begun} and cannot be deployed again: {reason}"),
        // What firmware does is the tenant's affair, and not followed.
        None if boot.stage == Stage::Firmware => {
            format!("{begun} and is deployed again: waits for its agent to enrol")
        }
        None => format!("{begun} and is deployed again: waits for {}", awaited(boot)),
    }
}

/// What a lease waits for that has ended but for its machines.
fn held(lease: &Lease, hold: &Hold, until: Timestamp) -> String {
    let failure = lease.course.failure.as_deref().unwrap_or("a run failed");
    format!(
        "{}; held until {} for somebody to look at it, since {failure}; `hostler lease release {}` gives it back",
        hold.detail,
        until.utc(),
        lease.id
    )
}

/// What a machine waits for that is being prepared.
fn coming(world: &World, node: &Node, boot: &Boot) -> String {
    if boot.power == PowerOutcome::Waiting { waits_for_its_turn(world, node, boot) } else { progress(boot) }
}

fn waits_for_its_turn(world: &World, node: &Node, boot: &Boot) -> String {
    let full = world.full_for(node).map(|full| format!(": {full}")).unwrap_or_default();
    format!("waits to be powered on{full}{}", again(boot))
}

fn progress(boot: &Boot) -> String {
    format!("waits for {}{}", awaited(boot), again(boot))
}

/// Why this is not the first boot of its kind.
fn again(boot: &Boot) -> String {
    boot.because.as_ref().map(|b| format!(" ({}: {b})", boot.rung.as_str())).unwrap_or_default()
}

fn awaited(boot: &Boot) -> String {
    match (boot.stage, &boot.power) {
        (Stage::Firmware, PowerOutcome::Waiting) => "its power command".to_owned(),
        (Stage::Firmware, PowerOutcome::Outstanding) => "the BMC to answer the power command".to_owned(),
        (Stage::Firmware, PowerOutcome::Unknown { detail, .. }) if !boot.was_seen() => {
            format!("a sign of the machine; the power command's outcome is unknown: {detail}")
        }
        (Stage::Firmware, _) => waits_of_firmware(boot).to_owned(),
        (Stage::Enrolled, _) => "its agent to say hello".to_owned(),
        (Stage::Inspect, _) => "the inspection".to_owned(),
        (Stage::Idle, _) => "its next order".to_owned(),
        (Stage::Wipe, _) => "the wipe and its read-back".to_owned(),
        (Stage::Prove, _) => "the burn-in of its memory, processors and disks".to_owned(),
        (Stage::Deploy, _) if boot.is_diskless() => "kernel and ramdisk of the image".to_owned(),
        (Stage::Deploy, _) => "the image to be written".to_owned(),
        (Stage::Start | Stage::Deployed, _) => "the deployed system's agent".to_owned(),
    }
}

fn waits_of_firmware(boot: &Boot) -> &'static str {
    match boot.evidence.last().map(|e| e.kind) {
        None => "its firmware to ask for an address",
        Some(EvidenceKind::Dhcp) => "its boot loader",
        Some(EvidenceKind::Tftp) => "its boot script",
        Some(EvidenceKind::Script) => "kernel and ramdisk",
        Some(EvidenceKind::UnexpectedRestart) => {
            "its agent to enrol, though it has begun again from its firmware since it read its boot script"
        }
        Some(_) => "its agent to enrol",
    }
}

/// What becomes of an active lease.
fn in_use(lease: &Lease, expires: Timestamp) -> String {
    match (&lease.course.hold, lease.course.notice) {
        (Some(hold), _) => held(lease, hold, expires),
        (None, Some(Notice { at, to })) => {
            format!("in the tenant's hands; gives way to lease {to} at {}", at.utc())
        }
        (None, None) => "in the tenant's hands".to_owned(),
    }
}

/// What is with the places of an active group whose machines left: "; r1-n05 (web) is deploying since …".
fn places(world: &World, lease: &Lease) -> String {
    let role = |a: &Assigned| lease.spec.members.get(a.member).map_or("", |member| member.role.as_str());
    let coming = lease.group().iter().filter_map(|a| Some((a, world.nodes.get(a.node)?)));
    let coming = coming.filter(|(_, node)| matches!(node.state, NodeState::Deploying { .. }));
    let coming = coming.map(|(assigned, node)| {
        format!("; {} ({}) is deploying since {}", node.spec.name, role(assigned), node.since.utc())
    });
    let empty = lease.course.empty_places().map(|left| {
        let name = world.nodes.get(left.had.node).map_or("a machine", |node| node.spec.name.as_str());
        format!("; the place of {name} ({}) is empty", role(&left.had))
    });
    coming.chain(empty).collect()
}

/// Why `lease` is in the state it is in. Never empty.
#[must_use]
pub fn lease(world: &World, lease: &Lease) -> String {
    match &lease.state {
        LeaseState::Queued { .. } => match lease.course.early {
            Some(at) => format!("waits for its earliest start, {}", at.utc()),
            None => schedule::why_waiting(world, lease),
        },
        LeaseState::Deploying { group, .. } => {
            let up = |a: &&Assigned| {
                world.nodes.get(a.node).is_some_and(|n| matches!(n.state, NodeState::Leased { .. }))
            };
            format!("{} of {} machines are up", group.iter().filter(up).count(), group.len())
        }
        LeaseState::Active { expires, .. } => format!("{}{}", in_use(lease, *expires), places(world, lease)),
        LeaseState::Closing { group, ended } => {
            format!(
                "{}; {} of {} machines are still being cleaned",
                ended.detail,
                group.len(),
                ended.had.len()
            )
        }
        LeaseState::Closed { ended, .. } => ended.detail.clone(),
    }
}
