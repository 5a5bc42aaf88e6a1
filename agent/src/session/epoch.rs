//! Which controller leads, as far as this agent has heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The highest epoch that was heard. A controller that lost its leadership, and does not know it yet, speaks with a
/// lower one.
#[derive(Clone, Debug)]
pub(crate) struct Epoch(Arc<AtomicU64>);

impl Epoch {
    pub(crate) fn at_least(epoch: u64) -> Self {
        Self(Arc::new(AtomicU64::new(epoch)))
    }

    /// True unless a higher one was heard before.
    pub(crate) fn admits(&self, epoch: u64) -> bool {
        self.0.fetch_max(epoch, Ordering::AcqRel) <= epoch
    }

    pub(crate) fn highest(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn admits_exactly_what_is_not_lower_than_all_before(heard: Vec<u64>) {
            let epoch = Epoch::at_least(3);
            let mut highest = 3;
            for value in heard {
                prop_assert_eq!(epoch.admits(value), value >= highest);
                highest = highest.max(value);
                prop_assert_eq!(epoch.highest(), highest);
            }
        }
    }
}
