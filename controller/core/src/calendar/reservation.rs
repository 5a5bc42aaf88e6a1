//! Machines that are set aside for a tenant.

use super::FARTHEST_MS;
use super::window::{Again, Window};
use crate::constraint::Grouping;
use crate::ids::{NodeId, ReservationId};
use crate::lease::Member;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::num::NonZeroU64;

/// More reservations of one tenant than this are a mistake.
pub const MOST_RESERVATIONS: usize = 64;

/// Of those that come back, so many times are held against others: a year of days.
const MOST_TIMES: usize = 366;

const HOUR_MS: u64 = 3_600_000;

/// The longest that one may be, or come back after: 31 days.
const LONGEST_MS: u64 = 31 * 24 * HOUR_MS;

/// Machines that only the leases of a tenant that name it may have for a while, once or again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// Unique among those of its tenant.
    pub name: String,
    /// The machines.
    pub nodes: BTreeSet<NodeId>,
    /// What they are like, if they were not named: others come in place of those that fail.
    #[serde(default)]
    pub like: Option<Group>,
    /// Some of them have failed, and there are no others.
    #[serde(default)]
    pub short: bool,
    /// When it begins, the first time.
    pub from: Timestamp,
    /// How long it lasts each time, in milliseconds.
    pub length_ms: u64,
    /// If it comes back.
    pub every: Option<Every>,
    /// Who made it.
    pub author: String,
    /// What for, for people.
    pub reason: String,
}

/// What is to be set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// See [`Reservation::name`].
    pub name: String,
    /// Which machines.
    pub machines: Machines,
    /// See [`Reservation::from`]; none for now.
    pub from: Option<Timestamp>,
    /// See [`Reservation::length_ms`].
    pub length_ms: u64,
    /// See [`Reservation::every`].
    pub every: Option<Every>,
    /// See [`Reservation::reason`].
    pub reason: String,
}

/// Which machines are to be set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Machines {
    /// These, by name.
    Named(BTreeSet<String>),
    /// Any that are like this.
    Like(Group),
}

/// What machines are like, as a request says it. A member that names no image takes machines as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The roles.
    pub members: Vec<Member>,
    /// What is asked of their machines together.
    pub groupings: Vec<Grouping>,
}

/// How a reservation comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Every {
    /// After so many milliseconds.
    pub ms: NonZeroU64,
    /// No later one begins after this; none if it comes back until somebody ends it.
    pub until: Option<Timestamp>,
}

impl Reservation {
    /// # Errors
    /// If its times make no sense.
    pub fn check(&self, now: Timestamp) -> Result<(), String> {
        if self.from < now {
            return Err(format!("from: {} is before now", self.from.utc()));
        }
        if self.from.0 > now.0.saturating_add(FARTHEST_MS) {
            return Err("from: at most a year ahead".into());
        }
        if !(60_000..=LONGEST_MS).contains(&self.length_ms) {
            return Err("length: at least a minute and at most 31 days".into());
        }
        match self.every {
            Some(every) if every.ms.get() < self.length_ms || every.ms.get() > LONGEST_MS => {
                Err("every: at least as long as it lasts, and at most 31 days".into())
            }
            Some(Every { until: Some(until), .. }) if until < self.from => {
                Err(format!("until: {} is before it begins", until.utc()))
            }
            _ => Ok(()),
        }
    }

    /// True if it is what is wanted, made by somebody before; `named` are the machines, if they are named.
    #[must_use]
    pub fn is(&self, wanted: &Wanted, named: Option<&BTreeSet<NodeId>>) -> bool {
        let begins_then = wanted.from.is_none_or(|from| from == self.from);
        let same_machines = match &wanted.machines {
            Machines::Named(_) => self.like.is_none() && named == Some(&self.nodes),
            Machines::Like(group) => self.like.as_ref() == Some(group),
        };
        begins_then && same_machines && self.length_ms == wanted.length_ms && self.every == wanted.every
    }

    /// True if it will not come (back) any more.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.window().next(now.0).is_none()
    }

    /// When it begins next; that is over while it lasts.
    #[must_use]
    pub fn begins(&self, now: Timestamp) -> Timestamp {
        self.window().next(now.0).map_or(self.from, |(from, _)| Timestamp(from))
    }

    /// A time from `at` on at which both are planned, if there is one within the next few hundred of either.
    #[must_use]
    pub fn clashes_with(&self, other: &Self, at: Timestamp) -> Option<Timestamp> {
        self.clashes(&other.window(), at).or_else(|| other.clashes(&self.window(), at))
    }

    /// The first time from `at` on at which something else is planned as well, if there is one within the next few hundred.
    #[must_use]
    pub fn clashes(&self, other: &Window, at: Timestamp) -> Option<Timestamp> {
        let window = self.window();
        let times = std::iter::successors(window.next(at.0), |(_, until)| window.next(*until));
        let mut both = times.take(MOST_TIMES).filter(|(from, until)| other.meets(*from, *until));
        both.next().map(|(from, _)| Timestamp(from))
    }

    /// In which nobody else is given its machines.
    #[must_use]
    pub fn window(&self) -> Window {
        let again = |every: Every| Again { every: every.ms, last: every.until.map_or(u64::MAX, |at| at.0) };
        Window {
            from: self.from.0,
            until: self.from.0.saturating_add(self.length_ms),
            again: self.every.map(again),
            reserved: Some(self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_make_no_sense_are_refused_by_name() {
        let good = Reservation {
            id: ReservationId(1),
            name: "nightly".into(),
            nodes: BTreeSet::new(),
            like: None,
            short: false,
            from: Timestamp(HOUR_MS),
            length_ms: HOUR_MS,
            every: None,
            author: String::new(),
            reason: String::new(),
        };
        let every = |ms: u64, until: Option<u64>| {
            Some(Every { ms: NonZeroU64::new(ms).unwrap(), until: until.map(Timestamp) })
        };
        for (reservation, wrong) in [
            (good.clone(), None),
            (Reservation { every: every(HOUR_MS, Some(HOUR_MS)), ..good.clone() }, None),
            (Reservation { from: Timestamp(1), ..good.clone() }, Some("from")),
            (Reservation { from: Timestamp(400 * 24 * HOUR_MS), ..good.clone() }, Some("from")),
            (Reservation { length_ms: 0, ..good.clone() }, Some("length")),
            (Reservation { every: every(HOUR_MS - 1, None), ..good.clone() }, Some("every")),
            (Reservation { every: every(HOUR_MS, Some(1)), ..good }, Some("until")),
        ] {
            let found = reservation.check(Timestamp(2)).err();
            assert_eq!(found.as_deref().and_then(|e| e.split(':').next()), wrong, "{reservation:?}");
        }
    }
}
