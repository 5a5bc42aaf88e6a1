//! Waiting for what a device does by itself.

use super::error::EraseError;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Told how far a device is, in 65,536ths as devices count; says whether to go on waiting.
pub type Progress<'a> = &'a (dyn Fn(u16) -> bool + Send + Sync);

/// Added to what a device estimates, and taken for its estimate if it has none.
const GRACE: Duration = Duration::from_mins(10);
const UNKNOWN: Duration = Duration::from_mins(25);

/// Between two questions to the device.
const PAUSE: Duration = Duration::from_secs(1);

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Done,
    /// In 65,536ths.
    UnderWay(u16),
}

/// Waits between questions to a device, up to a limit.
pub(crate) struct Wait<'a> {
    start: Instant,
    limit: Duration,
    progress: Progress<'a>,
}

impl<'a> Wait<'a> {
    pub(crate) fn new(limit: Duration, progress: Progress<'a>) -> Self {
        Self { start: Instant::now(), limit, progress }
    }

    /// To be called after the device has said how far it is.
    pub(crate) async fn pause(&self, done: u16) -> Result<(), EraseError> {
        if !(self.progress)(done) {
            return Err(EraseError::Stopped);
        }
        if self.start.elapsed() >= self.limit {
            return Err(EraseError::Deadline { after: self.limit, percent: u32::from(done) * 100 / 65_536 });
        }
        sleep(PAUSE).await;
        Ok(())
    }
}

/// How long a device may take that estimates so much.
pub(crate) fn limit(estimate: Option<Duration>) -> Duration {
    estimate.unwrap_or(UNKNOWN).saturating_mul(2).saturating_add(GRACE)
}
