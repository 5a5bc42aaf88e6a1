//! Machines that are set aside for a tenant.

use super::drain::{Breaks, outlasts};
use super::registration::check_word;
use super::{Result, check, exhausted};
use crate::calendar::{MOST_RESERVATIONS, Machines, Reservation, Wanted};
use crate::catalogue::Tenant;
use crate::event::Severity;
use crate::ids::{LeaseId, NodeId, ReservationId, TenantId};
use crate::input::{Refusal, Reply};
use crate::lease::{CloseReason, LeaseSpec};
use crate::request::Request;
use crate::schedule::Lost;
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeSet;

/// More machines than this in one reservation are a mistake.
const MOST_NODES: usize = 1024;

impl World {
    pub(super) fn on_reserve(
        &mut self,
        author: String,
        tenant: &str,
        wanted: Wanted,
        anyway: bool,
    ) -> Result {
        check_word("reservation name", &wanted.name, "-_")?;
        let named = self.named_machines(&wanted.machines)?;
        let Tenant { id: tenant, reservations: others, .. } = self.known_tenant(tenant)?;
        if let Some(known) = others.iter().find(|known| known.name == wanted.name) {
            return if known.is(&wanted, named.as_ref()) {
                Ok(Reply::Done)
            } else {
                let text = format!("the reservation {} is there, and is another: end it first", known.name);
                Err(Refusal::Conflict(text))
            };
        }
        if others.len() >= MOST_RESERVATIONS {
            let text = format!("this tenant has {MOST_RESERVATIONS} reservations already: end some");
            return Err(Refusal::Conflict(text));
        }
        let (now, tenant) = (self.meta.now, *tenant);
        let Wanted { name, machines, from, length_ms, every, reason } = wanted;
        let from = from.unwrap_or(now);
        let counters = self.meta.counters;
        let id = self.meta.counters.next_reservation().ok_or_else(exhausted)?;
        let (nodes, short) = (named.unwrap_or_default(), false);
        let like = match machines {
            Machines::Like(group) => Some(group),
            Machines::Named(_) => None,
        };
        let reservation =
            Reservation { id, name, nodes, like, short, from, length_ms, every, author, reason };
        let checked = reservation.check(now).map_err(Refusal::Invalid);
        let made = checked
            .and_then(|()| self.check_clashes(&reservation))
            .and_then(|()| self.set_aside(tenant, reservation, anyway));
        if made.is_err() {
            self.meta.counters = counters;
        }
        made
    }

    fn set_aside(&mut self, tenant: TenantId, mut reservation: Reservation, anyway: bool) -> Result {
        let now = self.meta.now;
        let lost = self.ask_scheduler(|scene, _| scene.lost(now));
        if reservation.like.is_some() {
            reservation.nodes = self.choose(&reservation, &BTreeSet::new())?;
        }
        let mut breaks = self.add_reservation(tenant, reservation.clone(), &lost);
        if reservation.like.is_some() && !breaks.is_empty() {
            // There may be others that nobody was promised.
            self.take_reservation(tenant, reservation.id);
            reservation.nodes.clear();
            reservation.nodes = self.choose(&reservation, &breaks.wanted(self))?;
            breaks = self.add_reservation(tenant, reservation.clone(), &lost);
        }
        let Reservation { id, name, author, from, .. } = &reservation;
        if !anyway && let Some(words) = breaks.words(self) {
            self.take_reservation(tenant, *id);
            let text = format!("the reservation {name} breaks what was promised: {words}");
            return Err(Refusal::Conflict(text));
        }
        let what_for = Some(&reservation.reason).filter(|reason| !reason.is_empty());
        let what_for = what_for.map(|reason| format!(": {reason}")).unwrap_or_default();
        let (count, at) = (reservation.nodes.len(), from.utc());
        let message = format!("{count} machines are set aside from {at} as {name} by {author}{what_for}");
        self.break_promises(&lost, &message);
        self.tell(Severity::Info, "reserved", (), message);
        self.reschedule = true;
        Ok(Reply::Done)
    }

    /// The row has it; returns what that breaks, where `lost` had no plan before.
    fn add_reservation(&mut self, tenant: TenantId, reservation: Reservation, lost: &Lost) -> Breaks {
        let leases = self.leases_in_the_way(&reservation);
        if let Some(tenant) = self.tenants.get_mut(tenant) {
            tenant.reservations.push(reservation);
        }
        self.breaks(lost, leases)
    }

    /// Those that have its machines when it begins, and until when.
    pub(super) fn leases_in_the_way(&self, reservation: &Reservation) -> Vec<(LeaseId, Timestamp)> {
        let nodes = reservation.nodes.iter().filter_map(|id| self.nodes.get(*id));
        let leases: BTreeSet<_> = nodes.filter_map(|node| node.state.lease()).collect();
        let from = reservation.begins(self.meta.now);
        leases.into_iter().filter_map(|id| outlasts(self.leases.get(id)?, from)).collect()
    }

    pub(super) fn on_end_reservation(&mut self, author: &str, tenant: &str, name: &str) -> Result {
        let Tenant { id: tenant, reservations, .. } = self.known_tenant(tenant)?;
        let Some(id) = reservations.iter().find(|r| r.name == name).map(|r| r.id) else {
            return Err(Refusal::NotFound(no_reservation(reservations, name)));
        };
        self.end_reservation(*tenant, id, &format!("ended by {author}"));
        Ok(Reply::Done)
    }

    /// Reservations that do not come back any more are forgotten.
    pub(super) fn forget_reservations(&mut self) {
        let now = self.meta.now;
        let over = |tenant: &Tenant| {
            let over = tenant.reservations.iter().filter(|r| r.is_over(now)).map(|r| (tenant.id, r.id));
            over.collect::<Vec<_>>()
        };
        for (tenant, id) in self.tenants.values().flat_map(over).collect::<Vec<_>>() {
            self.end_reservation(tenant, id, "its time is over");
        }
    }

    /// Whoever waits for its machines waits in vain.
    fn end_reservation(&mut self, tenant: TenantId, id: ReservationId, why: &str) {
        let Some(Reservation { name, .. }) = self.take_reservation(tenant, id) else { return };
        self.tell(Severity::Info, "reservation-ended", (), format!("reservation {name}: {why}"));
        let waits = self.queue().into_iter().filter(|lease| lease.course.reservation == Some(id));
        for lease in waits.map(|lease| lease.id).collect::<Vec<_>>() {
            let detail = format!("its reservation {name} is no more: {why}");
            self.end_lease(lease, CloseReason::WaitedTooLong, detail);
        }
        self.reschedule = true;
        self.review_reservations = true;
    }

    /// A lease is back in the queue: if its reservation was ended while it had machines, there are none for it any more.
    pub(super) fn end_what_waits_in_vain(&mut self, id: LeaseId) {
        let Some(lease) = self.leases.get(id) else { return };
        let Some(reservation) = lease.course.reservation else { return };
        let is_there = |tenant: &Tenant| tenant.reservations.iter().any(|known| known.id == reservation);
        if !self.tenants.get(lease.tenant).is_some_and(is_there) {
            let name = lease.spec.terms.reservation.as_deref().unwrap_or_default();
            let detail = format!("it went back to the queue, and its reservation {name} is no more");
            self.end_lease(id, CloseReason::WaitedTooLong, detail);
        }
    }

    fn take_reservation(&mut self, tenant: TenantId, id: ReservationId) -> Option<Reservation> {
        let reservations = &mut self.tenants.get_mut(tenant)?.reservations;
        let place = reservations.iter().position(|reservation| reservation.id == id)?;
        Some(reservations.remove(place))
    }

    fn known_tenant(&self, name: &str) -> std::result::Result<&Tenant, Refusal> {
        self.tenant_named(name).ok_or_else(|| {
            Refusal::NotFound(format!("there is no tenant {name:?}; `hostler tenant list` shows them"))
        })
    }

    /// Those that are named; none if any will do that are as wanted.
    fn named_machines(&self, machines: &Machines) -> std::result::Result<Option<BTreeSet<NodeId>>, Refusal> {
        let names = match machines {
            Machines::Named(names) => names,
            Machines::Like(group) => return check::group(&group.members, &group.groupings).map(|()| None),
        };
        if names.is_empty() || names.len() > MOST_NODES {
            let text = format!("nodes: name at least one machine, and at most {MOST_NODES}");
            return Err(Refusal::Invalid(text));
        }
        let node = |name: &String| {
            let node = self.node_named(name).filter(|node| node.in_service());
            node.map(|n| n.id).ok_or_else(|| Refusal::NotFound(format!("there is no node {name:?}")))
        };
        names.iter().map(node).collect::<std::result::Result<_, _>>().map(Some)
    }

    /// A machine is set aside for one tenant at a time.
    fn check_clashes(&self, new: &Reservation) -> std::result::Result<(), Refusal> {
        for (tenant, other) in self.tenants.values().flat_map(|t| t.reservations.iter().map(move |r| (t, r)))
        {
            let both = other.nodes.intersection(&new.nodes).next().and_then(|id| self.nodes.get(*id));
            if let (Some(node), Some(at)) = (both, new.clashes_with(other, self.meta.now)) {
                return Err(Refusal::Conflict(format!(
                    "node {} is set aside for tenant {} as {} already, at {}",
                    node.spec.name,
                    tenant.name,
                    other.name,
                    at.utc()
                )));
            }
        }
        Ok(())
    }

    /// The reservation that a request names.
    pub(super) fn reservation_of(
        &self,
        tenant: TenantId,
        spec: &LeaseSpec,
    ) -> std::result::Result<Option<ReservationId>, Refusal> {
        let Some(name) = &spec.terms.reservation else { return Ok(None) };
        let Some(tenant) = self.tenants.get(tenant) else { return Ok(None) };
        let Some(reservation) = tenant.reservation_named(name) else {
            return Err(Refusal::NotFound(no_reservation(&tenant.reservations, name)));
        };
        let nodes: Vec<_> = reservation.nodes.iter().filter_map(|id| self.nodes.get(*id)).collect();
        if Request::hopeful(self, spec).fit(&nodes).is_none() {
            let text = format!("the machines of reservation {name} are not what is asked for");
            return Err(Refusal::Conflict(text));
        }
        if spec.duration_ms > reservation.length_ms {
            let text = format!("duration: longer than reservation {name} lasts");
            return Err(Refusal::Conflict(text));
        }
        Ok(Some(reservation.id))
    }
}

fn no_reservation(reservations: &[Reservation], name: &str) -> String {
    let known: Vec<_> = reservations.iter().map(|r| r.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("this tenant has no reservation {name:?}; it has {known}")
}
