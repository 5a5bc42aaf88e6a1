//! The controller's time, as far as this machine knows it.

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Unix time by the controller's clock: as it was last told, advanced by the monotonic clock.
///
/// Certificates are checked against this and never against the machine's own clock: a machine whose battery is empty
/// starts in 1970, where no certificate is valid yet.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<Reading>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    unix_ms: u64,
    taken: Instant,
}

impl Clock {
    pub(crate) fn new(unix_ms: u64) -> Self {
        Self(Mutex::new(Reading { unix_ms, taken: Instant::now() }))
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let reading = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.unix_ms.saturating_add(elapsed_ms(reading.taken))
    }

    /// The controller has told its time again.
    pub(crate) fn set(&self, unix_ms: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Reading { unix_ms, taken: Instant::now() };
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.now_ms())))
    }
}

/// Whole milliseconds since `start`.
pub(crate) fn elapsed_ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn advances_with_the_monotonic_clock_and_takes_a_new_reading() {
        let clock = Clock::new(1_000);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now_ms(), 3_000);
        clock.set(500);
        tokio::time::advance(Duration::from_millis(7)).await;
        assert_eq!(clock.now_ms(), 507);
    }
}
