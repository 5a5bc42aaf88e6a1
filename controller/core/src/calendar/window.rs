//! A stretch of time, once or again and again.

use crate::ids::ReservationId;
use crate::time::Timestamp;
use std::num::NonZeroU64;

/// A stretch of time in which a machine is nobody's, or somebody's only. Times are in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first time, from here.
    pub from: u64,
    /// Until just before this.
    pub until: u64,
    /// If it comes back.
    pub again: Option<Again>,
    /// Whose it is; none if it is nobody's.
    pub reserved: Option<ReservationId>,
}

/// How a window comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Again {
    /// After so many milliseconds, not less than the window is long.
    pub every: NonZeroU64,
    /// No later one begins after this.
    pub last: u64,
}

impl Window {
    /// Nobody's, from a moment on or for a while.
    #[must_use]
    pub fn closed(from: Timestamp, until: Option<Timestamp>) -> Self {
        Self { from: from.0, until: until.map_or(u64::MAX, |until| until.0), again: None, reserved: None }
    }

    /// The first time that is not over at `at`: from, until.
    #[must_use]
    pub fn next(&self, at: u64) -> Option<(u64, u64)> {
        if at < self.until {
            return Some((self.from, self.until));
        }
        let Again { every, last } = self.again?;
        let skipped = every.get().checked_mul((at - self.until) / every.get() + 1)?;
        let from = self.from.checked_add(skipped).filter(|from| *from <= last)?;
        Some((from, self.until.checked_add(skipped)?))
    }

    /// True if it has anything to do with the time from `start` until just before `end`.
    #[must_use]
    pub fn meets(&self, start: u64, end: u64) -> bool {
        self.next(start).is_some_and(|(from, _)| from < end)
    }

    /// True if all of this time is in it at once.
    #[must_use]
    pub fn contains(&self, start: u64, end: u64) -> bool {
        self.next(start).is_some_and(|(from, until)| from <= start && end <= until)
    }

    /// The next moment after `at` at which it begins or ends.
    #[must_use]
    pub fn next_edge(&self, at: u64) -> Option<u64> {
        let (from, until) = self.next(at)?;
        Some(if at < from { from } else { until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nightly() -> Window {
        let again = Again { every: NonZeroU64::new(24).unwrap(), last: 22 + 2 * 24 };
        Window { from: 22, until: 30, again: Some(again), reserved: None }
    }

    #[test]
    fn a_window_comes_back_until_its_last_time() {
        let times = [0, 22, 29, 30, 53, 54, 77, 78];
        let found: Vec<_> = times.iter().map(|at| nightly().next(*at)).collect();
        let (first, second, third) = (Some((22, 30)), Some((46, 54)), Some((70, 78)));
        assert_eq!(found, [first, first, first, second, second, third, third, None]);
        assert_eq!(
            [21, 22, 30, 69, 77, 78].map(|at| nightly().next_edge(at)),
            [Some(22), Some(30), Some(46), Some(70), Some(78), None]
        );
    }

    #[test]
    fn what_touches_it_does_not_meet_it() {
        for (start, end, meets, contains) in [
            (0, 22, false, false),
            (0, 23, true, false),
            (22, 30, true, true),
            (29, 31, true, false),
            (30, 46, false, false),
            (30, 47, true, false),
            (47, 53, true, true),
            (78, 1000, false, false),
        ] {
            assert_eq!(nightly().meets(start, end), meets, "{start} to {end}");
            assert_eq!(nightly().contains(start, end), contains, "{start} to {end}");
        }
        let for_ever = Window::closed(Timestamp(5), None);
        assert!(for_ever.meets(0, 6) && !for_ever.meets(0, 5) && for_ever.next_edge(5) == Some(u64::MAX));
    }
}
