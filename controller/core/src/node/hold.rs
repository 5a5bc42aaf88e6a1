//! What keeps a node from taking leases or from being wiped.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a node takes no new lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HoldKind {
    /// An administrator wants it free.
    Drain,
    /// It failed.
    Quarantine,
    /// Its disks have data that nobody has agreed to lose.
    AwaitingFirstWipe,
    /// What was powered and what was seen are different machines.
    Miswired,
}

impl HoldKind {
    /// The words in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Quarantine => "quarantine",
            Self::AwaitingFirstWipe => "awaiting first wipe",
            Self::Miswired => "miswired",
        }
    }
}

/// A hold's author and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who put it there.
    pub author: String,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// Whether the first wipe of a node may begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirstWipe {
    /// Only of empty disks.
    Pending,
    /// An administrator agreed.
    Approved(String),
    /// It has happened; further ones need no agreement, unless of a disk that came later and is not empty.
    Done,
}
