//! What machines do, and for how long leases probably have them.

use super::pace::Pace;
use super::past::{Length, Usual};
use super::scheduler::{Policy, Spans, Standing};
use crate::calendar::Outage;
use crate::ids::TenantId;
use crate::lease::{Lease, LeaseSpec, LeaseState};
use crate::node::{Node, NodeState};
use crate::time::Timestamp;
use crate::world::World;
use std::collections::HashMap;

/// For how long a lease has its machines, deployment and cleaning included.
pub(super) fn spans(length: Length, spec: &LeaseSpec, pace: Pace) -> Spans {
    let span = |run: u64| run + pace.overhead_ms();
    Spans { expect: span(length.expect_ms), guard: span(length.guard_ms), limit: span(spec.duration_ms) }
}

/// How long leases probably take, each kind worked out once.
pub(super) struct Lengths<'w> {
    world: &'w World,
    usual: Usual,
    known: HashMap<(TenantId, u64, u32), Length>,
}

impl<'w> Lengths<'w> {
    pub(super) fn new(world: &'w World, usual: Usual) -> Self {
        Self { world, usual, known: HashMap::new() }
    }

    pub(super) fn of(&mut self, tenant: TenantId, spec: &LeaseSpec) -> Length {
        let (limit, hosts) = (spec.duration_ms, spec.hosts());
        *self.known.entry((tenant, limit, hosts)).or_insert_with(|| {
            let past = self.world.tenants.get(tenant).map(|tenant| &tenant.past);
            let quantile = Policy::default().quantile;
            past.map(|past| past.length(limit, hosts, quantile, self.usual)).unwrap_or_default()
        })
    }
}

/// What a machine does. With `until`, as if the lease that has it lasted until then.
pub(super) fn standing(
    node: &Node,
    pace: Pace,
    lengths: &mut Lengths<'_>,
    until: Option<Timestamp>,
) -> Standing {
    let standing = in_service(node, pace, lengths, until);
    if node.holds.is_empty() {
        return standing;
    }
    match (Outage::end(node), standing) {
        (None, _) | (_, Standing::Away) => Standing::Away,
        (Some(end), Standing::Free { .. }) => Standing::Busy { guard: end.0, limit: end.0 },
        (Some(end), Standing::Busy { guard, limit }) => {
            Standing::Busy { guard: guard.max(end.0), limit: limit.max(end.0) }
        }
    }
}

/// The same, whatever holds it.
fn in_service(node: &Node, pace: Pace, lengths: &mut Lengths<'_>, until: Option<Timestamp>) -> Standing {
    match &node.state {
        NodeState::Ready { .. } => Standing::Free { cold: !node.is_warm(), since: node.since.0 },
        NodeState::Deploying { lease, .. } | NodeState::Leased { lease, .. } => {
            let lease = lengths.world.leases.get(*lease);
            lease.map_or(Standing::Away, |lease| in_use(lease, pace, lengths, until))
        }
        NodeState::Cleaning { .. } | NodeState::Inspecting { .. } => {
            let back = node.since.0 + pace.clean_ms;
            Standing::Busy { guard: back, limit: back }
        }
        NodeState::Registered | NodeState::Failed { .. } | NodeState::Retired => Standing::Away,
    }
}

fn in_use(lease: &Lease, pace: Pace, lengths: &mut Lengths<'_>, until: Option<Timestamp>) -> Standing {
    let (began, limit) = match &lease.state {
        LeaseState::Deploying { since, .. } => {
            let began = since.0 + pace.deploy_ms;
            (began, began + lease.spec.duration_ms)
        }
        LeaseState::Active { since, expires, .. } => {
            (since.0, until.or(lease.gives_back()).unwrap_or(*expires).0)
        }
        _ => return Standing::Away,
    };
    let guard = limit.min(began + lengths.of(lease.tenant, &lease.spec).guard_ms);
    Standing::Busy { guard: guard + pace.clean_ms, limit: limit + pace.clean_ms }
}
