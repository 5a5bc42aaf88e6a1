//! Why a machine's cable carries nothing: no power, or somebody pulled it.

use crate::network::Cable;
use std::sync::{Mutex, PoisonError};

/// Keeps power and hand apart, so that a cable that somebody pulled stays so over a restart.
#[derive(Debug)]
pub(super) struct Plug {
    cable: Cable,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    powered: bool,
    pulled: bool,
}

impl Plug {
    /// Of a machine that is off.
    pub(super) fn new(cable: Cable) -> Self {
        cable.cut();
        Self { cable, state: Mutex::new(State { powered: false, pulled: false }) }
    }

    pub(super) fn power(&self, on: bool) {
        self.change(|state| state.powered = on);
    }

    pub(super) fn pull(&self, pulled: bool) {
        self.change(|state| state.pulled = pulled);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        match (state.powered && !state.pulled, self.cable.is_cut()) {
            (true, true) => self.cable.mend(),
            (false, false) => self.cable.cut(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Plug;
    use crate::network::Cable;

    #[test]
    fn a_pulled_cable_stays_pulled_over_a_restart() {
        let cable = Cable::new([127, 62, 0, 1].into());
        let plug = Plug::new(cable.clone());
        assert!(cable.is_cut());
        plug.power(true);
        assert!(!cable.is_cut());
        plug.pull(true);
        plug.power(false);
        plug.power(true);
        assert!(cable.is_cut());
        plug.pull(false);
        assert!(!cable.is_cut());
    }
}
