//! What a machine does.

use std::fmt;

/// What runs on a machine at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing: it has no power.
    #[default]
    Off,
    /// The firmware, or a loader.
    Firmware,
    /// The agent in the boot ramdisk.
    Ramdisk,
    /// The agent of the deployed system.
    Deployed,
    /// Nothing, though it has power, until it is started anew.
    Dead {
        /// For people.
        reason: String,
    },
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Firmware => f.write_str("firmware"),
            Self::Ramdisk => f.write_str("ramdisk"),
            Self::Deployed => f.write_str("deployed"),
            Self::Dead { reason } => write!(f, "dead: {reason}"),
        }
    }
}
