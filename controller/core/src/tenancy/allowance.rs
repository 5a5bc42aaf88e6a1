//! What a tenant may have.

use super::band::Band;
use crate::hardware::Arch;
use crate::text::span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

const HOUR_MS: u64 = 3_600_000;

/// Weights; what is beyond would leave nothing to others.
const SHARES: RangeInclusive<u32> = 1..=1_000;

/// Windows of node-hours: shorter ones are what the number of machines is for, and nobody plans for longer ones.
const WINDOWS_MS: RangeInclusive<u64> = HOUR_MS..=90 * 24 * HOUR_MS;

/// What a tenant may have. What is not set is not limited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowance {
    /// Its weight beside others: with twice the share it is owed twice the machine time.
    pub share: u32,
    /// The most urgent band that it may ask for.
    pub priority: Band,
    /// Machines at once.
    pub machines: Option<u32>,
    /// Machines of an architecture at once.
    pub machines_of: BTreeMap<Arch, u32>,
    /// Machine time.
    pub node_hours: Option<NodeHours>,
    /// The longest duration that it may ask for, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How much longer it may have one lease by all extensions together, in milliseconds.
    pub extension_ms: Option<u64>,
    /// For how long it may have machines held on which a run failed, in milliseconds.
    pub hold_ms: Option<u64>,
}

/// So much machine time for each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHours {
    /// Milliseconds of one machine.
    pub node_ms: u64,
    /// In milliseconds.
    pub window_ms: u64,
}

/// One thing that an administrator sets; none lifts a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting {
    /// See [`Allowance::share`].
    Share(u32),
    /// See [`Allowance::priority`].
    Priority(Band),
    /// See [`Allowance::machines`].
    Machines(Option<u32>),
    /// See [`Allowance::machines_of`].
    MachinesOf(Arch, Option<u32>),
    /// See [`Allowance::node_hours`].
    NodeHours(Option<NodeHours>),
    /// See [`Allowance::duration_ms`].
    Duration(Option<u64>),
    /// See [`Allowance::extension_ms`].
    Extension(Option<u64>),
    /// See [`Allowance::hold_ms`].
    Hold(Option<u64>),
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            share: 1,
            priority: Band::default(),
            machines: None,
            machines_of: BTreeMap::new(),
            node_hours: None,
            duration_ms: None,
            extension_ms: None,
            hold_ms: None,
        }
    }
}

impl Allowance {
    /// True if it may not start what it likes.
    #[must_use]
    pub fn has_quota(&self) -> bool {
        self.machines.is_some() || !self.machines_of.is_empty() || self.node_hours.is_some()
    }

    /// Sets one thing.
    ///
    /// # Errors
    /// A text for people, if it makes no sense.
    pub fn set(&mut self, setting: Setting) -> Result<(), String> {
        match setting {
            Setting::Share(share) if !SHARES.contains(&share) => {
                return Err(format!("share: {} to {}", SHARES.start(), SHARES.end()));
            }
            Setting::NodeHours(Some(hours)) if !WINDOWS_MS.contains(&hours.window_ms) => {
                return Err("node_hours: a window of at least an hour and at most 90 days".into());
            }
            Setting::NodeHours(Some(hours)) if hours.node_ms == 0 => {
                return Err("node_hours: more than nothing; `--max-nodes 0` stops a tenant".into());
            }
            Setting::Share(share) => self.share = share,
            Setting::Priority(band) => self.priority = band,
            Setting::Machines(most) => self.machines = most,
            Setting::MachinesOf(arch, Some(most)) => _ = self.machines_of.insert(arch, most),
            Setting::MachinesOf(arch, None) => _ = self.machines_of.remove(&arch),
            Setting::NodeHours(hours) => self.node_hours = hours,
            Setting::Duration(ms) => self.duration_ms = ms,
            Setting::Extension(ms) => self.extension_ms = ms,
            Setting::Hold(ms) => self.hold_ms = ms,
        }
        Ok(())
    }
}

/// "500 node-hours per 7 d".
impl fmt::Display for NodeHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = span(Duration::from_millis(self.window_ms));
        write!(f, "{} node-hours per {window}", hours(self.node_ms))
    }
}

/// Machine time in hours for people, with one decimal where it is not whole.
#[must_use]
pub fn hours(node_ms: u64) -> String {
    let tenths = node_ms / (HOUR_MS / 10);
    if tenths.is_multiple_of(10) {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_set() {
        let mut allowance = Allowance::default();
        let hours = NodeHours { node_ms: 500 * HOUR_MS, window_ms: 7 * 24 * HOUR_MS };
        for setting in [
            Setting::Share(2),
            Setting::Priority(Band::Gate),
            Setting::Machines(Some(32)),
            Setting::MachinesOf(Arch::Ppc64le, Some(4)),
            Setting::MachinesOf(Arch::Aarch64, Some(9)),
            Setting::MachinesOf(Arch::Aarch64, None),
            Setting::NodeHours(Some(hours)),
            Setting::Hold(Some(HOUR_MS)),
        ] {
            assert_eq!(allowance.set(setting), Ok(()));
        }
        let expected = Allowance {
            share: 2,
            priority: Band::Gate,
            machines: Some(32),
            machines_of: [(Arch::Ppc64le, 4)].into(),
            node_hours: Some(hours),
            hold_ms: Some(HOUR_MS),
            ..Allowance::default()
        };
        assert_eq!(allowance, expected);
        assert_eq!(hours.to_string(), "500 node-hours per 7 d");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let window = |window_ms| Setting::NodeHours(Some(NodeHours { node_ms: 1, window_ms }));
        let none = NodeHours { node_ms: 0, window_ms: HOUR_MS };
        for (setting, expected) in [
            (Setting::Share(0), "share: 1 to 1000"),
            (Setting::Share(1_001), "share: 1 to 1000"),
            (window(HOUR_MS - 1), "node_hours: a window of at least an hour and at most 90 days"),
            (window(91 * 24 * HOUR_MS), "node_hours: a window of at least an hour and at most 90 days"),
            (Setting::NodeHours(Some(none)), "node_hours: more than nothing; `--max-nodes 0` stops a tenant"),
        ] {
            let mut allowance = Allowance::default();
            assert_eq!(allowance.set(setting), Err(expected.into()));
            assert_eq!(allowance, Allowance::default());
        }
    }

    /// Tenants were stored before there was anything to allow.
    #[test]
    fn nothing_is_limited_unless_it_is_set() {
        assert_eq!(serde_json::from_str::<Allowance>("{}").unwrap(), Allowance::default());
    }
}
