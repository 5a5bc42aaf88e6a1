//! When those who wait will probably start.

use super::scheduler::Scheduler;
use std::collections::BTreeMap;

impl Scheduler {
    /// When each of the first `most` who wait will start if nobody else comes, everybody takes as long as is likely, and
    /// the order stays as it is after those have started who start now. It may come sooner or later: those who come may go
    /// first, and those who run may be done early. Whoever is kept waiting by a quota, or by machines that do not come back, is left out.
    #[must_use]
    pub fn forecast(&self, now: u64, most: usize) -> BTreeMap<u32, u64> {
        let mut then = self.clone();
        let mut starts: BTreeMap<_, _> = then.pass(now).starts.iter().map(|s| (s.lease, now)).collect();
        let mut profile = then.likely_profile(now);
        let returning = then.returning();
        for waiting in then.all_in_order(now).into_iter().take(most) {
            let shape = &then.queues[waiting.shape].shape;
            if !then.budgets.allow(waiting, shape, &returning) {
                continue;
            }
            if let Some((start, shares)) = profile.earliest(shape, waiting.spans.likely(), now) {
                profile.book(&shares, start, start.saturating_add(waiting.spans.guard));
                starts.insert(waiting.id, start);
            }
        }
        starts
    }
}
