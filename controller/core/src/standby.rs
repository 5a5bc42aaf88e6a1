//! What it costs to begin with a free machine.

use crate::attempt::{EvidenceKind, Purpose};
use crate::node::{Node, NodeState, Presence};

/// What it costs to begin with a free machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standby {
    /// Its agent waits in the ramdisk in which it was wiped: no firmware has to run to deploy an image.
    Warm,
    /// It has power, as far as is known, and has to boot.
    Cold,
    /// It was powered off, and has to boot.
    Off,
}

impl Standby {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
            Self::Off => "off",
        }
    }
}

impl Node {
    /// What it costs to begin with this machine, if it is wiped and nobody has it.
    #[must_use]
    pub fn standby(&self) -> Option<Standby> {
        let NodeState::Ready { boot } = &self.state else { return None };
        // Its firmware has run since: what was in memory is gone.
        let restarted = self.unexpected_boot.is_some_and(|at| at >= self.since);
        let waits = self.agent == Presence::Heard && boot.seen(EvidenceKind::Wiped).is_some() && !restarted;
        Some(match boot.purpose {
            Purpose::Rest => Standby::Off,
            Purpose::Prepare if waits => Standby::Warm,
            _ => Standby::Cold,
        })
    }

    /// True if its agent waits in the ramdisk in which it was wiped.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.standby() == Some(Standby::Warm)
    }
}
