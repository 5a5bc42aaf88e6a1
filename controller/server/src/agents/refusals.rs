//! Whoever reaches the port can be refused at any rate. What is stored of that is bounded, so that nobody can push the
//! rest of the history out of the store.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Refusals stored in one period; the rest goes to the log only.
const STORED: u32 = 60;

/// One period.
const PERIOD: Duration = Duration::from_secs(60);

/// Counts refusals.
#[derive(Debug)]
pub(crate) struct Refusals(Mutex<(Instant, u32)>);

impl Refusals {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((Instant::now(), 0)))
    }

    /// Counts one; true if there is room for it in the store.
    pub(crate) fn may_be_stored(&self) -> bool {
        let (began, count) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if began.elapsed() >= PERIOD {
            (*began, *count) = (Instant::now(), 0);
        }
        *count = count.saturating_add(1);
        *count <= STORED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_stored_in_part_and_another_minute_begins_anew() {
        let refusals = Refusals::new();
        assert_eq!((0..1000).filter(|_| refusals.may_be_stored()).count(), STORED as usize);
        tokio::time::advance(PERIOD).await;
        assert!(refusals.may_be_stored());
    }
}
