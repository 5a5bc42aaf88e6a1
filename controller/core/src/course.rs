//! The course of a lease: on what terms it was asked for, and what happened to it on its way that its state does not
//! tell.

use crate::ids::{LeaseId, NodeId, ReservationId};
use crate::lease::{Assigned, CloseReason};
use crate::tenancy::Band;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How a lease begins, is kept and ends, beyond which machines it asks for and how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// It is not considered before this. The bound on waiting counts from here.
    pub not_before: Option<Timestamp>,
    /// If set, it ends when nobody has kept it alive for so long, in milliseconds.
    pub keepalive_ms: Option<u64>,
    /// If set, a lease on which a run failed is held for so long instead of ending, in milliseconds.
    pub hold_ms: Option<u64>,
    /// How urgent it is.
    pub priority: Band,
    /// If set, it gives way to a more urgent one, after a notice of so many milliseconds.
    pub grace_ms: Option<u64>,
    /// If set, it gets the machines of this reservation of its tenant, and no others.
    pub reservation: Option<String>,
}

/// What happened to a lease on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    /// Its earliest start, until that has come.
    pub early: Option<Timestamp>,
    /// The reservation whose machines it gets.
    pub reservation: Option<ReservationId>,
    /// When its last group was assigned.
    pub assigned: Option<Timestamp>,
    /// The next warning of its end.
    pub warning: Option<Warning>,
    /// The first run that failed, for people. Noted only where the lease would be held for it.
    pub failure: Option<String>,
    /// Set when it was held instead of ending.
    pub hold: Option<Hold>,
    /// What was asked for beyond its end, the oldest first.
    pub extensions: Vec<Extension>,
    /// Set while it is about to give way.
    pub notice: Option<Notice>,
    /// When others gave way to it, or are about to: until it starts, it goes before everybody else.
    pub claim: Option<Timestamp>,
    /// When it gave way, the oldest first.
    pub interruptions: Vec<Interruption>,
    /// What was answered to those who gave a machine back as broken, the oldest first.
    pub replacements: Vec<Replacement>,
    /// The machines that have left the present group since it is active, the oldest first.
    pub departures: Vec<Departure>,
}

/// An answer to somebody who gave a machine back as broken and was given another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// Chosen by the caller: the same key again is the same replacement.
    pub key: String,
    /// The machine by the name that was said.
    pub name: String,
    /// Which that was.
    pub broken: NodeId,
    /// What is wrong with it, for people; empty if nobody said.
    pub why: String,
    /// What was granted: this machine in its place.
    pub substitute: NodeId,
}

/// A machine left an active group: it was given back as broken, or was to take the place of one and failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// What it was to the group.
    pub had: Assigned,
    /// Since when the lease had it.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why it left, for people.
    pub why: String,
    /// The machine that came in its place, and when; none while the place is empty.
    pub successor: Option<(NodeId, Timestamp)>,
}

/// A lease is about to give way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When it does.
    pub at: Timestamp,
    /// To which lease.
    pub to: LeaseId,
}

/// A lease gave way, and went back to its place in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interruption {
    /// To which lease.
    pub to: LeaseId,
    /// When it had got its machines.
    pub assigned: Timestamp,
    /// When it had become active.
    pub active: Timestamp,
    /// When it gave way.
    pub at: Timestamp,
    /// The group that it had.
    pub had: Vec<Assigned>,
    /// The machines that had left it, and what came in their place.
    #[serde(default)]
    pub departures: Vec<Departure>,
}

/// A word before the end of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// When it is due.
    pub at: Timestamp,
    /// How long before the end that is.
    pub minutes: u64,
}

/// A lease that has ended but for its machines, which are left as they are for somebody to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Since when; the tenant's time ended here.
    pub since: Timestamp,
    /// Why the lease would have ended.
    pub reason: CloseReason,
    /// The same for people.
    pub detail: String,
}

/// An answer to a request for more time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Chosen by the caller: the same key again is the same extension.
    pub key: String,
    /// What was asked for.
    pub wanted: MoreTime,
    /// Who, for people.
    pub author: String,
    /// When.
    pub at: Timestamp,
    /// What was granted.
    pub grant: Grant,
}

/// How much longer a lease is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoreTime {
    /// So many milliseconds longer than it lasts now.
    By(u64),
    /// Until this moment.
    Until(Timestamp),
}

/// What came of a request for more time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The new end.
    pub until: Timestamp,
    /// How much later that is than the end before, in milliseconds.
    pub granted_ms: u64,
    /// Why it is less than was asked for, for people; none if it is not.
    pub note: Option<String>,
}

/// What the machine came in place of, if it took the place of one that left.
#[must_use]
pub fn taken_over(departures: &[Departure], node: NodeId) -> Option<&Departure> {
    departures.iter().rfind(|left| left.successor.is_some_and(|(other, _)| other == node))
}

impl Course {
    /// What the machine came in place of, if it took a place in a group that was active.
    #[must_use]
    pub fn taken_over(&self, node: NodeId) -> Option<&Departure> {
        taken_over(&self.departures, node)
    }

    /// The places that nobody has.
    pub fn empty_places(&self) -> impl Iterator<Item = &Departure> {
        self.departures.iter().filter(|left| left.successor.is_none())
    }

    /// True if the machine was given back as broken by somebody who had it in this lease.
    #[must_use]
    pub fn was_broken(&self, node: NodeId) -> bool {
        self.replacements.iter().any(|replacement| replacement.broken == node)
    }
}

/// Minutes before the end of a lease at which it is told.
const WARNINGS: [u64; 3] = [30, 5, 0];

impl Warning {
    /// The first word of an end that is known from `now` on, as far as there is time for it.
    #[must_use]
    pub fn first(now: Timestamp, end: Timestamp) -> Option<Self> {
        Self::before(end).find(|warning| warning.at > now)
    }

    /// The word after this one.
    #[must_use]
    pub fn next(self, end: Timestamp) -> Option<Self> {
        Self::before(end).find(|warning| warning.minutes < self.minutes)
    }

    fn before(end: Timestamp) -> impl Iterator<Item = Self> {
        let at = move |minutes: u64| end.0.checked_sub(minutes * 60_000).map(Timestamp);
        WARNINGS.into_iter().filter_map(move |minutes| Some(Self { at: at(minutes)?, minutes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(now: u64, end: u64) -> Vec<u64> {
        let at = |minutes: u64| Timestamp(minutes * 60_000);
        let first = Warning::first(at(now), at(end));
        std::iter::successors(first, |warning| warning.next(at(end))).map(|w| w.minutes).collect()
    }

    #[test]
    fn there_are_as_many_warnings_as_there_is_time_for() {
        for (now, end, expected) in [
            (100, 160, vec![30, 5, 0]),
            (100, 130, vec![5, 0]),
            (100, 105, vec![0]),
            (100, 101, vec![0]),
            (0, 3, vec![0]),
        ] {
            assert_eq!(minutes(now, end), expected, "{now} to {end}");
        }
    }
}
