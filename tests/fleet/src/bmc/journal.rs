//! What happened to a controller.

use hostler_bmc::ChassisControl;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// Older actions are only counted.
const KEPT_ACTIONS: usize = 256;

/// What is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Consoles that asked for a session; a repetition of the same request counts once.
    pub session_attempts: u64,
    /// Logins that ended with a wrong user, a wrong password, or a console that did not believe the controller.
    pub failed_authentications: u64,
    /// Sessions that became active.
    pub sessions: u64,
    /// Sessions that were closed by their console.
    pub closed_sessions: u64,
    /// Chassis Control commands that were carried out.
    pub power_actions: u64,
    /// Those that came last, oldest first.
    pub actions: VecDeque<ChassisControl>,
    /// Cold resets of the controller.
    pub cold_resets: u64,
}

impl Record {
    /// How often the machine was started or started anew.
    #[must_use]
    pub fn starts(&self) -> usize {
        use ChassisControl as C;
        self.actions.iter().filter(|a| matches!(a, C::PowerOn | C::PowerCycle | C::HardReset)).count()
    }

    pub(super) fn act(&mut self, action: ChassisControl) {
        self.power_actions += 1;
        self.actions.push_back(action);
        if self.actions.len() > KEPT_ACTIONS {
            self.actions.pop_front();
        }
    }
}

/// Shared between a controller, which writes, and whoever reads.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<watch::Sender<Record>>);

impl Journal {
    /// What was written so far.
    #[must_use]
    pub fn read(&self) -> Record {
        self.0.borrow().clone()
    }

    /// Follows what is written.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Record> {
        self.0.subscribe()
    }

    pub(super) fn write(&self, write: impl FnOnce(&mut Record)) {
        self.0.send_modify(write);
    }
}
