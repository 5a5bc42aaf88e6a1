//! The controller's clock: the later of the last stored moment and the wall clock at start, then advanced by the
//! boot-time clock. It never goes back, also when the wall clock does.

use hostler_core::leadership::Moment;
use hostler_core::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Gives the present moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Timestamp,
    started: Duration,
}

impl Clock {
    /// Begins at the wall clock's time, but not before `last`.
    pub(crate) fn starting_after(last: Timestamp) -> Self {
        Self { base: last.max(wall()), started: since_boot() }
    }

    /// Now, in milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> Timestamp {
        self.base.after(since_boot().saturating_sub(self.started))
    }

    /// By how much the wall clock is ahead of this one, in milliseconds.
    pub(crate) fn wall_lead_ms(&self) -> i64 {
        let (wall, own) = (wall().0, self.now().0);
        i64::try_from(wall).unwrap_or(i64::MAX).saturating_sub(i64::try_from(own).unwrap_or(i64::MAX))
    }
}

/// A moment for leases: of a clock that nobody sets.
pub(crate) fn moment() -> Moment {
    since_boot()
}

/// Goes on while the machine sleeps, unlike the monotonic clock.
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// What others think that the time is: certificates must not begin after it.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(0).after(since)
}
