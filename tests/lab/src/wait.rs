//! Waiting for something to be seen, with a bound.

use anyhow::bail;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks until there is something, at most for `cap`.
///
/// # Errors
/// If a look fails, or the time is over: then `what` was waited for in vain.
pub fn until<T>(
    what: &str,
    cap: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if started.elapsed() > cap {
            bail!("waited {} s in vain for {what}", cap.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}
