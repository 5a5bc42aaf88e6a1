//! Machine time that is forgotten by and by.

use crate::schedule::exp2;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// What is used counts half after this, in milliseconds: a day. Who filled the laboratory yesterday stands back today;
/// last week is forgotten, since nobody can be given back a week that is over.
pub const HALF_LIFE_MS: u64 = 24 * 3_600_000;

/// After so many half-lives nothing is left.
const ALL_GONE: f64 = 60.0;

/// Machines in use, and what counts still of those that were. It is read at any moment without being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Used {
    /// As of when.
    at: Timestamp,
    /// How much counted then, in milliseconds of one machine.
    node_ms: u64,
    /// In use since then.
    machines: u32,
}

impl Used {
    /// What counts at `now`, which is not before the last change, in milliseconds of one machine.
    #[must_use]
    pub fn at(self, now: Timestamp) -> u64 {
        let left = remaining(now.0.saturating_sub(self.at.0), HALF_LIFE_MS);
        let accrued = f64::from(self.machines) * lasting() * (1.0 - left);
        (self.node_ms as f64 * left + accrued) as u64
    }

    /// Machines in use.
    #[must_use]
    pub const fn machines(self) -> u32 {
        self.machines
    }

    /// From now on so many machines are in use.
    pub fn set_machines(&mut self, machines: u32, now: Timestamp) {
        *self = Self { at: now, node_ms: self.at(now), machines };
    }
}

/// What one machine comes to that was always in use, in milliseconds.
#[must_use]
pub fn lasting() -> f64 {
    HALF_LIFE_MS as f64 / LN_2
}

/// Of what so many machines come to that were always in use, the part that `node_ms` is; 0 of no machines.
#[must_use]
pub fn part_of(node_ms: u64, machines: u32) -> f64 {
    let all = f64::from(machines) * lasting();
    if all > 0.0 { node_ms as f64 / all } else { 0.0 }
}

/// How much counts still of what was so long ago.
pub(crate) fn remaining(span_ms: u64, half_life_ms: u64) -> f64 {
    let half_lives = span_ms as f64 / half_life_ms as f64;
    if half_lives < ALL_GONE { exp2(-half_lives) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: u64) -> Timestamp {
        Timestamp(days * HALF_LIFE_MS)
    }

    #[test]
    fn half_is_left_after_each_half_life() {
        let mut used = Used { at: days(1), node_ms: 80_000, machines: 0 };
        for (day, left) in [(1, 80_000), (2, 40_000), (3, 20_000), (4, 10_000), (100, 0)] {
            assert_eq!(used.at(days(day)), left, "on day {day}");
        }
        used.set_machines(1, days(3));
        assert_eq!((used.at(days(3)), used.machines()), (20_000, 1));
    }

    /// Looking at it often changes nothing; in the long run it comes to what always being in use does.
    #[test]
    fn use_accrues() {
        let mut used = Used::default();
        used.set_machines(2, days(0));
        let minute = used.at(Timestamp(60_000));
        assert!((119_900..=120_000).contains(&minute), "{minute}: of a short use nothing is forgotten yet");
        let whole = used.at(days(5));
        for hour in 1..=120 {
            used.set_machines(2, Timestamp(hour * 3_600_000));
        }
        assert!(used.at(days(5)).abs_diff(whole) < 200, "{} and {whole}", used.at(days(5)));
        assert!((used.at(days(1_000)) as f64 - 2.0 * lasting()).abs() < 10.0);
    }
}
