//! Which machines are set aside, and when.

use super::window::Window;
use crate::ids::{NodeId, ReservationId};
use crate::node::Node;
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeMap;

/// The reservations of all tenants, by machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserved(BTreeMap<NodeId, Vec<Window>>);

impl Reserved {
    /// Those that there are.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let mut reserved = BTreeMap::<_, Vec<_>>::new();
        for reservation in world.tenants.values().flat_map(|tenant| &tenant.reservations) {
            for node in &reservation.nodes {
                reserved.entry(*node).or_default().push(reservation.window());
            }
        }
        Self(reserved)
    }

    /// When a machine is not to be had by everybody, the earliest first.
    #[must_use]
    pub fn windows(&self, node: &Node) -> Vec<Window> {
        let mut windows = self.0.get(&node.id).cloned().unwrap_or_default();
        windows.extend(node.outage.as_ref().map(super::Outage::window));
        windows.sort_unstable();
        windows
    }

    /// What keeps a group from having a machine from `start` until just before `end`; `own` is its reservation.
    #[must_use]
    pub fn bar(&self, node: &Node, own: Option<ReservationId>, start: u64, end: u64) -> Option<Bar> {
        let windows = self.windows(node);
        let is_own = |window: &&Window| window.reserved.is_some() && window.reserved == own;
        let closed = windows.iter().filter(|window| !is_own(window)).find(|w| w.meets(start, end));
        let in_own = || own.is_none() || windows.iter().filter(is_own).any(|w| w.contains(start, end));
        closed.map(|window| Bar::Closed(*window)).or_else(|| (!in_own()).then_some(Bar::NotYet))
    }
}

/// What keeps a group from having a machine that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// It is drained or somebody else's before the group would be done.
    Closed(Window),
    /// Its own reservation does not last from now until the group would be done.
    NotYet,
}

impl Bar {
    /// What it is, for people.
    #[must_use]
    pub fn word(self, at: u64) -> String {
        let Self::Closed(window) = self else { return "not yet reserved, or not for long enough".into() };
        let what = if window.reserved.is_some() { "reserved" } else { "drained" };
        match window.next(at) {
            Some((from, _)) if from > at => format!("{what} from {}", Timestamp(from).utc()),
            _ => what.into(),
        }
    }
}
