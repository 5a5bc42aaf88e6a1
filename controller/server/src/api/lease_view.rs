//! Leases as they are shown.

use hostler_core::attempt::Stage;
use hostler_core::explain;
use hostler_core::ids::LeaseId;
use hostler_core::lease::{Assigned, CloseReason, Lease, LeaseState};
use hostler_core::node::Node;
use hostler_core::run::TaskState;
use hostler_core::schedule;
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use hostler_proto::lease::v1 as wire;
use std::collections::BTreeMap;

/// When queued leases will probably start.
type Forecast = BTreeMap<LeaseId, Timestamp>;

/// A lease, with its nodes as they are now.
pub(super) fn lease(world: &World, lease: &Lease) -> wire::Lease {
    let foreseen = if lease.is_queued() { schedule::forecast(world) } else { Forecast::new() };
    foreseen_lease(world, lease, &foreseen)
}

/// Some leases. What is foreseen of them is worked out once.
pub(super) fn leases<'a>(world: &World, leases: impl Iterator<Item = &'a Lease>) -> Vec<wire::Lease> {
    let foreseen = schedule::forecast(world);
    leases.map(|lease| foreseen_lease(world, lease, &foreseen)).collect()
}

fn foreseen_lease(world: &World, lease: &Lease, foreseen: &Forecast) -> wire::Lease {
    let (state, since, expires, closed) = match &lease.state {
        LeaseState::Queued { .. } => (wire::LeaseState::Queued, None, None, None),
        LeaseState::Deploying { .. } => (wire::LeaseState::Deploying, None, None, None),
        LeaseState::Active { since, expires, .. } => {
            (wire::LeaseState::Active, Some(*since), Some(*expires), None)
        }
        LeaseState::Closing { ended, .. } => (wire::LeaseState::Closing, ended.active, None, None),
        LeaseState::Closed { ended, at } => (wire::LeaseState::Closed, ended.active, None, Some(*at)),
    };
    let ms = |at: Option<Timestamp>| at.map_or(0, |t| t.0);
    wire::Lease {
        id: lease.id.0,
        tenant: world.tenants.get(lease.tenant).map(|t| t.name.clone()).unwrap_or_default(),
        state: state.into(),
        reason: explain::lease(world, lease),
        members: lease.spec.members.iter().map(member).collect(),
        nodes: lease.group_or_former().iter().filter_map(|a| leased_node(world, lease, a)).collect(),
        requested_ms: lease.requested.0,
        active_ms: ms(since),
        expires_ms: ms(expires),
        closed_ms: ms(closed),
        queue_position: queue_position(world, lease),
        close_reason: close_reason(lease).into(),
        purpose: lease.spec.purpose.clone(),
        expected_start_ms: ms(foreseen.get(&lease.id).copied()),
        latest_start_ms: ms(lease.latest_start()),
    }
}

fn member(member: &hostler_core::lease::Member) -> wire::MemberRequest {
    wire::MemberRequest {
        role: member.role.clone(),
        count: member.count,
        arch: member.arch.map(|a| a.to_string()).unwrap_or_default(),
        pool: member.pool.clone().unwrap_or_default(),
        nodes: member.nodes.iter().cloned().collect(),
        image: member.image.clone(),
    }
}

fn queue_position(world: &World, lease: &Lease) -> u32 {
    if !lease.is_queued() {
        return 0;
    }
    let place = world.queue().iter().position(|l| l.id == lease.id);
    place.and_then(|p| u32::try_from(p + 1).ok()).unwrap_or(0)
}

fn close_reason(lease: &Lease) -> wire::CloseReason {
    match &lease.state {
        LeaseState::Closing { ended, .. } | LeaseState::Closed { ended, .. } => match ended.reason {
            CloseReason::Released => wire::CloseReason::Released,
            CloseReason::Expired => wire::CloseReason::Expired,
            CloseReason::WaitedTooLong => wire::CloseReason::WaitedTooLong,
            CloseReason::Infrastructure => wire::CloseReason::Infrastructure,
            CloseReason::Image => wire::CloseReason::Image,
        },
        _ => wire::CloseReason::Unspecified,
    }
}

fn leased_node(world: &World, lease: &Lease, assigned: &Assigned) -> Option<wire::LeasedNode> {
    let node = world.nodes.get(assigned.node)?;
    let member = lease.spec.members.get(assigned.member)?;
    let mine = node.state.lease() == Some(lease.id);
    Some(wire::LeasedNode {
        name: node.spec.name.clone(),
        role: member.role.clone(),
        arch: node.spec.arch.to_string(),
        address: node.spec.address.to_string(),
        image: member.image.clone(),
        up: mine && node.state.boot().is_some_and(|boot| boot.stage == Stage::Deployed),
        status: if mine { explain::node(node) } else { "given back".into() },
        phases: if mine { phases(node).chain(payloads(world, lease, node)).collect() } else { Vec::new() },
        ssh_host_keys: node.state.boot().filter(|_| mine).map(|b| b.host_keys.clone()).unwrap_or_default(),
    })
}

/// Where the time of the present boot went.
pub(super) fn phases(node: &Node) -> impl Iterator<Item = wire::PhaseTime> + '_ {
    node.state.boot().into_iter().flat_map(|b| &b.phases).map(|p| wire::PhaseTime {
        phase: p.phase.as_str().to_owned(),
        start_ms: p.start.0,
        end_ms: p.end.0,
    })
}

fn payloads<'a>(
    world: &'a World,
    lease: &'a Lease,
    node: &'a Node,
) -> impl Iterator<Item = wire::PhaseTime> + 'a {
    world.runs.values().filter(|r| r.lease == lease.id).filter_map(|r| match r.task(node.id)?.state {
        TaskState::Finished { since, at, .. } => {
            Some(wire::PhaseTime { phase: "payload".into(), start_ms: since.0, end_ms: at.0 })
        }
        _ => None,
    })
}
