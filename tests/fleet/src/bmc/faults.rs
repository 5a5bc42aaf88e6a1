//! What real controllers do wrong.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// All faults at once; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Hears nothing and answers nothing.
    pub dead: bool,
    /// Says "done" to every Chassis Control and does nothing.
    pub ignores_power: bool,
    /// Says "done" to every boot device and forgets it.
    pub drops_boot_device: bool,
    /// Before each answer; one at a time, as a slow controller does.
    pub delay: Duration,
    /// Of the answers, the nth, 2nth … is lost; zero for none.
    pub loses_every: u32,
    /// That many of the next requests are answered with "busy".
    pub busy: u32,
    /// Tells this as the GUID of its system: it sits in another one than its papers say.
    pub guid: Option<[u8; 16]>,
    /// Agrees to a session without integrity and confidentiality, whatever was proposed.
    pub lowers_suite: bool,
}

/// The faults of one controller, which a test may change while it runs.
#[derive(Clone, Debug, Default)]
pub struct BmcFaults(Arc<Mutex<Faults>>);

impl BmcFaults {
    /// The faults that it has now.
    #[must_use]
    pub fn get(&self) -> Faults {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes them; the next datagram meets the change.
    pub fn change(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// True if this request is to be answered with "busy"; counts it.
    pub(super) fn take_busy(&self) -> bool {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = faults.busy > 0;
        faults.busy = faults.busy.saturating_sub(1);
        busy
    }
}
