//! Leases that give way to more urgent ones.

use crate::course::{Interruption, Notice};
use crate::event::Severity;
use crate::ids::LeaseId;
use crate::lease::{Lease, LeaseState};
use crate::schedule::{self, Preemption};
use crate::text::span;
use crate::time::Timestamp;
use crate::world::World;
use std::time::Duration;

/// While somebody waits for whom others could give way, it is asked so often at least whether they should.
const AGAIN: Duration = Duration::from_secs(60);

impl World {
    /// Tells those that have to give way, as long as somebody starts with their machines.
    pub(super) fn preempt_for_the_urgent(&mut self) {
        let now = self.meta.now;
        self.drop_vain_claims();
        while self.index().preemptible().len() > 0 && self.index().queue().next().is_some() {
            let next = self.ask_scheduler(|scene, world| schedule::preemption(scene, world, now));
            let Some(preemption) = next else { return };
            self.give_notice(preemption);
        }
    }

    /// When it is asked again whether somebody gives way: those who were to be done soon may not be.
    pub(super) fn next_preemption(&self) -> Option<Timestamp> {
        let band = |lease: &Lease| lease.spec.terms.priority;
        let preemptible = self.index().preemptible().filter_map(|id| self.leases.get(id));
        let weakest = preemptible.map(band).min()?;
        let waits = |lease: &Lease| band(lease) > weakest && lease.course.claim.is_none();
        let somebody_waits = self.index().queue().filter_map(|id| self.leases.get(id)).any(waits);
        somebody_waits.then(|| self.meta.planned.after(AGAIN))
    }

    fn give_notice(&mut self, preemption: Preemption) {
        let (now, to) = (self.meta.now, preemption.to);
        for id in preemption.victims {
            let Some(lease) = self.leases.get(id) else { continue };
            let at = schedule::notice_ends(lease, now);
            self.change_lease(id, |l| l.course.notice = Some(Notice { at, to }));
            let message =
                format!("lease {id} gives way to lease {to} in {}, at {}", span(at.since(now)), at.utc());
            self.tell(Severity::Warning, "lease-preemption", id, message);
        }
        self.change_lease(to, |l| l.course.claim = Some(now));
    }

    /// The notice of a lease has passed: it goes back to its place in the queue, with its age. What it was promised it
    /// got; it is promised something anew.
    pub(super) fn give_way(&mut self, id: LeaseId) {
        let now = self.meta.now;
        let Some(lease) = self.leases.get(id) else { return };
        let (Some(notice), LeaseState::Active { since, group, .. }) = (lease.course.notice, &lease.state)
        else {
            return;
        };
        let (to, had) = (notice.to, group.clone());
        let assigned = lease.course.assigned.unwrap_or(*since);
        let departures = lease.course.departures.clone();
        let interruption =
            Interruption { to, assigned, active: *since, at: now, had: had.clone(), departures };
        self.lose_runs(id, &format!("the lease gave way to lease {to}"));
        self.return_time(id);
        for member in &had {
            self.clean(member.node, id, None);
            self.machine_given_back(id, member.node);
        }
        self.change_lease(id, |l| {
            l.course.notice = None;
            l.course.assigned = None;
            l.course.warning = None;
            l.course.failure = None;
            l.course.interruptions.push(interruption);
            l.course.departures.clear();
            l.promise = None;
            l.setback = None;
            l.state = LeaseState::Queued { reason: schedule::asks_for(l) };
        });
        let message = format!("lease {id} gave way to lease {to} and goes back to the queue");
        self.tell(Severity::Warning, "lease-preempted", id, message);
        self.begin_to_wait(id);
        self.end_what_waits_in_vain(id);
    }

    /// What was given up for a lease went otherwise: it failed, say. Others may give way instead.
    fn drop_vain_claims(&mut self) {
        let claiming: Vec<_> = self.index().claiming().collect();
        for id in claiming {
            let told = |lease: LeaseId| {
                self.leases.get(lease).is_some_and(|l| l.course.notice.is_some_and(|notice| notice.to == id))
            };
            if !self.index().giving_way().any(told)
                && !self.ask_scheduler(|scene, world| scene.makes_up_soon(world, id))
            {
                self.drop_claim(id);
            }
        }
    }

    /// A lease needs nobody's machines any more: those that have not given way yet keep them.
    pub(super) fn drop_claim(&mut self, id: LeaseId) {
        if self.leases.get(id).is_none_or(|lease| lease.course.claim.is_none()) {
            return;
        }
        self.change_lease(id, |l| l.course.claim = None);
        let giving_way = self.index().giving_way().filter_map(|lease| self.leases.get(lease));
        let told = giving_way.filter(|l| l.course.notice.is_some_and(|notice| notice.to == id));
        for spared in told.map(|lease| lease.id).collect::<Vec<_>>() {
            self.change_lease(spared, |l| l.course.notice = None);
            let message = format!("lease {spared} goes on: lease {id} does not need its machines any more");
            self.tell(Severity::Info, "lease-preemption-withdrawn", spared, message);
        }
    }
}
