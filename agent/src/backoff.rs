//! How long to wait before the next try.

use crate::random::Sequence;
use std::time::Duration;

/// Doubling delays with jitter, so that a thousand agents do not return at the same instant after an outage.
#[derive(Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
    jitter: Sequence,
}

impl Backoff {
    pub(crate) fn new(base: Duration, cap: Duration) -> Self {
        Self::with_jitter(base, cap, Sequence::unpredictable())
    }

    const fn with_jitter(base: Duration, cap: Duration, jitter: Sequence) -> Self {
        Self { base, cap, failures: 0, jitter }
    }

    /// The delay after one more failure: between half and all of `base` doubled with each failure, at most `cap`.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let full = doubled.min(self.cap);
        let half_ms = u64::try_from(full.as_millis() / 2).unwrap_or(u64::MAX);
        full / 2 + Duration::from_millis(self.jitter.below(half_ms.saturating_add(1)))
    }

    /// It worked: begin anew.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_between_half_and_all_of_the_doubled_base(seed: u64, failures in 0_u32..80) {
            let (base, cap) = (Duration::from_millis(200), Duration::from_secs(30));
            let mut backoff = Backoff::with_jitter(base, cap, Sequence::from_seed(seed));
            for n in 0..failures {
                let full = base.saturating_mul(2_u32.saturating_pow(n)).min(cap);
                let delay = backoff.next_delay();
                prop_assert!(delay >= full / 2 && delay <= full, "{n}: {delay:?}");
            }
            backoff.reset();
            prop_assert!(backoff.next_delay() <= base);
        }
    }
}
