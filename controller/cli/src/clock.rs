//! The wall clock, read to print ages and for nothing else.

use std::time::UNIX_EPOCH;

/// Unix time in milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock module of the command line, which has no core"
)]
pub(crate) fn now_ms() -> u64 {
    let since_epoch = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
