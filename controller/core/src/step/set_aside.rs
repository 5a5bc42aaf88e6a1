//! Which machines are set aside, where they are not named: those that can be spared, and others in place of those that
//! fail.

use super::drain::outlasts;
use crate::calendar::{Group, Reservation};
use crate::event::Severity;
use crate::ids::{NodeId, TenantId};
use crate::input::Refusal;
use crate::node::{HoldKind, Node};
use crate::request::{self, Request};
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeSet;

impl World {
    /// Machines for a reservation that names none: those that it has already, as far as they can serve, then those that are
    /// not to be avoided, then those that nobody has when it begins.
    pub(super) fn choose(
        &self,
        reservation: &Reservation,
        avoided: &BTreeSet<NodeId>,
    ) -> Result<BTreeSet<NodeId>, Refusal> {
        let Some(Group { members, groupings }) = &reservation.like else { return Ok(BTreeSet::new()) };
        request::possible(self, members, groupings).map_err(Refusal::Conflict)?;
        let mut nodes = self.candidates(reservation);
        let begins = reservation.begins(self.meta.now);
        let is_had = |node: &Node| {
            let lease = node.state.lease().and_then(|lease| self.leases.get(lease));
            lease.is_some_and(|lease| outlasts(lease, begins).is_some())
        };
        nodes.sort_by_cached_key(|n| {
            (!reservation.nodes.contains(&n.id), avoided.contains(&n.id), is_had(n), n.id)
        });
        match Request::of(self, members, groupings).machines(&nodes) {
            Ok(Some(chosen)) => Ok(chosen),
            Ok(None) => Err(Refusal::Conflict(format!(
                "the machines of reservation {} are there, but not then: too many are held, drained, set aside or not yet \
                 inspected; `hostler node list` and `hostler reservation list` show them",
                reservation.name
            ))),
            Err(gave_up) => Err(Refusal::Conflict(gave_up.to_string())),
        }
    }

    /// Machines for which nothing else is planned at its times.
    fn candidates(&self, reservation: &Reservation) -> Vec<&Node> {
        let now = self.meta.now;
        let others = self.tenants.values().flat_map(|tenant| &tenant.reservations);
        let clashing = others
            .filter(|other| other.id != reservation.id && reservation.clashes_with(other, now).is_some());
        let taken: BTreeSet<_> = clashing.flat_map(|other| other.nodes.iter().copied()).collect();
        let free = |node: &&Node| serves(node, reservation, now) && !taken.contains(&node.id);
        self.nodes.values().filter(free).collect()
    }

    /// Something became of machines: others take the place of those that cannot serve, unless that breaks a promise.
    pub(super) fn mend_reservations(&mut self) {
        let is_broken = |r: &Reservation| {
            r.like.is_some() && (r.short || !r.nodes.iter().all(|node| self.serves_reservation(*node, r)))
        };
        let all = self.tenants.values().flat_map(|t| t.reservations.iter().map(move |r| (t.id, r)));
        let broken: Vec<_> = all.filter(|(_, r)| is_broken(r)).map(|(t, r)| (t, r.clone())).collect();
        for (tenant, reservation) in broken {
            self.mend_reservation(tenant, reservation);
        }
    }

    fn mend_reservation(&mut self, tenant: TenantId, before: Reservation) {
        let chosen = self.choose(&before, &BTreeSet::new());
        let mended = chosen.is_ok_and(|nodes| {
            let mended = Reservation { nodes, short: false, ..before.clone() };
            self.exchange_reserved(tenant, &before, mended)
        });
        if !mended && !before.short {
            let message = format!(
                "reservation {}: {} cannot serve, and nothing that suits can come instead without breaking a promise",
                before.name,
                self.names(before.nodes.iter().copied().filter(|id| !self.serves_reservation(*id, &before)))
            );
            self.put_reservation(tenant, Reservation { short: true, ..before });
            self.tell(Severity::Warning, "reservation-short", (), message);
        }
    }

    /// False, and nothing done, if that breaks what was promised.
    fn exchange_reserved(&mut self, tenant: TenantId, before: &Reservation, after: Reservation) -> bool {
        let now = self.meta.now;
        let lost = self.ask_scheduler(|scene, _| scene.lost(now));
        let leases = if after.nodes == before.nodes { Vec::new() } else { self.leases_in_the_way(&after) };
        let known = self.leases_in_the_way(before);
        let leases = leases.into_iter().filter(|lease| !known.contains(lease)).collect();
        self.put_reservation(tenant, after.clone());
        if !self.breaks(&lost, leases).is_empty() {
            self.put_reservation(tenant, before.clone());
            return false;
        }
        self.break_promises(&lost, "");
        let (came, left) = (after.nodes.difference(&before.nodes), before.nodes.difference(&after.nodes));
        let (came, left) = (self.names(came.copied()), self.names(left.copied()));
        let message = if came.is_empty() {
            format!("reservation {}: its machines can serve again", after.name)
        } else {
            format!("reservation {}: {came} set aside in place of {left}", after.name)
        };
        self.tell(Severity::Info, "reservation-mended", (), message);
        self.reschedule = true;
        true
    }

    fn put_reservation(&mut self, tenant: TenantId, reservation: Reservation) {
        let reservations = self.tenants.get_mut(tenant).map(|tenant| &mut tenant.reservations);
        let known = reservations.and_then(|known| known.iter_mut().find(|known| known.id == reservation.id));
        if let Some(known) = known {
            *known = reservation;
        }
    }

    fn serves_reservation(&self, id: NodeId, reservation: &Reservation) -> bool {
        self.nodes.get(id).is_some_and(|node| serves(node, reservation, self.meta.now))
    }
}

/// True if the machine is there at all its times, as far as is known.
fn serves(node: &Node, reservation: &Reservation, now: Timestamp) -> bool {
    let is_there = || match &node.outage {
        Some(outage) => reservation.clashes(&outage.window(), now).is_none(),
        None => node.holds.is_empty(),
    };
    node.in_service() && node.holds.keys().all(|kind| *kind == HoldKind::Drain) && is_there()
}
