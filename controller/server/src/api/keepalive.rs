//! What keeps leases alive. Who speaks for a job stays here: the core hears only that nobody does any more.

use crate::controller::Controller;
use hostler_core::ids::LeaseId;
use hostler_core::input::Input;
use hostler_core::lease::{Lease, LeaseState};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at who is still kept alive; a fifth of the shortest bound.
const LOOK: Duration = Duration::from_secs(2);

/// Leases by who keeps them alive. A new controller knows of nobody: every bound begins anew when it first looks.
#[derive(Debug, Default)]
pub(crate) struct Keepalives(Mutex<HashMap<LeaseId, Kept>>);

#[derive(Debug)]
struct Kept {
    last: Instant,
    /// Streams that are open now.
    open: usize,
}

/// A stream that keeps a lease alive for as long as it is open.
pub(super) struct Keeps {
    controller: Arc<Controller>,
    lease: LeaseId,
}

impl Keepalives {
    /// A sign of life.
    pub(super) fn heard(&self, lease: LeaseId) {
        self.change(lease, |_| {});
    }

    /// For how long nobody has kept the lease alive, as far as is known.
    fn silence(&self, lease: LeaseId) -> Duration {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = known.entry(lease).or_insert_with(Kept::now);
        if kept.open > 0 { Duration::ZERO } else { kept.last.elapsed() }
    }

    fn change(&self, lease: LeaseId, change: impl FnOnce(&mut Kept)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = known.entry(lease).or_insert_with(Kept::now);
        kept.last = Instant::now();
        change(kept);
    }

    fn retain(&self, wanted: impl Fn(LeaseId) -> bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|lease, kept| kept.open > 0 || wanted(*lease));
    }
}

impl Kept {
    fn now() -> Self {
        Self { last: Instant::now(), open: 0 }
    }
}

impl Keeps {
    /// From now on, until this is dropped.
    pub(super) fn alive(controller: &Arc<Controller>, lease: LeaseId) -> Self {
        controller.keepalives.change(lease, |kept| kept.open += 1);
        Self { controller: controller.clone(), lease }
    }
}

impl Drop for Keeps {
    fn drop(&mut self) {
        self.controller.keepalives.change(self.lease, |kept| kept.open -= 1);
    }
}

/// Tells the core which leases nobody keeps alive any more, until the controller stops.
pub(crate) async fn watch_keepalives(controller: Arc<Controller>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = controller.stop.cancelled() => return,
            _ = look.tick() => {}
        }
        let bounds: HashMap<_, _> =
            controller.published.read(|w| w.leases.values().filter_map(bound).collect());
        for (lease, bound) in &bounds {
            if controller.keepalives.silence(*lease) > *bound {
                // Refused only while the controller ends.
                let _ = controller.submit(Input::LeaseAbandoned { lease: *lease }).await;
            }
        }
        controller.keepalives.retain(|lease| bounds.contains_key(&lease));
    }
}

/// For how long nobody may keep the lease alive, if somebody has to.
fn bound(lease: &Lease) -> Option<(LeaseId, Duration)> {
    let over = matches!(lease.state, LeaseState::Closing { .. } | LeaseState::Closed { .. });
    let bound = lease.spec.terms.keepalive_ms.filter(|_| !over && lease.course.hold.is_none())?;
    Some((lease.id, Duration::from_millis(bound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_begins_when_the_last_stream_ends() {
        let (keepalives, lease) = (Keepalives::default(), LeaseId(7));
        assert_eq!(keepalives.silence(lease), Duration::ZERO, "what is seen for the first time begins now");
        keepalives.change(lease, |kept| kept.open += 2);
        tokio::time::advance(Duration::from_secs(60)).await;
        keepalives.change(lease, |kept| kept.open -= 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(keepalives.silence(lease), Duration::ZERO, "one is open");
        keepalives.change(lease, |kept| kept.open -= 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(keepalives.silence(lease), Duration::from_secs(60));
        keepalives.heard(lease);
        assert_eq!(keepalives.silence(lease), Duration::ZERO);
    }
}
