//! More time for a lease.

use super::{Result, check};
use crate::calendar::Reserved;
use crate::catalogue::Tenant;
use crate::course::{Extension, Grant, MoreTime, Notice, Warning};
use crate::event::Severity;
use crate::ids::LeaseId;
use crate::input::{Refusal, Reply};
use crate::lease::{Lease, LeaseState};
use crate::node::HoldKind;
use crate::schedule::{self, Decision, Scene};
use crate::tenancy::{Standing, hours};
use crate::text::span;
use crate::time::Timestamp;
use crate::world::World;
use std::time::Duration;

/// Requests for more time that one lease may have; more are a loop that went wrong.
const MAX_EXTENSIONS: usize = 256;

/// The longest time that a lease may last, with all that it was extended by: 30 days.
const MAX_TOTAL: Duration = Duration::from_secs(30 * 24 * 3600);

/// Less is no extension.
const SHORTEST: Duration = Duration::from_secs(1);

impl World {
    pub(super) fn on_extend(&mut self, id: LeaseId, key: String, wanted: MoreTime, author: String) -> Result {
        let missing = || Refusal::NotFound(format!("there is no lease {id}"));
        let lease = self.leases.get(id).ok_or_else(missing)?;
        if let Some(known) = lease.course.extensions.iter().find(|e| e.key == key) {
            return if known.wanted == wanted {
                Ok(Reply::Extended(known.grant.clone()))
            } else {
                let text = format!("the idempotency key {key:?} was used for another extension");
                Err(Refusal::Conflict(text))
            };
        }
        check::key(&key)?;
        if lease.course.extensions.len() >= MAX_EXTENSIONS {
            let text = format!("lease {id} was extended {MAX_EXTENSIONS} times already: ask for longer ones");
            return Err(Refusal::Conflict(text));
        }
        let at = self.meta.now;
        let (grant, replanned) = self.ask_scheduler(|scene, world| {
            decide(scene, world, world.leases.get(id).ok_or_else(missing)?, wanted)
        })?;
        let message = format!("lease {id} lasts until {}: extended by {author}", grant.until.utc());
        let message = grant.note.iter().fold(message, |message, note| format!("{message}; {note}"));
        self.move_end(id, grant.until);
        self.change_lease(id, |l| {
            l.course.warning = Warning::first(at, grant.until);
            l.course.extensions.push(Extension { key, wanted, author, at, grant: grant.clone() });
        });
        self.carry_out(replanned);
        self.tell(Severity::Info, "lease-extended", id, message);
        Ok(Reply::Extended(grant))
    }
}

/// How much more time an active lease gets, and whose plans change with it. Nobody's promise is broken for it.
fn decide(
    scene: &mut Scene,
    world: &World,
    lease: &Lease,
    wanted: MoreTime,
) -> std::result::Result<(Grant, Vec<Decision>), Refusal> {
    let id = lease.id;
    if let Some(Notice { at, to }) = lease.course.notice {
        return Err(Refusal::Conflict(format!("lease {id} gives way to lease {to} at {}", at.utc())));
    }
    let (since, expires) = match &lease.state {
        LeaseState::Active { since, expires, .. } => (*since, *expires),
        LeaseState::Queued { .. } | LeaseState::Deploying { .. } => {
            let text = format!("lease {id} is not active yet: its time has not begun");
            return Err(Refusal::Conflict(text));
        }
        LeaseState::Closing { ended, .. } | LeaseState::Closed { ended, .. } => {
            let text = format!("lease {id} has ended ({}): ask for another one", ended.detail);
            return Err(Refusal::Conflict(text));
        }
    };
    let asked = match wanted {
        MoreTime::By(ms) => expires.after(Duration::from_millis(ms)),
        MoreTime::Until(at) => at,
    };
    if asked <= expires {
        let text = format!("lease {id} lasts until {} as it is", expires.utc());
        return Err(Refusal::Invalid(text));
    }
    let (most, bound) = latest_end(world, lease, since, expires);
    let most = asked.min(most).max(expires);
    let (until, replanned) = schedule::lasting(scene, world, lease, most, world.meta.now);
    let why = if until < most {
        "others that wait were promised to have its machines then".to_owned()
    } else {
        bound
    };
    if until.since(expires) < SHORTEST {
        return Err(Refusal::Conflict(format!("lease {id} lasts until {}, and {why}", expires.utc())));
    }
    let granted = |until: Timestamp| until.since(expires);
    let note = (until < asked)
        .then(|| format!("granted {} of {}: {why}", span(granted(until)), span(granted(asked))));
    let granted_ms = until.0 - expires.0;
    Ok((Grant { until, granted_ms, note }, replanned))
}

/// How long an active lease may last if nobody else counts, and what says so.
fn latest_end(world: &World, lease: &Lease, since: Timestamp, expires: Timestamp) -> (Timestamp, String) {
    let longest = (since.after(MAX_TOTAL), "no lease lasts longer than 30 days".to_owned());
    let planned = [drained(world, lease, expires), planned_otherwise(world, lease, expires)];
    let longest = planned.into_iter().chain([Some(longest)]).flatten();
    let longest = longest.min_by_key(|(end, _)| *end).unwrap_or((expires, String::new()));
    let Some(tenant) = world.tenants.get(lease.tenant) else { return longest };
    let Tenant { name, allowance, .. } = tenant;
    let by_tenant = allowance.extension_ms.map(Duration::from_millis).map(|most| {
        let text = format!("tenant {name} may extend a lease by {} at most", span(most));
        (unextended_end(lease, since).after(most), text)
    });
    let by_hours = allowance.node_hours.map(|quota| {
        let standing = Standing::of(world, tenant, world.meta.now);
        let taken = standing.granted_node_ms.saturating_add(standing.promised_node_ms);
        let left = quota.node_ms.saturating_sub(taken) / (lease.group().len() as u64).max(1);
        let text = format!("quota: {} of {quota} are taken", hours(taken));
        (expires.after(Duration::from_millis(left)), text)
    });
    let bounds = [Some(longest), by_tenant, by_hours].into_iter().flatten();
    bounds.min_by_key(|(end, _)| *end).unwrap_or((expires, String::new()))
}

/// A drain that is in force without a deadline lets a lease have its machine for as long as it was told, and no longer.
fn drained(world: &World, lease: &Lease, expires: Timestamp) -> Option<(Timestamp, String)> {
    let nodes = lease.group().iter().filter_map(|assigned| world.nodes.get(assigned.node));
    let mut endless =
        nodes.filter(|node| node.outage.as_ref().is_none_or(|outage| outage.deadline.is_none()));
    endless.find_map(|node| {
        let hold = node.holds.get(&HoldKind::Drain)?;
        Some((expires, format!("node {} is drained: {}", node.spec.name, hold.reason)))
    })
}

/// When a machine of a lease is to be drained, or set aside for others, and what says so. A drain that is in force
/// without a deadline lets it go on.
pub(super) fn planned_otherwise(
    world: &World,
    lease: &Lease,
    after: Timestamp,
) -> Option<(Timestamp, String)> {
    let reserved = Reserved::of(world);
    let nodes = lease.group().iter().filter_map(|assigned| world.nodes.get(assigned.node));
    let ends = nodes.filter_map(|node| {
        let name = &node.spec.name;
        let drained = node.outage.as_ref().and_then(|outage| {
            let end = outage.deadline.or((outage.from > after).then_some(outage.from))?;
            Some((end, format!("node {name} is drained then: {}", outage.reason)))
        });
        let windows = reserved.windows(node).into_iter();
        let others = windows.filter(|w| w.reserved.is_some() && w.reserved != lease.course.reservation);
        let begins = others.filter_map(|window| Some(window.next(after.0)?.0)).min();
        let others = begins.map(|at| (Timestamp(at), format!("node {name} is set aside for others then")));
        drained.into_iter().chain(others).min_by_key(|(end, _)| *end)
    });
    ends.min_by_key(|(end, _)| *end)
}

/// When a lease would have ended without any extension: after its duration, or after its hold.
fn unextended_end(lease: &Lease, since: Timestamp) -> Timestamp {
    let held = lease.course.hold.as_ref().zip(lease.spec.terms.hold_ms);
    let (begin, ms) = held.map_or((since, lease.spec.duration_ms), |(hold, ms)| (hold.since, ms));
    begin.after(Duration::from_millis(ms))
}
