//! Leases as they are shown.

use hostler_core::attempt::Stage;
use hostler_core::course::{Departure, taken_over};
use hostler_core::explain;
use hostler_core::ids::{LeaseId, NodeId};
use hostler_core::lease::{Assigned, CloseReason, Lease, LeaseState};
use hostler_core::node::Node;
use hostler_core::request::{Preview, Relaxation, RolePreview};
use hostler_core::run::TaskState;
use hostler_core::schedule;
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use hostler_proto::lease::v1 as wire;
use std::collections::{BTreeMap, HashMap};

/// When queued leases will probably start.
type Forecast = BTreeMap<LeaseId, Timestamp>;

/// A lease, with its nodes as they are now.
pub(super) fn lease(world: &World, lease: &Lease, now: Timestamp) -> wire::Lease {
    let foreseen = if lease.is_queued() { schedule::forecast(world, now) } else { Forecast::new() };
    foreseen_lease(world, lease, &foreseen)
}

/// Some leases. What is foreseen of them is worked out once.
pub(super) fn leases<'a>(
    world: &World,
    leases: impl Iterator<Item = &'a Lease>,
    now: Timestamp,
) -> Vec<wire::Lease> {
    let foreseen = schedule::forecast(world, now);
    leases.map(|lease| foreseen_lease(world, lease, &foreseen)).collect()
}

fn foreseen_lease(world: &World, lease: &Lease, foreseen: &Forecast) -> wire::Lease {
    let expires = match &lease.state {
        LeaseState::Active { expires, .. } => Some(*expires),
        _ => None,
    };
    let (times, terms) = (times(lease), &lease.spec.terms);
    let seconds = |ms: Option<u64>| ms.unwrap_or_default() / 1000;
    wire::Lease {
        id: lease.id.0,
        tenant: world.tenants.get(lease.tenant).map(|t| t.name.clone()).unwrap_or_default(),
        state: state(lease).into(),
        reason: explain::lease(world, lease),
        members: lease.spec.members.iter().map(member).collect(),
        nodes: lease.group_or_former().iter().filter_map(|a| leased_node(world, lease, a)).collect(),
        requested_ms: lease.requested.0,
        active_ms: times.active_ms,
        expires_ms: ms(expires),
        closed_ms: times.closed_ms,
        queue_position: queue_position(world, lease),
        close_reason: close_reason(lease).into(),
        purpose: lease.spec.purpose.clone(),
        duration_s: lease.spec.duration_ms / 1000,
        max_wait_s: lease.spec.max_wait_ms / 1000,
        not_before_ms: ms(terms.not_before),
        keepalive_s: seconds(terms.keepalive_ms),
        hold_s: seconds(terms.hold_ms),
        times: Some(times),
        groupings: lease.spec.groupings.iter().map(ToString::to_string).collect(),
        expected_start_ms: ms(foreseen.get(&lease.id).copied()),
        latest_start_ms: ms(lease.latest_start()),
        goes_first_ms: ms(lease.goes_first(&world.meta.busy)),
        priority: terms.priority.to_string(),
        grace_s: seconds(terms.grace_ms),
        gives_way_ms: ms(lease.course.notice.map(|notice| notice.at)),
        gives_way_to: lease.course.notice.map_or(0, |notice| notice.to.0),
        interruptions: interruptions(world, lease),
        reservation: terms.reservation.clone().unwrap_or_default(),
        departures: lease.course.departures.iter().map(|left| departure(world, lease, left)).collect(),
    }
}

fn departure(world: &World, lease: &Lease, left: &Departure) -> wire::Departure {
    let name = |id: NodeId| world.nodes.get(id).map(|node| node.spec.name.clone()).unwrap_or_default();
    let member = lease.spec.members.get(left.had.member);
    wire::Departure {
        node: name(left.had.node),
        role: member.map(|member| member.role.clone()).unwrap_or_default(),
        since_ms: left.since.0,
        until_ms: left.until.0,
        why: left.why.clone(),
        successor: left.successor.map(|(node, _)| name(node)).unwrap_or_default(),
    }
}

/// The machines of a group that it has or had for a part of its time: they left it while it was active, or came then.
pub(super) fn part_time(world: &World, group: &[Assigned], left: &[Departure]) -> Vec<wire::PartTime> {
    let time = |node: NodeId, since: Timestamp, until: Option<Timestamp>| {
        let arch = world.nodes.get(node)?.spec.arch.to_string();
        Some(wire::PartTime { arch, since_ms: since.0, until_ms: ms(until) })
    };
    let gone = left.iter().filter_map(|left| time(left.had.node, left.since, Some(left.until)));
    let came = group.iter().filter_map(|assigned| {
        let (_, since) = taken_over(left, assigned.node)?.successor?;
        time(assigned.node, since, None)
    });
    gone.chain(came).collect()
}

/// When it gave way.
pub(super) fn interruptions(world: &World, lease: &Lease) -> Vec<wire::Interruption> {
    let shown = lease.course.interruptions.iter().map(|interruption| wire::Interruption {
        to_lease_id: interruption.to.0,
        assigned_ms: interruption.assigned.0,
        active_ms: interruption.active.0,
        ended_ms: interruption.at.0,
        machines: machines(world, &interruption.had),
        part_time: part_time(world, &interruption.had, &interruption.departures),
    });
    shown.collect()
}

/// How many machines of each architecture.
pub(super) fn machines(world: &World, group: &[Assigned]) -> HashMap<String, u32> {
    let mut machines = HashMap::new();
    for node in group.iter().filter_map(|assigned| world.nodes.get(assigned.node)) {
        *machines.entry(node.spec.arch.to_string()).or_default() += 1;
    }
    machines
}

pub(super) const fn state(lease: &Lease) -> wire::LeaseState {
    match lease.state {
        LeaseState::Queued { .. } => wire::LeaseState::Queued,
        LeaseState::Deploying { .. } => wire::LeaseState::Deploying,
        LeaseState::Active { .. } => wire::LeaseState::Active,
        LeaseState::Closing { .. } => wire::LeaseState::Closing,
        LeaseState::Closed { .. } => wire::LeaseState::Closed,
    }
}

/// The moments between which the time of a lease goes.
pub(super) fn times(lease: &Lease) -> wire::LeaseTimes {
    let (active, ended, closed) = match &lease.state {
        LeaseState::Queued { .. } | LeaseState::Deploying { .. } => (None, None, None),
        LeaseState::Active { since, .. } => (Some(*since), None, None),
        LeaseState::Closing { ended, .. } => (ended.active, Some(ended.at), None),
        LeaseState::Closed { ended, at } => (ended.active, Some(ended.at), Some(*at)),
    };
    wire::LeaseTimes {
        waits_from_ms: lease.waits_from().0,
        assigned_ms: ms(lease.course.assigned),
        active_ms: ms(active),
        held_ms: ms(lease.course.hold.as_ref().map(|hold| hold.since)),
        ended_ms: ms(ended),
        closed_ms: ms(closed),
    }
}

fn ms(at: Option<Timestamp>) -> u64 {
    at.map_or(0, |at| at.0)
}

pub(super) fn member(member: &hostler_core::lease::Member) -> wire::MemberRequest {
    wire::MemberRequest {
        role: member.role.clone(),
        count: member.count,
        at_most: member.at_most.unwrap_or_default(),
        arch: member.arch.iter().map(|arch| arch.as_str()).collect::<Vec<_>>().join("|"),
        pool: member.pool.clone().unwrap_or_default(),
        nodes: member.nodes.iter().cloned().collect(),
        image: member.image.clone(),
        constraint: member.constraint.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

fn queue_position(world: &World, lease: &Lease) -> u32 {
    if !lease.is_queued() {
        return 0;
    }
    let place = world.queue().iter().position(|l| l.id == lease.id);
    place.and_then(|p| u32::try_from(p + 1).ok()).unwrap_or(0)
}

pub(super) fn close_reason(lease: &Lease) -> wire::CloseReason {
    match &lease.state {
        LeaseState::Closing { ended, .. } | LeaseState::Closed { ended, .. } => match ended.reason {
            CloseReason::Released => wire::CloseReason::Released,
            CloseReason::Expired => wire::CloseReason::Expired,
            CloseReason::WaitedTooLong => wire::CloseReason::WaitedTooLong,
            CloseReason::Infrastructure => wire::CloseReason::Infrastructure,
            CloseReason::Image => wire::CloseReason::Image,
            CloseReason::Abandoned => wire::CloseReason::Abandoned,
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
        status: if mine { explain::node(world, node) } else { "given back".into() },
        phases: if mine { phases(node).chain(payloads(world, lease, node)).collect() } else { Vec::new() },
        ssh_host_keys: node.state.boot().filter(|_| mine).map(|b| b.host_keys.clone()).unwrap_or_default(),
    })
}

/// What would come of a request.
pub(super) fn preview(preview: Preview) -> wire::LeasePreview {
    let busy = |(name, state)| wire::BusyNode { name, state };
    let role = |role: RolePreview| wire::RolePreview {
        role: role.role,
        gets: role.gets,
        free: role.free,
        busy: role.busy.into_iter().map(busy).collect(),
    };
    let ms = |at: Option<Timestamp>| at.map_or(0, |at| at.0);
    let relaxation = |Relaxation { change, now, start }| {
        let expected_start_ms = ms(start);
        wire::Relaxation { change, now, expected_start_ms }
    };
    wire::LeasePreview {
        never: preview.never.unwrap_or_default(),
        fits_now: preview.fits_now,
        waits_for: preview.waits_for,
        queued: u32::try_from(preview.queued).unwrap_or(u32::MAX),
        roles: preview.roles.into_iter().map(role).collect(),
        relaxations: preview.relaxations.into_iter().map(relaxation).collect(),
        expected_start_ms: ms(preview.start),
    }
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
