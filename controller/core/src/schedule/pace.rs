//! What deployments and cleanings take on machines of a kind: nine of ten took no longer.

use crate::node::{Node, Took};
use std::collections::BTreeMap;

/// What a deployment and a cleaning take until enough of them were seen, in milliseconds.
const USUAL_MS: u64 = 600_000;

/// Fewer deployments or cleanings than this say nothing.
const ENOUGH: usize = 5;

/// Plans are no more exact than this, so that what one more machine takes hardly ever changes them, in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// What a deployment and a cleaning take, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(super) deploy_ms: u64,
    pub(crate) clean_ms: u64,
}

impl Pace {
    /// Of one machine, by what it took itself.
    pub(crate) fn of(node: &Node) -> Self {
        let mut paces = Paces::default();
        paces.add(&node.took);
        paces.pace()
    }

    pub(super) fn slower(self, other: Self) -> Self {
        Self { deploy_ms: self.deploy_ms.max(other.deploy_ms), clean_ms: self.clean_ms.max(other.clean_ms) }
    }

    /// What comes on top of a lease's own time, in milliseconds.
    pub(crate) const fn overhead_ms(self) -> u64 {
        self.deploy_ms + self.clean_ms
    }
}

/// What the last deployments and cleanings of machines took.
#[derive(Clone, Debug, Default)]
pub(super) struct Paces {
    deployed: Times,
    cleaned: Times,
}

impl Paces {
    pub(super) fn add(&mut self, took: &Took) {
        took.deployed_ms.iter().for_each(|ms| self.deployed.add(*ms));
        took.cleaned_ms.iter().for_each(|ms| self.cleaned.add(*ms));
    }

    pub(super) fn remove(&mut self, took: &Took) {
        took.deployed_ms.iter().for_each(|ms| self.deployed.remove(*ms));
        took.cleaned_ms.iter().for_each(|ms| self.cleaned.remove(*ms));
    }

    pub(super) fn pace(&self) -> Pace {
        Pace { deploy_ms: self.deployed.usual_ms(), clean_ms: self.cleaned.usual_ms() }
    }
}

/// How often something took so many minutes, rounded up.
#[derive(Clone, Debug, Default)]
struct Times(BTreeMap<u64, usize>);

impl Times {
    fn add(&mut self, ms: u64) {
        *self.0.entry(ms.div_ceil(MINUTE_MS)).or_default() += 1;
    }

    fn remove(&mut self, ms: u64) {
        let minutes = ms.div_ceil(MINUTE_MS);
        if let Some(count) = self.0.get_mut(&minutes) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&minutes);
            }
        }
    }

    fn usual_ms(&self) -> u64 {
        let all: usize = self.0.values().sum();
        if all < ENOUGH {
            return USUAL_MS;
        }
        let mut left = (all * 9).div_ceil(10);
        let last = self.0.iter().find(|(_, count)| {
            left = left.saturating_sub(**count);
            left == 0
        });
        last.map_or(USUAL_MS, |(minutes, _)| minutes * MINUTE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(took: &[u64]) -> u64 {
        let mut times = Times::default();
        took.iter().for_each(|ms| times.add(*ms));
        times.usual_ms()
    }

    #[test]
    fn nine_of_ten_took_no_longer() {
        assert_eq!(usual(&[1_000; 4]), USUAL_MS, "four say nothing");
        assert_eq!(usual(&[1_000; 5]), MINUTE_MS);
        assert_eq!(usual(&[60_000, 60_000, 60_000, 60_000, 60_001]), 2 * MINUTE_MS, "the longest of so few");
        let mut ten = [60_000; 10];
        ten[3] = 3_600_000;
        assert_eq!(usual(&ten), MINUTE_MS, "one of ten may take what it likes");
    }

    #[test]
    fn what_was_taken_away_does_not_count() {
        let took = |ms: u64| Took { deployed_ms: vec![ms; 5], cleaned_ms: vec![ms; 5] };
        let mut paces = Paces::default();
        paces.add(&took(1));
        paces.add(&took(7 * MINUTE_MS));
        assert_eq!(paces.pace().overhead_ms(), 14 * MINUTE_MS);
        paces.remove(&took(7 * MINUTE_MS));
        assert_eq!(paces.pace(), Pace { deploy_ms: MINUTE_MS, clean_ms: MINUTE_MS });
    }
}
