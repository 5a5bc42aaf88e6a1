//! Time as the core knows it: given with every input, never read.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

const DAY_MS: u64 = 24 * 3_600_000;

/// Milliseconds since the Unix epoch, UTC, by the controller's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The later moment; saturates at the end of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// "2026-03-21 10:12Z": to the minute, for people.
    #[must_use]
    pub fn utc(self) -> String {
        let (day, minute) = (self.0 / DAY_MS, self.0 % DAY_MS / 60_000);
        let (year, month, day) = date(day);
        format!("{year:04}-{month:02}-{day:02} {:02}:{:02}Z", minute / 60, minute % 60)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// How long each wait may take before the node goes up the ladder. Real firmware takes minutes to reach the network;
/// the defaults are for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// From the order of a power attempt to the BMC's answer, in milliseconds.
    pub power_ms: u64,
    /// From the BMC's answer (or its absence) to the first packet from the machine's firmware.
    pub firmware_ms: u64,
    /// From the first packet to the ramdisk agent's hello. The one-time token expires with it.
    pub enrol_ms: u64,
    /// For one inspection.
    pub inspect_ms: u64,
    /// For one wipe of all disks, besides the time that it takes to write them from beginning to end.
    pub wipe_ms: u64,
    /// For one burn-in.
    pub prove_ms: u64,
    /// For writing one image.
    pub deploy_ms: u64,
    /// From the order to start the deployed system to its agent's hello.
    pub deployed_ms: u64,
    /// For an administrator to approve a first wipe.
    pub approval_ms: u64,
    /// Silence of an agent that counts as lost.
    pub silence_ms: u64,
    /// How long the ladder of a pool waits for the network after too many of its machines went silent together.
    pub incident_ms: u64,
    /// How long a closed lease is remembered, and with it its idempotency key, unless there are too many of them.
    pub remember_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        const S: u64 = 1_000;
        Self {
            power_ms: 120 * S,
            firmware_ms: 600 * S,
            enrol_ms: 600 * S,
            inspect_ms: 300 * S,
            wipe_ms: 24 * 3600 * S,
            prove_ms: 900 * S,
            deploy_ms: 2 * 3600 * S,
            deployed_ms: 900 * S,
            approval_ms: 14 * 24 * 3600 * S,
            silence_ms: 60 * S,
            incident_ms: 24 * 3600 * S,
            remember_ms: 3600 * S,
        }
    }
}

/// Year, month and day of the Gregorian calendar, from days since the Unix epoch. Years are counted from March, in
/// eras of 400 years, so that the leap day is the last of a year.
const fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + 719_468;
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_for_people() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00Z"),
            (951_782_400, "2000-02-29 00:00Z"),
            (951_868_799, "2000-02-29 23:59Z"),
            (951_868_800, "2000-03-01 00:00Z"),
            (1_774_087_953, "2026-03-21 10:12Z"),
            (4_107_542_399, "2100-02-28 23:59Z"),
            (4_107_542_400, "2100-03-01 00:00Z"),
        ] {
            assert_eq!(Timestamp(seconds * 1000).utc(), expected);
        }
    }
}
