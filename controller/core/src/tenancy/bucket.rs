//! Machine time that is owed, and forgiven at a constant rate.

use super::allowance::NodeHours;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A leaky bucket of machine time. What is granted goes in at once, for the whole time that is granted, and what was not
/// used comes out again; it leaks as much in each window as the quota is. So nobody waits for longer than a window, and
/// what starts is never cut short for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bucket {
    /// As of when.
    at: Timestamp,
    /// Milliseconds of one machine that were in it then.
    node_ms: u64,
}

impl Bucket {
    /// What is in it at `now`.
    #[must_use]
    pub fn at(self, now: Timestamp, quota: NodeHours) -> u64 {
        let passed = u128::from(now.0.saturating_sub(self.at.0));
        let leaked = passed * u128::from(quota.node_ms) / u128::from(quota.window_ms.max(1));
        self.node_ms.saturating_sub(u64::try_from(leaked).unwrap_or(u64::MAX))
    }

    /// Time is granted.
    pub fn add(&mut self, node_ms: u64, now: Timestamp, quota: NodeHours) {
        let node_ms = self.at(now, quota).saturating_add(node_ms);
        *self = Self { at: now, node_ms };
    }

    /// Time is given back.
    pub fn take(&mut self, node_ms: u64, now: Timestamp, quota: NodeHours) {
        let node_ms = self.at(now, quota).saturating_sub(node_ms);
        *self = Self { at: now, node_ms };
    }

    /// From when on no more than this is in it, if nothing is added.
    #[must_use]
    pub fn falls_to(self, node_ms: u64, quota: NodeHours) -> Timestamp {
        let excess = u128::from(self.node_ms.saturating_sub(node_ms));
        let after = (excess * u128::from(quota.window_ms)).div_ceil(u128::from(quota.node_ms.max(1)));
        Timestamp(self.at.0.saturating_add(u64::try_from(after).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    /// Ten node-hours in each hundred hours.
    const QUOTA: NodeHours = NodeHours { node_ms: 10 * HOUR, window_ms: 100 * HOUR };

    fn at(hours: u64) -> Timestamp {
        Timestamp(hours * HOUR)
    }

    #[test]
    fn a_full_bucket_is_empty_after_a_window() {
        let mut bucket = Bucket::default();
        bucket.add(10 * HOUR, at(7), QUOTA);
        for (after, left) in [(0, 10), (10, 9), (90, 1), (100, 0), (1_000, 0)] {
            assert_eq!(bucket.at(at(7 + after), QUOTA), left * HOUR, "after {after} hours");
        }
        bucket.take(4 * HOUR, at(17), QUOTA);
        assert_eq!(bucket.at(at(17), QUOTA), 5 * HOUR);
    }

    #[test]
    fn it_says_when_there_is_room() {
        let mut bucket = Bucket::default();
        bucket.add(10 * HOUR, at(0), QUOTA);
        for (room, expected) in [(10, 0), (9, 10), (0, 100), (20, 0)] {
            assert_eq!(bucket.falls_to(room * HOUR, QUOTA), at(expected), "to {room} node-hours");
        }
        let there = bucket.falls_to(7 * HOUR + 1, QUOTA);
        assert!(bucket.at(there, QUOTA) <= 7 * HOUR + 1);
        assert!(bucket.at(Timestamp(there.0 - 1), QUOTA) > 7 * HOUR + 1, "and not a moment earlier");
    }
}
