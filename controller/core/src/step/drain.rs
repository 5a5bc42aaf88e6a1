//! Drains: at once or with times.

use super::Result;
use crate::calendar::{Outage, Times};
use crate::course::Warning;
use crate::event::Severity;
use crate::ids::{LeaseId, NodeId};
use crate::input::{Refusal, Reply};
use crate::lease::{Lease, LeaseState};
use crate::node::{Hold, HoldKind, Node};
use crate::request::Want;
use crate::schedule::Lost;
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeSet;
use std::time::Duration;

/// What an administrator's plan for machines breaks.
#[derive(Debug, Default)]
pub(super) struct Breaks {
    /// Leases that were promised a latest start.
    promises: Vec<LeaseId>,
    /// Leases that have machines, and may have them until then, which is too long.
    leases: Vec<(LeaseId, Timestamp)>,
}

impl World {
    pub(super) fn drain(
        &mut self,
        author: &str,
        id: NodeId,
        reason: String,
        times: Times,
        anyway: bool,
    ) -> Result {
        let now = self.meta.now;
        if reason.trim().is_empty() {
            let text = "a drain needs a reason: the next administrator wants to know";
            return Err(Refusal::Invalid(text.into()));
        }
        times.check(now).map_err(Refusal::Invalid)?;
        let Some(before) = self.nodes.get(id).cloned() else { return Ok(Reply::Done) };
        if times.from.is_some_and(|from| from > now) && before.holds.contains_key(&HoldKind::Drain) {
            let name = &before.spec.name;
            let text =
                format!("node {name} is drained already: resume it first, or leave out when it begins");
            return Err(Refusal::Conflict(text));
        }
        let lost = self.ask_scheduler(|scene, _| scene.lost(now));
        self.plan_drain(author, id, &reason, times);
        let leases = before.state.lease().into_iter().filter_map(|lease| self.leases.get(lease));
        let leases = times.deadline.map(|at| leases.filter_map(|l| outlasts(l, at)).collect());
        let breaks = self.breaks(&lost, leases.unwrap_or_default());
        if !anyway && let Some(words) = breaks.words(self) {
            let text = format!("draining node {} breaks what was promised: {words}", before.spec.name);
            self.put_node(before);
            return Err(Refusal::Conflict(text));
        }
        let why = format!("node {} is drained by {author}: {reason}", before.spec.name);
        self.break_promises(&lost, &why);
        if let Some(deadline) = times.deadline {
            breaks.leases.iter().for_each(|(lease, _)| self.cut_short(*lease, deadline, &why));
        }
        self.tell_of_drain(&before, author, reason);
        Ok(Reply::Done)
    }

    /// The row says that the machine is drained, or will be.
    fn plan_drain(&mut self, author: &str, id: NodeId, reason: &str, times: Times) {
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return };
        let (author, reason) = (author.to_owned(), reason.to_owned());
        let Times { deadline, back_at, .. } = times;
        let from = times.from.unwrap_or(now);
        if from <= now {
            let hold = Hold { author: author.clone(), reason: reason.clone(), since: now };
            node.holds.insert(HoldKind::Drain, hold);
        }
        node.outage = (!times.is_empty()).then_some(Outage { author, reason, from, deadline, back_at });
    }

    fn tell_of_drain(&mut self, before: &Node, author: &str, reason: String) {
        let now = self.meta.now;
        let announced = self.nodes.get(before.id).and_then(|n| n.outage.clone()).filter(|o| o.from > now);
        match announced {
            Some(outage) => {
                let (name, at) = (&before.spec.name, outage.from.utc());
                let message = format!("{name} will be drained by {author} from {at}: {reason}");
                self.tell(Severity::Info, "drain-announced", before.id, message);
            }
            None => self.hold(before.id, HoldKind::Drain, author, reason),
        }
        self.reschedule = true;
        self.review_reservations = true;
    }

    /// The time of a drain has come, or is over.
    pub(super) fn on_outage_due(&mut self, id: NodeId) {
        let now = self.meta.now;
        let Some(node) = self.nodes.get(id) else { return };
        let Some(outage) = node.outage.clone() else { return };
        if !node.holds.contains_key(&HoldKind::Drain) && outage.from <= now {
            self.hold(id, HoldKind::Drain, &outage.author, outage.reason);
        } else if outage.back_at.is_some_and(|at| at <= now) {
            self.end_drain(id, "the end of its time");
        }
    }

    /// A drain is over, or will not come.
    pub(super) fn end_drain(&mut self, id: NodeId, author: &str) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let had = node.outage.take();
        if node.holds.contains_key(&HoldKind::Drain) {
            self.lift(id, HoldKind::Drain, author);
        } else if had.is_some() {
            let message = format!("{} will not be drained: called off by {author}", node.spec.name);
            self.tell(Severity::Info, "drain-called-off", id, message);
        }
        self.reschedule = true;
        self.review_reservations = true;
    }

    /// What is broken by what became of machines, and by leases that have them for too long.
    pub(super) fn breaks(&mut self, lost: &Lost, leases: Vec<(LeaseId, Timestamp)>) -> Breaks {
        let now = self.meta.now;
        let promises = self.ask_scheduler(|scene, _| scene.all_kept(lost, now)).err().unwrap_or_default();
        Breaks { promises: promises.into_iter().map(LeaseId).collect(), leases }
    }

    /// Takes promises back until all others can be kept, and plans how.
    pub(super) fn break_promises(&mut self, lost: &Lost, why: &str) {
        let now = self.meta.now;
        loop {
            match self.ask_scheduler(|scene, _| scene.all_kept(lost, now)) {
                Ok(replanned) => return self.replan(replanned),
                Err(broken) => broken.into_iter().for_each(|id| self.withdraw_promise(LeaseId(id), why)),
            }
        }
    }

    /// A lease ends sooner than its tenant was told.
    fn cut_short(&mut self, id: LeaseId, end: Timestamp, why: &str) {
        let now = self.meta.now;
        if !self.leases.get(id).is_some_and(|l| matches!(l.state, LeaseState::Active { .. })) {
            return;
        }
        self.move_end(id, end);
        self.change_lease(id, |l| l.course.warning = Warning::first(now, end));
        let message = format!("lease {id} ends at {}, sooner than it was told: {why}", end.utc());
        self.tell(Severity::Warning, "lease-shortened", id, message);
    }

    /// Until when a lease may have its machines, as far as drains say; and which.
    pub(super) fn drained_by(&self, lease: &Lease) -> Option<(Timestamp, &Node)> {
        let nodes = lease.group().iter().filter_map(|assigned| self.nodes.get(assigned.node));
        let ends = nodes.filter_map(|node| Some((node.outage.as_ref()?.deadline?, node)));
        ends.min_by_key(|(end, node)| (*end, node.id))
    }
}

impl Breaks {
    pub(super) fn is_empty(&self) -> bool {
        self.promises.is_empty() && self.leases.is_empty()
    }

    /// The machines that those could have whose promises it breaks, and those that leases have for too long.
    pub(super) fn wanted(&self, world: &World) -> BTreeSet<NodeId> {
        let promised = self.promises.iter().filter_map(|id| world.leases.get(*id));
        let members = promised.flat_map(|lease| &lease.spec.members);
        let wants: Vec<_> = members.map(|member| Want::new(world, member)).collect();
        let held = self.leases.iter().filter_map(|(id, _)| world.leases.get(*id));
        let held = held.flat_map(|lease| lease.group().iter().map(|assigned| assigned.node));
        let suits = |node: &&Node| wants.iter().any(|want| want.suits(node));
        world.nodes.values().filter(suits).map(|node| node.id).chain(held).collect()
    }

    /// What it breaks, for people; none if nothing.
    pub(super) fn words(&self, world: &World) -> Option<String> {
        let latest = |id: &LeaseId| Some(world.leases.get(*id)?.latest_start()?.utc());
        let promise =
            |id: &LeaseId| format!("lease {id} would not start by {}", latest(id).unwrap_or_default());
        let lease = |(id, until): &(LeaseId, Timestamp)| {
            format!("lease {id} may have its machines until {}", until.utc())
        };
        let all: Vec<_> = self.leases.iter().map(lease).chain(self.promises.iter().map(promise)).collect();
        let (shown, more) = (&all[..all.len().min(SHOWN)], all.len().saturating_sub(SHOWN));
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!all.is_empty()).then(|| format!("{}{more}; say --override to do it all the same", shown.join(", ")))
    }
}

/// So many of what breaks are listed.
const SHOWN: usize = 20;

/// Until when a lease may have its machines, if that is too long.
pub(super) fn outlasts(lease: &Lease, end: Timestamp) -> Option<(LeaseId, Timestamp)> {
    let until = match &lease.state {
        LeaseState::Deploying { since, .. } => since.after(Duration::from_millis(lease.spec.duration_ms)),
        _ => lease.gives_back()?,
    };
    (until > end).then_some((lease.id, until))
}
