//! How many unused machines of a pool stay powered, and for how long.

use crate::text::span;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Requests are counted by the hour.
const HOUR_MS: u64 = 3_600_000;

const MONTH_MS: u64 = 30 * 24 * HOUR_MS;

/// More than this is a mistake.
const MAX_WARM: u32 = 10_000;

/// Less would switch a machine off for having had no tenant for a moment.
const IDLE_OFF_MS: RangeInclusive<u64> = 1_000..=MONTH_MS;

/// A refresh takes minutes, and wipes disks again.
const REFRESH_MS: RangeInclusive<u64> = 600_000..=MONTH_MS;

/// What is done with machines that nobody uses. Unless something is said, nothing is: they stay as they were left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// So many wait in their ramdisk at least; others are booted for that.
    pub warm: u32,
    /// So many may have power at most; none for any number.
    pub max_powered: Option<NonZeroU32>,
    /// Whoever is unused for so long is powered off, in milliseconds, but for those that are kept warm.
    pub idle_off_ms: Option<NonZeroU64>,
    /// Whoever is unused for so long is booted, inspected and wiped anew, in milliseconds.
    pub refresh_ms: Option<NonZeroU64>,
    /// So many of the warm ones have an image written on their disk that is asked for.
    pub ahead: u32,
}

/// What is to be different. What is not said stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeepChange {
    /// How many wait in their ramdisk at least.
    pub warm: Option<u32>,
    /// Zero for any number.
    pub max_powered: Option<u32>,
    /// Zero for never.
    pub idle_off_ms: Option<u64>,
    /// Zero for never.
    pub refresh_ms: Option<u64>,
    /// How many have an image written ahead; zero for none.
    pub ahead: Option<u32>,
}

impl Keep {
    /// With what is to be different.
    ///
    /// # Errors
    /// If that makes no sense: a text that begins with the name of a field.
    pub fn with(self, change: KeepChange) -> Result<Self, String> {
        let KeepChange { warm, max_powered, idle_off_ms, refresh_ms, ahead } = change;
        let changed = Self {
            warm: warm.unwrap_or(self.warm),
            max_powered: max_powered.map_or(self.max_powered, NonZeroU32::new),
            idle_off_ms: idle_off_ms.map_or(self.idle_off_ms, NonZeroU64::new),
            refresh_ms: refresh_ms.map_or(self.refresh_ms, NonZeroU64::new),
            ahead: ahead.unwrap_or(self.ahead),
        };
        changed.check().map(|()| changed)
    }

    fn check(&self) -> Result<(), String> {
        let Self { warm, max_powered, idle_off_ms, refresh_ms, ahead } = *self;
        for (name, count) in [("warm", warm), ("ahead", ahead)] {
            if count > MAX_WARM {
                return Err(format!("{name}: {count} machines; at most {MAX_WARM}"));
            }
        }
        if let Some(most) = max_powered.filter(|most| most.get() < warm) {
            return Err(format!("warm: {warm} machines, but max_powered is {most}: raise that first"));
        }
        for (name, ms, range) in [("idle_off", idle_off_ms, IDLE_OFF_MS), ("refresh", refresh_ms, REFRESH_MS)]
        {
            if ms.is_some_and(|ms| !range.contains(&ms.get())) {
                let [least, most] = [*range.start(), *range.end()].map(|ms| span(Duration::from_millis(ms)));
                return Err(format!("{name}: at least {least} and at most {most}"));
            }
        }
        Ok(())
    }

    /// True if anything is done with machines that nobody uses.
    #[must_use]
    pub fn does_anything(&self) -> bool {
        *self != Self::default()
    }

    /// True if any of them may be powered off.
    #[must_use]
    pub const fn powers_off(&self) -> bool {
        self.max_powered.is_some() || self.idle_off_ms.is_some()
    }

    /// How many stay powered that nobody has used for long: those that are to be warm, or as many as were asked for of
    /// late, if that is more.
    #[must_use]
    pub fn spared(&self, demand: Demand, now: Timestamp) -> u32 {
        let most = self.max_powered.map_or(u32::MAX, NonZeroU32::get);
        self.warm.max(demand.at(now)).min(most)
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |ms: Option<NonZeroU64>| match ms {
            Some(ms) => format!("after {}", span(Duration::from_millis(ms.get()))),
            None => "never".to_owned(),
        };
        let most = self.max_powered.map_or("any number".to_owned(), |most| most.to_string());
        write!(
            f,
            "of those that nobody uses at least {} are warm, {most} at most powered, the rest is powered off {} and \
             refreshed {}",
            self.warm,
            after(self.idle_off_ms),
            after(self.refresh_ms)
        )?;
        match self.ahead {
            0 => Ok(()),
            ahead => write!(f, ", and {ahead} of the warm ones have an image written ahead"),
        }
    }
}

/// How many machines of a pool leases were given in this hour and in the one before. It is read at any time without
/// being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Demand {
    /// Hours since the Unix epoch.
    hour: u64,
    this: u32,
    before: u32,
}

impl Demand {
    /// A lease was given one more.
    pub fn add(&mut self, now: Timestamp) {
        let (this, before) = self.hours(now);
        *self = Self { hour: now.0 / HOUR_MS, this: this.saturating_add(1), before };
    }

    /// So many may be asked for soon: the larger of both numbers.
    #[must_use]
    pub fn at(self, now: Timestamp) -> u32 {
        let (this, before) = self.hours(now);
        this.max(before)
    }

    /// When it is next a smaller number, if it ever is.
    #[must_use]
    pub fn falls(self, now: Timestamp) -> Option<Timestamp> {
        let hour = now.0 / HOUR_MS;
        let hours = (hour + 1..=hour + 2).map(|hour| Timestamp(hour * HOUR_MS));
        hours.into_iter().find(|at| self.at(*at) < self.at(now))
    }

    fn hours(self, now: Timestamp) -> (u32, u32) {
        match (now.0 / HOUR_MS).saturating_sub(self.hour) {
            0 => (self.this, self.before),
            1 => (0, self.this),
            _ => (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_is_that_of_two_hours() {
        let at = |minutes: u64| Timestamp(1_000 * HOUR_MS + minutes * 60_000);
        let mut demand = Demand::default();
        assert_eq!((demand.at(at(0)), demand.falls(at(0))), (0, None));
        for minute in [1, 2, 59, 61] {
            demand.add(at(minute));
        }
        for (minute, expected, falls) in
            [(61, 3, Some(120)), (119, 3, Some(120)), (120, 1, Some(180)), (180, 0, None), (999, 0, None)]
        {
            assert_eq!(demand.at(at(minute)), expected, "{minute}");
            assert_eq!(demand.falls(at(minute)), falls.map(at), "{minute}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_the_rest_said() {
        let keep = Keep::default();
        let change = KeepChange::default;
        for (change, refusal) in [
            (KeepChange { warm: Some(10_001), ..change() }, "warm: 10001 machines; at most 10000"),
            (
                KeepChange { warm: Some(3), max_powered: Some(2), ..change() },
                "warm: 3 machines, but max_powered is 2: raise that first",
            ),
            (KeepChange { ahead: Some(10_001), ..change() }, "ahead: 10001 machines; at most 10000"),
            (KeepChange { idle_off_ms: Some(999), ..change() }, "idle_off: at least 1 s and at most 30 d"),
            (KeepChange { refresh_ms: Some(1), ..change() }, "refresh: at least 10 min and at most 30 d"),
        ] {
            assert_eq!(keep.with(change), Err(refusal.to_owned()));
        }
        assert!(!keep.with(change()).unwrap().does_anything());
        let change = KeepChange { warm: Some(2), idle_off_ms: Some(1_800_000), ..change() };
        assert_eq!(
            keep.with(change).unwrap().to_string(),
            "of those that nobody uses at least 2 are warm, any number at most powered, the rest is powered off after \
             30 min and refreshed never"
        );
    }
}
