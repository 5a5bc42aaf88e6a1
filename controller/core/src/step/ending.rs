//! How leases end by themselves: warnings, the end of their time, and what is held for somebody to look at.

use super::Result;
use super::extend::planned_otherwise;
use crate::course::{Hold, Warning};
use crate::event::Severity;
use crate::ids::{LeaseId, NodeId, RunId};
use crate::input::Reply;
use crate::lease::{CloseReason, Lease, LeaseState};
use crate::schedule;
use crate::text::span;
use crate::time::Timestamp;
use crate::world::World;
use std::time::Duration;

/// Nobody can look at anything in less time.
const SHORTEST_HOLD: Duration = Duration::from_secs(60);

impl World {
    /// Something is due of a lease: its earliest start, a warning, or its end.
    pub(super) fn on_lease_due(&mut self, id: LeaseId) {
        let now = self.meta.now;
        if self.leases.get(id).is_some_and(|l| l.course.early.is_some_and(|at| at <= now)) {
            self.begin_to_wait(id);
        }
        self.warn(id);
        if self.leases.get(id).is_some_and(|l| l.deadline().is_some_and(|at| at <= now)) {
            self.on_lease_deadline(id);
        }
        if self.leases.get(id).is_some_and(|l| l.course.notice.is_some_and(|notice| notice.at <= now)) {
            self.give_way(id);
        }
    }

    /// Tells that a lease ends soon. Of several warnings that are due, only the last is of use.
    fn warn(&mut self, id: LeaseId) {
        let now = self.meta.now;
        let Some(lease) = self.leases.get(id) else { return };
        let (Some(first), LeaseState::Active { expires, .. }) = (lease.course.warning, &lease.state) else {
            return;
        };
        let warnings = std::iter::successors(Some(first), |warning| warning.next(*expires));
        let Some(due) = warnings.take_while(|warning| warning.at <= now).last() else { return };
        let (next, end) = (due.next(*expires), *expires);
        self.change_lease(id, |l| l.course.warning = next);
        let message = match due.minutes {
            0 => format!("the time of lease {id} is over"),
            minutes => format!("lease {id} ends in {minutes} minutes, at {}", end.utc()),
        };
        self.tell(Severity::Info, "lease-expiring", id, message);
    }

    fn on_lease_deadline(&mut self, id: LeaseId) {
        let Some(lease) = self.leases.get(id) else { return };
        let (reason, detail) = match (&lease.state, &lease.setback) {
            (LeaseState::Active { .. }, _) => {
                let over = || (CloseReason::Expired, "its time was over".to_owned());
                let held = |hold: &Hold| (hold.reason, format!("{}; its hold is over as well", hold.detail));
                lease.course.hold.as_ref().map_or_else(over, held)
            }
            (LeaseState::Queued { .. }, Some(setback)) => {
                (CloseReason::Infrastructure, format!("the bound on waiting passed; {setback}"))
            }
            (LeaseState::Queued { .. }, None) => {
                let reason = schedule::why_waiting(self, lease);
                (CloseReason::WaitedTooLong, format!("the bound on waiting passed; {reason}"))
            }
            _ => return,
        };
        self.finish_lease(id, reason, detail);
    }

    /// Nobody has kept a lease alive for as long as its tenant gave for that. A held lease waits for somebody to look
    /// at it: the job that asked for it is over in any case.
    pub(super) fn on_abandoned(&mut self, id: LeaseId) -> Result {
        let Some(lease) = self.leases.get(id) else { return Ok(Reply::Done) };
        let over = matches!(lease.state, LeaseState::Closing { .. } | LeaseState::Closed { .. });
        if let Some(bound) = lease.spec.terms.keepalive_ms
            && !over
            && lease.course.hold.is_none()
        {
            let bound = span(Duration::from_millis(bound));
            let detail =
                format!("nobody has kept it alive for {bound}: the job that asked for it seems to be gone");
            self.finish_lease(id, CloseReason::Abandoned, detail);
        }
        Ok(Reply::Done)
    }

    /// The end of a lease has come. Where a run failed and its tenant wants to look at that, it is held instead, once.
    pub(super) fn finish_lease(&mut self, id: LeaseId, reason: CloseReason, detail: String) {
        let wanted = self.leases.get(id).and_then(|l| self.wants_hold(l, reason));
        let granted = wanted.and_then(|(ms, failure)| Some((self.grant_hold(id, ms)?, failure)));
        match granted {
            Some((end, failure)) => {
                self.hold_lease(id, end, &failure, Hold { since: self.meta.now, reason, detail });
            }
            None => self.end_lease(id, reason, detail),
        }
    }

    /// For how long a lease that would end is held, in milliseconds, and for what.
    fn wants_hold(&self, lease: &Lease, reason: CloseReason) -> Option<(u64, String)> {
        let ms = lease.spec.terms.hold_ms?;
        // Who gives way does so a little sooner.
        let has_had_its_time = lease.course.hold.is_some() || lease.course.notice.is_some();
        if !matches!(lease.state, LeaseState::Active { .. }) || has_had_its_time {
            return None;
        }
        // Whoever gives machines back while something runs there knows what they do.
        let cut_short = || {
            let open = self.runs_of(lease.id).find(|run| run.tasks.iter().any(|t| !t.state.is_over()))?;
            (reason != CloseReason::Released).then(|| format!("run {} had not ended", open.id))
        };
        Some((ms, lease.course.failure.clone().or_else(cut_short)?))
    }

    /// Until when a lease can be held that should be for so long, so that nobody's promise breaks and no plan for its
    /// machines; none if that is not worth it.
    fn grant_hold(&mut self, id: LeaseId, ms: u64) -> Option<Timestamp> {
        let now = self.meta.now;
        let lease = self.leases.get(id)?;
        let planned = planned_otherwise(self, lease, now).map(|(end, _)| end);
        let most = planned.into_iter().chain([now.after(Duration::from_millis(ms))]).min()?;
        let (end, replanned) = self.ask_scheduler(|scene, world| {
            let lease = world.leases.get(id)?;
            Some(schedule::lasting(scene, world, lease, most, now))
        })?;
        let end = end.min(most);
        (end >= now.after(SHORTEST_HOLD)).then(|| {
            self.carry_out(replanned);
            end
        })
    }

    fn hold_lease(&mut self, id: LeaseId, end: Timestamp, failure: &str, hold: Hold) {
        let message = format!("lease {id} is held until {}, since {failure}: {}", end.utc(), hold.detail);
        self.move_end(id, end);
        self.change_lease(id, |l| {
            l.course.warning = Warning::first(hold.since, end);
            l.course.failure.get_or_insert_with(|| failure.to_owned());
            l.course.hold = Some(hold);
        });
        self.tell(Severity::Warning, "lease-held", id, message);
    }

    /// An active lease ends at another time from now on.
    pub(super) fn move_end(&mut self, id: LeaseId, end: Timestamp) {
        self.return_time(id);
        self.change_lease(id, |l| {
            if let LeaseState::Active { expires, .. } = &mut l.state {
                *expires = end;
            }
        });
        self.grant_time(id);
    }

    /// The first failure on a lease is why it will be held, if its tenant wants that. A run that was stopped by hand
    /// did not fail.
    pub(super) fn note_failure(&mut self, run: RunId, node: NodeId) {
        let Some(found) = self.runs.get(run).filter(|run| run.stop.is_none()) else { return };
        let Some(how) = found.task(node).and_then(|task| task.state.failure()) else { return };
        let wanted = |l: &&Lease| l.spec.terms.hold_ms.is_some() && l.course.failure.is_none();
        let Some(lease) = self.leases.get(found.lease).filter(wanted).map(|l| l.id) else { return };
        let name = self.nodes.get(node).map(|n| n.spec.name.clone()).unwrap_or_default();
        self.change_lease(lease, |l| l.course.failure = Some(format!("run {run} failed on {name}: {how}")));
    }
}
