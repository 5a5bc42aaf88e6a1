//! Requests, groups, and their ends.

use super::{Result, check, exhausted};
use crate::attempt::{Purpose, Rung};
use crate::course::{Course, Warning};
use crate::event::Severity;
use crate::ids::{LeaseId, NodeId, TenantId};
use crate::input::{Refusal, Reply};
use crate::lease::{Assigned, CloseReason, Ended, Lease, LeaseSpec, LeaseState};
use crate::node::{NodeState, Presence};
use crate::request::{self, Preview};
use crate::schedule::{self, Decision, PastRun, Promise};
use crate::world::World;
use std::time::Duration;

/// More requests of one tenant than this in the queue are a loop that went wrong.
const MAX_QUEUED: usize = 10_000;

/// Of passes that follow from each other; what is left is decided with the next input.
const MOST_PASSES: usize = 64;

/// Closed leases that are remembered at most, however short a while ago they were closed.
const MAX_REMEMBERED: usize = 100_000;

/// What would come of a request.
///
/// # Errors
/// If it makes no sense, or its tenant may not have it.
pub fn preview(
    world: &World,
    tenant: Option<TenantId>,
    spec: &LeaseSpec,
) -> std::result::Result<Preview, Refusal> {
    check::request("preview", spec)?;
    check::public_keys(&spec.ssh_keys)?;
    check::terms(&spec.terms, world.meta.now)?;
    if let Some(tenant) = tenant {
        check::allowance(world, tenant, spec)?;
        world.reservation_of(tenant, spec)?;
    }
    Ok(request::preview(world, tenant, spec))
}

impl World {
    pub(super) fn on_request(&mut self, tenant: TenantId, key: String, mut spec: LeaseSpec) -> Result {
        spec.ssh_keys = check::public_keys(&spec.ssh_keys)?;
        if let Some(known) = self.lease_by_key(tenant, &key) {
            return if known.spec == spec {
                Ok(Reply::Lease(known.id))
            } else {
                Err(Refusal::Conflict(format!("the idempotency key {key:?} was used for another request")))
            };
        }
        check::request(&key, &spec)?;
        check::terms(&spec.terms, self.meta.now)?;
        check::allowance(self, tenant, &spec)?;
        let reservation = self.reservation_of(tenant, &spec)?;
        if self.index().queued(tenant) >= MAX_QUEUED {
            return Err(Refusal::Conflict(format!(
                "{MAX_QUEUED} requests of this tenant are waiting already"
            )));
        }
        schedule::satisfiable(self, &spec).map_err(Refusal::Conflict)?;
        let id = self.meta.counters.next_lease().ok_or_else(exhausted)?;
        let requested = self.meta.now;
        let early = spec.terms.not_before.filter(|at| *at > requested);
        let course = Course { early, reservation, ..Course::default() };
        // Who begins later is promised something then.
        let (promise, replanned) = if early.is_none() {
            self.ask_scheduler(|scene, world| {
                schedule::promise(scene, world, tenant, &spec, reservation, requested)
            })
        } else {
            (None, Vec::new())
        };
        let state = LeaseState::Queued { reason: String::new() };
        let mut lease = Lease { id, tenant, key, spec, requested, promise, setback: None, course, state };
        lease.state = LeaseState::Queued { reason: schedule::asks_for(&lease) };
        self.put_lease(lease);
        self.carry_out(replanned);
        self.tell(Severity::Info, "lease-requested", id, format!("lease {id} requested"));
        self.reschedule = true;
        Ok(Reply::Lease(id))
    }

    /// The earliest start of a lease has come: from now on it waits, and is promised something.
    pub(super) fn begin_to_wait(&mut self, id: LeaseId) {
        let Some(Lease { tenant, spec, course, .. }) = self.leases.get(id).cloned() else { return };
        let now = self.meta.now;
        let (promise, replanned) = self.ask_scheduler(|scene, world| {
            schedule::promise(scene, world, tenant, &spec, course.reservation, now)
        });
        self.change_lease(id, |l| {
            l.course.early = None;
            l.promise = promise;
        });
        self.carry_out(replanned);
        self.reschedule = true;
    }

    pub(super) fn on_release(&mut self, id: LeaseId, author: &str, at_once: bool) -> Result {
        let lease =
            self.leases.get(id).ok_or_else(|| Refusal::NotFound(format!("there is no lease {id}")))?;
        let over = matches!(lease.state, LeaseState::Closing { .. } | LeaseState::Closed { .. });
        let detail = format!("released by {author}");
        if !over && at_once {
            self.end_lease(id, CloseReason::Released, detail);
        } else if !over && lease.course.hold.is_none() {
            self.finish_lease(id, CloseReason::Released, detail);
        }
        Ok(Reply::Lease(id))
    }

    /// Starts the groups that the scheduler chooses. What was set aside of a quota for the most that a lease may get, and
    /// is not taken, leaves room for another; so does another plan around windows.
    pub(super) fn start_groups(&mut self) {
        let now = self.meta.now;
        self.meta.planned = now;
        self.note_busy();
        // Of machines that are alike, those come first on which the image is.
        self.unused.refresh(&mut self.nodes, &self.bmcs);
        for _ in 0..MOST_PASSES {
            if self.index().queue().next().is_none() {
                return;
            }
            let (decisions, has_windows) =
                self.ask_scheduler(|scene, world| (schedule::decide(scene, world, now), scene.has_windows()));
            let has_decided = !decisions.is_empty();
            self.carry_out(decisions);
            let may_go_on = || has_windows || self.tenants.values().any(|t| t.allowance.has_quota());
            if !has_decided || !may_go_on() {
                return;
            }
        }
    }

    pub(super) fn carry_out(&mut self, decisions: Vec<Decision>) {
        for decision in decisions {
            match decision {
                Decision::Start { lease, group } => self.start_group(lease, group),
                Decision::Replan { lease, promise } => self.replan(vec![(lease.0, promise)]),
            }
        }
    }

    /// How promises will be kept is planned anew.
    pub(super) fn replan(&mut self, promises: Vec<(u32, Promise)>) {
        for (lease, promise) in promises {
            self.change_lease(LeaseId(lease), |l| l.promise = Some(promise));
        }
    }

    /// A lease still waits that was to have started: machines were lost, or took longer than ever before.
    pub(super) fn break_promise(&mut self, id: LeaseId) {
        let Some(lease) = self.leases.get(id) else { return };
        let why = schedule::why_waiting(self, lease);
        self.change_lease(id, |l| l.promise = None);
        let message = format!("lease {id} has not started by its latest start: {why}");
        self.tell(Severity::Warning, "promise-broken", id, message);
    }

    fn start_group(&mut self, id: LeaseId, group: Vec<Assigned>) {
        let since = self.meta.now;
        for assigned in &group {
            self.deploy(assigned, id);
        }
        let names = self.names(group.iter().map(|a| a.node));
        self.change_lease(id, |l| {
            l.course.assigned = Some(since);
            l.state = LeaseState::Deploying { group, since };
        });
        self.drop_claim(id);
        self.grant_time(id);
        self.tell(Severity::Info, "lease-assigned", id, format!("lease {id} gets {names}"));
    }

    /// A node of the group runs its deployed system; when all do, the lease is active. If it is already, the node has
    /// taken the place of another.
    pub(super) fn member_is_up(&mut self, id: LeaseId, node: NodeId) {
        let now = self.meta.now;
        let Some(lease) = self.leases.get(id) else { return };
        let LeaseState::Deploying { group, .. } = &lease.state else {
            return self.substitute_is_up(id, node);
        };
        let up = |a: &Assigned| {
            self.nodes.get(a.node).is_some_and(|n| matches!(n.state, NodeState::Leased { .. }))
        };
        if !group.iter().all(up) {
            return;
        }
        let group = group.clone();
        let asked = now.after(Duration::from_millis(lease.spec.duration_ms));
        let drained = self.drained_by(lease).filter(|(end, _)| *end < asked);
        let drained = drained.map(|(end, node)| (end.max(now), node.spec.name.clone()));
        self.change_lease(id, |l| {
            l.course.warning = Warning::first(now, drained.as_ref().map_or(asked, |(end, _)| *end));
            l.state = LeaseState::Active { group, since: now, expires: asked };
        });
        let until = drained.map(|(end, name)| {
            self.move_end(id, end);
            format!(" until {}: {name} is drained then", end.utc())
        });
        let until = until.unwrap_or_default();
        self.tell(Severity::Info, "lease-active", id, format!("lease {id} is active{until}"));
    }

    /// A node failed before its group was whole: another takes its place, or the group is dissolved and the lease
    /// goes back to its place in the queue. An active lease goes on without it.
    pub(super) fn lost_member(&mut self, id: LeaseId, node: NodeId, evidence: &str) {
        self.machine_given_back(id, node);
        let Some(lease) = self.leases.get(id) else { return };
        let failed = lease.group().iter().find(|a| a.node == node).cloned();
        match (&lease.state, failed) {
            (LeaseState::Deploying { .. }, Some(failed)) => {
                match schedule::substitute(self, lease, &failed) {
                    Some(other) => self.replace_member(id, node, other),
                    None => self.dissolve(id, node, evidence),
                }
            }
            (LeaseState::Active { .. }, Some(failed)) => self.lost_substitute(id, &failed, evidence),
            _ => self.member_is_gone(id, node),
        }
    }

    fn replace_member(&mut self, id: LeaseId, failed: NodeId, other: Assigned) {
        let substitute = other.node;
        self.deploy(&other, id);
        self.change_lease(id, |l| {
            if let LeaseState::Deploying { group, .. } = &mut l.state
                && let Some(place) = group.iter_mut().find(|a| a.node == failed)
            {
                *place = other;
            }
        });
        let message = format!("{} takes the place of {}", self.names([substitute]), self.names([failed]));
        self.tell(Severity::Warning, "member-replaced", (substitute, Some(id)), message);
        self.reschedule = true;
    }

    fn dissolve(&mut self, id: LeaseId, failed: NodeId, evidence: &str) {
        let Some(lease) = self.leases.get(id) else { return };
        let others: Vec<_> = lease.group().iter().map(|a| a.node).filter(|n| *n != failed).collect();
        for node in others {
            self.clean(node, id, None);
            self.machine_given_back(id, node);
        }
        let setback = format!("{} failed ({evidence}) and no other machine was free", self.names([failed]));
        self.tell(
            Severity::Warning,
            "group-dissolved",
            id,
            format!("lease {id} goes back to the queue: {setback}"),
        );
        self.return_time(id);
        self.change_lease(id, |l| {
            l.course.assigned = None;
            l.setback = Some(setback);
            l.state = LeaseState::Queued { reason: schedule::asks_for(l) };
        });
        // Its tenant's quota may be less than it was when this was promised.
        if let Some(tenant) = self.leases.get(id).map(|lease| lease.tenant) {
            self.withdraw_promises(tenant);
        }
        self.reschedule = true;
        self.end_what_waits_in_vain(id);
    }

    /// Takes a node back from `from` and wipes it; it counts as part of `lease` until then.
    pub(super) fn clean(&mut self, node: NodeId, from: LeaseId, lease: Option<LeaseId>) {
        let Some(boot) = self.order_boot(Purpose::Prepare, Rung::First, None) else { return };
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(node) else { return };
        node.agent = Presence::Absent;
        node.unexpected_boot = None;
        node.vacated = Some((from, now));
        node.enter(NodeState::Cleaning { boot, lease }, now, None);
    }

    /// Ends a lease, whatever it was doing.
    pub(super) fn end_lease(&mut self, id: LeaseId, reason: CloseReason, detail: String) {
        let now = self.meta.now;
        let Some(lease) = self.leases.get(id) else { return };
        let group = lease.group().to_vec();
        let active = match lease.state {
            LeaseState::Active { since, .. } => Some(since),
            _ => None,
        };
        if let Some(since) = active {
            self.remember_length(id, now.since(since));
        }
        for assigned in &group {
            self.clean(assigned.node, id, Some(id));
        }
        self.return_time(id);
        self.lose_runs(id, "the lease ended");
        self.tell(Severity::Info, "lease-ended", id, format!("lease {id}: {detail}"));
        let ended = Ended { reason, detail, at: now, active, had: group.clone() };
        self.change_lease(id, |l| {
            l.course.notice = None;
            l.state = LeaseState::Closing { group, ended };
        });
        self.drop_claim(id);
        self.close_if_empty(id);
        self.reschedule = true;
    }

    /// What a lease took says what the tenant's next ones will take.
    fn remember_length(&mut self, id: LeaseId, ran: Duration) {
        let Some(lease) = self.leases.get(id) else { return };
        let run = PastRun {
            ran_ms: u64::try_from(ran.as_millis()).unwrap_or(u64::MAX),
            limit_ms: lease.spec.duration_ms,
            hosts: lease.spec.hosts(),
        };
        if let Some(tenant) = self.tenants.get_mut(lease.tenant) {
            tenant.past.add(run);
        }
    }

    /// A node of an ended lease is clean.
    pub(super) fn member_is_clean(&mut self, id: LeaseId, node: NodeId) {
        self.machine_given_back(id, node);
        self.member_is_gone(id, node);
    }

    fn member_is_gone(&mut self, id: LeaseId, node: NodeId) {
        self.change_lease(id, |l| {
            if let LeaseState::Closing { group, .. } = &mut l.state {
                group.retain(|a| a.node != node);
            }
        });
        self.close_if_empty(id);
    }

    fn close_if_empty(&mut self, id: LeaseId) {
        let at = self.meta.now;
        let Some(lease) = self.leases.get(id) else { return };
        let LeaseState::Closing { group, ended } = &lease.state else { return };
        if !group.is_empty() {
            return;
        }
        let ended = ended.clone();
        self.change_lease(id, |l| l.state = LeaseState::Closed { ended, at });
        self.make_room();
    }

    /// Whoever asks and gives back in a loop makes the controller forget sooner.
    fn make_room(&mut self) {
        let excess = self.index().closed().len().saturating_sub(MAX_REMEMBERED);
        let oldest: Vec<_> = self.index().closed().take(excess).collect();
        for (_, lease) in oldest {
            self.forget_lease(lease);
        }
    }

    pub(super) fn names(&self, nodes: impl IntoIterator<Item = NodeId>) -> String {
        let names: Vec<_> =
            nodes.into_iter().filter_map(|id| self.nodes.get(id)).map(|n| n.spec.name.as_str()).collect();
        names.join(", ")
    }
}
