//! How busy the laboratory was in the last weeks, and how long those who wait stand back because of it.

use crate::hardware::Arch;
use crate::tenancy::{part_of, remaining};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

const HOUR_MS: u64 = 3_600_000;

/// What was so long ago counts half, in milliseconds: three weeks. An age that followed each busy day would grow when it
/// is needed most, and those who wait would wait for longest then.
const HALF_LIFE_MS: u64 = 21 * 24 * HOUR_MS;

/// It is looked at so often at most, in milliseconds.
const LOOK_MS: u64 = HOUR_MS;

/// What is assumed of a laboratory that is new, in millionths of the machine time: an age of a good day.
const USUAL: u32 = 850_000;

/// The age if nothing was in use, in milliseconds. Waits grow with one by the part of the machine time that is free, by
/// all that is known of queues, and so does this.
const IDLE_AGE_MS: f64 = 3.7 * HOUR_MS as f64;

/// Nobody goes first who is younger, whatever machines are free, in milliseconds.
const LEAST_AGE_MS: u64 = 12 * HOUR_MS;

/// Whoever is older goes first, however busy all are, in milliseconds.
const MOST_AGE_MS: u64 = 40 * HOUR_MS;

/// Nobody is promised a start earlier than this after the request, in milliseconds.
const LEAST_WINDOW_MS: u64 = 72 * HOUR_MS;

/// Nor earlier than so many times the age: a promise that comes due when its lease has just gone first would decide
/// instead of the order.
const AGES: u64 = 3;

/// Of all machine time of each architecture, what tenants had in the last weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// When it was last looked at.
    looked: Option<Timestamp>,
    /// In millionths, in the order of [`Arch::ALL`].
    parts: [u32; Arch::ALL.len()],
}

impl Default for Busy {
    fn default() -> Self {
        Self { looked: None, parts: [USUAL; Arch::ALL.len()] }
    }
}

impl Busy {
    /// Counts in what `used` says of the last days: of each architecture, what tenants had in milliseconds of one machine
    /// as far as it [counts still](crate::tenancy::Used), and how many machines there are.
    pub fn note(&mut self, now: Timestamp, used: impl FnOnce() -> [(u64, u32); Arch::ALL.len()]) {
        let passed = self.looked.map(|looked| now.0.saturating_sub(looked.0));
        if passed.is_some_and(|passed| passed < LOOK_MS) {
            return;
        }
        self.looked = Some(now);
        let left = remaining(passed.unwrap_or(0), HALF_LIFE_MS);
        for (part, (used, machines)) in self.parts.iter_mut().zip(used()) {
            let lately = 1e6 * part_of(used, machines).min(1.0);
            *part = (f64::from(*part) * left + lately * (1.0 - left)).round() as u32;
        }
    }

    /// Who waits for longer than this goes before all who do not, in milliseconds. It is the busiest architecture that
    /// counts.
    #[must_use]
    pub fn age_ms(&self) -> u64 {
        let most = self.parts.iter().copied().max().unwrap_or(0).min(999_999);
        let age = IDLE_AGE_MS * 1e6 / f64::from(1_000_000 - most);
        (age.round() as u64).clamp(LEAST_AGE_MS, MOST_AGE_MS)
    }

    /// From when on whoever waits since then goes first.
    #[must_use]
    pub fn goes_first(&self, since: Timestamp) -> Timestamp {
        Timestamp(since.0.saturating_add(self.age_ms()))
    }

    /// Nobody is promised a start earlier than this after the request, in milliseconds.
    #[must_use]
    pub fn window_ms(&self) -> u64 {
        LEAST_WINDOW_MS.max(AGES * self.age_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenancy::lasting;

    const DAY_MS: u64 = 24 * HOUR_MS;

    /// The age in a laboratory that is new: 24 hours and 40 minutes.
    const NEW_MS: u64 = 24 * HOUR_MS + 2_400_000;

    /// What is in use for ever, of ten machines of each architecture.
    fn in_use(machines: [f64; 3]) -> [(u64, u32); 3] {
        machines.map(|machines| ((machines * lasting()) as u64, 10))
    }

    fn after(days: u64, machines: [f64; 3]) -> Busy {
        let mut busy = Busy::default();
        for hour in 0..=days * 24 {
            busy.note(Timestamp(hour * HOUR_MS), || in_use(machines));
        }
        busy
    }

    #[test]
    fn the_age_follows_the_last_weeks() {
        assert_eq!(Busy::default().age_ms(), NEW_MS, "of a laboratory that is new");
        assert_eq!(after(0, [0.0; 3]).age_ms(), NEW_MS, "of which a moment says nothing");
        let hours = |days, machines| after(days, machines).age_ms() as f64 / HOUR_MS as f64;
        for (machines, expected) in [([0.0; 3], 12.0), ([6.9, 2.0, 0.0], 12.0), ([1.0, 8.0, 2.0], 18.5)] {
            assert!((hours(500, machines) - expected).abs() < 0.1, "{machines:?}: {}", hours(500, machines));
        }
        assert_eq!(hours(500, [9.5; 3]), 40.0);
        // Three weeks are half of what counts: halfway from 0.85 to 0.95.
        assert!((hours(21, [9.5; 3]) - 37.0).abs() < 0.1, "{}", hours(21, [9.5; 3]));
    }

    #[test]
    fn promises_leave_time_for_it() {
        assert_eq!(Busy::default().window_ms(), 3 * NEW_MS);
        assert_eq!(after(500, [0.0; 3]).window_ms(), 72 * HOUR_MS);
        assert_eq!(after(500, [9.5; 3]).window_ms(), 120 * HOUR_MS);
    }

    #[test]
    fn it_is_looked_at_by_the_hour_and_clocks_may_step() {
        let mut busy = after(10, [5.0; 3]);
        let before = busy;
        busy.note(Timestamp(10 * DAY_MS + HOUR_MS - 1), || unreachable!("too early"));
        busy.note(Timestamp(DAY_MS), || unreachable!("in the past"));
        assert_eq!(busy, before);
        // What is in use without a machine in service is no more than all.
        busy.note(Timestamp(9_000 * DAY_MS), || [(u64::MAX, 1), (5, 0), (0, 0)]);
        assert_eq!((busy.parts, busy.age_ms()), ([1_000_000, 0, 0], 40 * HOUR_MS));
    }
}
