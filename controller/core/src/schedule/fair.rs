//! How the machines are shared among those who want them: what the score of a young lease is multiplied by.

use super::power::{exp2, log2};
use super::scheduler::Policy;

/// Whoever had less than this part of the machines counts as having had nothing.
const UNNOTICED: f64 = 0.01;

/// Of a tenant's leases that stand before another one, so many count.
pub const MOST_AHEAD: usize = 64;

impl Policy {
    /// For a tenant whose dominant share is `dominant`: of the architecture of which it had most, the part that it had
    /// of all that there was, divided by its weight.
    #[must_use]
    pub fn share_factor(&self, dominant: f64) -> f64 {
        exp2(-self.fairness * log2(dominant.max(0.0) + UNNOTICED))
    }

    /// For a lease before which so many others of its tenant have machines or wait.
    #[must_use]
    pub fn further_factor(&self, ahead: usize) -> f64 {
        exp2(-self.further * log2(1.0 + ahead.min(MOST_AHEAD) as f64))
    }
}
