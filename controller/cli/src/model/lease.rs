//! Leases.

use super::account::PartTime;
use super::{all, optional, time};
use crate::text::clean;
use hostler_proto::lease::v1 as pb;
use serde::Serialize;
use std::collections::BTreeMap;

/// A granted or queued request for a group of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lease {
    pub(crate) id: u32,
    pub(crate) tenant: String,
    pub(crate) state: State,
    /// What it waits for, or why it ended.
    pub(crate) reason: Option<String>,
    pub(crate) purpose: Option<String>,
    /// How urgent it is.
    pub(crate) priority: String,
    pub(crate) queue_position: Option<u32>,
    pub(crate) members: Vec<Member>,
    /// What is asked of the machines together.
    pub(crate) together: Vec<String>,
    pub(crate) nodes: Vec<LeasedNode>,
    pub(crate) requested_ms: Option<u64>,
    /// When it will probably start; moves.
    pub(crate) expected_start_ms: Option<u64>,
    /// When it starts at the latest; promised at the request.
    pub(crate) latest_start_ms: Option<u64>,
    /// From when on it goes before all that came later.
    pub(crate) goes_first_ms: Option<u64>,
    pub(crate) active_ms: Option<u64>,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) closed_ms: Option<u64>,
    pub(crate) close_reason: Option<CloseReason>,
    /// For how long it is to have its machines, and to wait for them at most.
    pub(crate) duration_s: Option<u64>,
    pub(crate) max_wait_s: Option<u64>,
    /// It is not considered before this.
    pub(crate) not_before_ms: Option<u64>,
    /// For how long nobody may keep it alive; none if nobody has to.
    pub(crate) keepalive_s: Option<u64>,
    /// For how long it is held if a run fails; none if it is not.
    pub(crate) hold_s: Option<u64>,
    /// When its group was assigned.
    pub(crate) assigned_ms: Option<u64>,
    /// Since when it is, or was, held for somebody to look at.
    pub(crate) held_ms: Option<u64>,
    /// When the tenant's time ended.
    pub(crate) ended_ms: Option<u64>,
    /// With how much notice it gives way to more urgent ones; none if it does not.
    pub(crate) grace_s: Option<u64>,
    /// When it gives way, and to which lease, if it is about to.
    pub(crate) gives_way_ms: Option<u64>,
    pub(crate) gives_way_to: Option<u32>,
    /// When it gave way, the oldest first.
    pub(crate) interruptions: Vec<Interruption>,
    /// The reservation whose machines it gets.
    pub(crate) reservation: Option<String>,
    /// The machines that have left the group while it was active, the oldest first.
    pub(crate) departures: Vec<Departure>,
}

/// A machine left an active group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Departure {
    pub(crate) node: String,
    pub(crate) role: String,
    pub(crate) since_ms: u64,
    pub(crate) until_ms: u64,
    pub(crate) why: String,
    /// The machine that came in its place; none while nobody has it.
    pub(crate) successor: Option<String>,
}

/// A machine of an active lease was given back, and another takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Replacement {
    /// The machine that takes the place.
    pub(crate) substitute: String,
    pub(crate) lease: Option<Lease>,
}

/// A lease gave way to another, and went back to its place in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Interruption {
    pub(crate) to_lease_id: u32,
    pub(crate) assigned_ms: u64,
    pub(crate) active_ms: u64,
    pub(crate) ended_ms: u64,
    /// Architecture to the number of machines that it had.
    pub(crate) machines: BTreeMap<String, u32>,
    /// The machines that it had for a part of that time only.
    pub(crate) part_time: Vec<PartTime>,
}

/// What came of a request for more time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Extension {
    /// The new end.
    pub(crate) until_ms: u64,
    /// How much later that is than the end before.
    pub(crate) granted_ms: u64,
    /// Why it is less than was asked for.
    pub(crate) note: Option<String>,
    pub(crate) lease: Option<Lease>,
}

/// Where a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Queued,
    Deploying,
    Active,
    Closing,
    Closed,
    /// A word that this version does not know.
    Unknown,
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CloseReason {
    Released,
    Expired,
    WaitedTooLong,
    Infrastructure,
    Image,
    Abandoned,
    /// A word that this version does not know.
    Unknown,
}

/// One role of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Member {
    pub(crate) role: String,
    pub(crate) count: u32,
    /// `None` for exactly `count`.
    pub(crate) at_most: Option<u32>,
    /// Alternatives have "|" between.
    pub(crate) arch: Option<String>,
    pub(crate) pool: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) nodes: Vec<String>,
    /// What else is asked of each machine.
    pub(crate) constraint: Option<String>,
}

/// A node of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LeasedNode {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) arch: String,
    pub(crate) address: String,
    pub(crate) image: String,
    /// The deployed system's agent has said hello.
    pub(crate) up: bool,
    pub(crate) status: String,
    pub(crate) phases: Vec<Phase>,
    /// "KIND BASE64" each; empty until the system is deployed.
    pub(crate) ssh_host_keys: Vec<String>,
}

/// One phase of one boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Phase {
    pub(crate) phase: String,
    pub(crate) start_ms: u64,
    /// `None` while it lasts.
    pub(crate) end_ms: Option<u64>,
}

impl State {
    /// The word for people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Deploying => "deploying",
            Self::Active => "active",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn parse(state: pb::LeaseState) -> Self {
        match state {
            pb::LeaseState::Unspecified => Self::Unknown,
            pb::LeaseState::Queued => Self::Queued,
            pb::LeaseState::Deploying => Self::Deploying,
            pb::LeaseState::Active => Self::Active,
            pb::LeaseState::Closing => Self::Closing,
            pb::LeaseState::Closed => Self::Closed,
        }
    }
}

impl CloseReason {
    /// The words for people, after "the lease …".
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "was released",
            Self::Expired => "expired",
            Self::WaitedTooLong => "waited too long in the queue",
            Self::Infrastructure => "lost its machines",
            Self::Image => "could not be provisioned",
            Self::Abandoned => "was not kept alive",
            Self::Unknown => "was closed",
        }
    }

    pub(super) fn from_wire(reason: i32) -> Option<Self> {
        match pb::CloseReason::try_from(reason) {
            Ok(reason) => Self::parse(reason),
            Err(_) => Some(Self::Unknown),
        }
    }

    fn parse(reason: pb::CloseReason) -> Option<Self> {
        match reason {
            pb::CloseReason::Unspecified => None,
            pb::CloseReason::Released => Some(Self::Released),
            pb::CloseReason::Expired => Some(Self::Expired),
            pb::CloseReason::WaitedTooLong => Some(Self::WaitedTooLong),
            pb::CloseReason::Infrastructure => Some(Self::Infrastructure),
            pb::CloseReason::Image => Some(Self::Image),
            pb::CloseReason::Abandoned => Some(Self::Abandoned),
        }
    }
}

impl From<pb::Lease> for Lease {
    fn from(lease: pb::Lease) -> Self {
        let state = State::parse(lease.state());
        let close_reason = CloseReason::from_wire(lease.close_reason);
        let times = lease.times.unwrap_or_default();
        Self {
            id: lease.id,
            tenant: clean(&lease.tenant),
            state,
            reason: optional(&lease.reason),
            purpose: optional(&lease.purpose),
            priority: clean(&lease.priority),
            queue_position: (lease.queue_position != 0).then_some(lease.queue_position),
            members: all(lease.members),
            together: lease.groupings.iter().map(|grouping| clean(grouping)).collect(),
            nodes: all(lease.nodes),
            requested_ms: time(lease.requested_ms),
            expected_start_ms: time(lease.expected_start_ms),
            latest_start_ms: time(lease.latest_start_ms),
            goes_first_ms: time(lease.goes_first_ms),
            active_ms: time(lease.active_ms),
            expires_ms: time(lease.expires_ms),
            closed_ms: time(lease.closed_ms),
            close_reason,
            duration_s: time(lease.duration_s),
            max_wait_s: time(lease.max_wait_s),
            not_before_ms: time(lease.not_before_ms),
            keepalive_s: time(lease.keepalive_s),
            hold_s: time(lease.hold_s),
            assigned_ms: time(times.assigned_ms),
            held_ms: time(times.held_ms),
            ended_ms: time(times.ended_ms),
            grace_s: time(lease.grace_s),
            gives_way_ms: time(lease.gives_way_ms),
            gives_way_to: (lease.gives_way_to != 0).then_some(lease.gives_way_to),
            interruptions: all(lease.interruptions),
            reservation: optional(&lease.reservation),
            departures: all(lease.departures),
        }
    }
}

impl Lease {
    /// The machines that have come into the active group and do not run what was asked for yet.
    pub(crate) fn coming(&self) -> impl Iterator<Item = &LeasedNode> {
        let took_over =
            |node: &LeasedNode| self.departures.iter().any(|d| d.successor.as_ref() == Some(&node.name));
        self.nodes.iter().filter(move |node| !node.up && took_over(node))
    }
}

impl From<pb::Departure> for Departure {
    fn from(departure: pb::Departure) -> Self {
        Self {
            node: clean(&departure.node),
            role: clean(&departure.role),
            since_ms: departure.since_ms,
            until_ms: departure.until_ms,
            why: clean(&departure.why),
            successor: optional(&departure.successor),
        }
    }
}

impl From<pb::ReplaceMemberResponse> for Replacement {
    fn from(replacement: pb::ReplaceMemberResponse) -> Self {
        Self { substitute: clean(&replacement.substitute), lease: replacement.lease.map(Lease::from) }
    }
}

impl From<pb::Interruption> for Interruption {
    fn from(interruption: pb::Interruption) -> Self {
        Self {
            to_lease_id: interruption.to_lease_id,
            assigned_ms: interruption.assigned_ms,
            active_ms: interruption.active_ms,
            ended_ms: interruption.ended_ms,
            machines: interruption.machines.iter().map(|(arch, count)| (clean(arch), *count)).collect(),
            part_time: all(interruption.part_time),
        }
    }
}

impl From<pb::ExtendLeaseResponse> for Extension {
    fn from(extension: pb::ExtendLeaseResponse) -> Self {
        Self {
            until_ms: extension.until_ms,
            granted_ms: extension.granted_ms,
            note: optional(&extension.note),
            lease: extension.lease.map(Lease::from),
        }
    }
}

impl From<pb::MemberRequest> for Member {
    fn from(member: pb::MemberRequest) -> Self {
        Self {
            role: optional(&member.role).unwrap_or_else(|| "node".to_owned()),
            count: member.count,
            at_most: (member.at_most != 0).then_some(member.at_most),
            arch: optional(&member.arch),
            pool: optional(&member.pool),
            image: optional(&member.image),
            nodes: member.nodes.iter().map(|name| clean(name)).collect(),
            constraint: optional(&member.constraint),
        }
    }
}

impl From<pb::LeasedNode> for LeasedNode {
    fn from(node: pb::LeasedNode) -> Self {
        Self {
            name: clean(&node.name),
            role: clean(&node.role),
            arch: clean(&node.arch),
            address: clean(&node.address),
            image: clean(&node.image),
            up: node.up,
            status: clean(&node.status),
            phases: all(node.phases),
            ssh_host_keys: node.ssh_host_keys.iter().map(|key| clean(key)).collect(),
        }
    }
}

impl From<pb::PhaseTime> for Phase {
    fn from(phase: pb::PhaseTime) -> Self {
        Self { phase: clean(&phase.phase), start_ms: phase.start_ms, end_ms: time(phase.end_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON of a lease; scripts depend on every word of it.
    #[test]
    fn json() {
        let lease = pb::Lease {
            id: 7,
            tenant: "ci".to_owned(),
            state: pb::LeaseState::Closed.into(),
            close_reason: pb::CloseReason::WaitedTooLong.into(),
            reason: "no aarch64 node came free\u{1b}[2J".to_owned(),
            members: vec![pb::MemberRequest { count: 2, arch: "aarch64".to_owned(), ..Default::default() }],
            nodes: vec![pb::LeasedNode {
                name: "r1-n01".to_owned(),
                phases: vec![pb::PhaseTime { phase: "dhcp".to_owned(), start_ms: 5, end_ms: 0 }],
                ..Default::default()
            }],
            requested_ms: 1,
            priority: "gate".to_owned(),
            ..Default::default()
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&Lease::from(lease)).unwrap(), @r#"
        {
          "id": 7,
          "tenant": "ci",
          "state": "closed",
          "reason": "no aarch64 node came free�[2J",
          "purpose": null,
          "priority": "gate",
          "queue_position": null,
          "members": [
            {
              "role": "node",
              "count": 2,
              "at_most": null,
              "arch": "aarch64",
              "pool": null,
              "image": null,
              "nodes": [],
              "constraint": null
            }
          ],
          "together": [],
          "nodes": [
            {
              "name": "r1-n01",
              "role": "",
              "arch": "",
              "address": "",
              "image": "",
              "up": false,
              "status": "",
              "phases": [
                {
                  "phase": "dhcp",
                  "start_ms": 5,
                  "end_ms": null
                }
              ],
              "ssh_host_keys": []
            }
          ],
          "requested_ms": 1,
          "expected_start_ms": null,
          "latest_start_ms": null,
          "goes_first_ms": null,
          "active_ms": null,
          "expires_ms": null,
          "closed_ms": null,
          "close_reason": "waited_too_long",
          "duration_s": null,
          "max_wait_s": null,
          "not_before_ms": null,
          "keepalive_s": null,
          "hold_s": null,
          "assigned_ms": null,
          "held_ms": null,
          "ended_ms": null,
          "grace_s": null,
          "gives_way_ms": null,
          "gives_way_to": null,
          "interruptions": [],
          "reservation": null,
          "departures": []
        }
        "#);
    }
}
