//! Where a node is in its life, and how it may go on.

use crate::attempt::Boot;
use crate::ids::LeaseId;
use serde::{Deserialize, Serialize};

/// Where a node is in its life. Each variant carries what is valid in it and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// Known, never looked at.
    Registered,
    /// Booted to see what it is.
    Inspecting {
        /// The boot in which this happens.
        boot: Box<Boot>,
    },
    /// Being wiped.
    Cleaning {
        /// The boot in which this happens.
        boot: Box<Boot>,
        /// The lease that it still counts as part of.
        lease: Option<LeaseId>,
    },
    /// Wiped and free.
    Ready {
        /// The boot in which it was wiped, or with which it was powered off since.
        boot: Box<Boot>,
    },
    /// Being provisioned for a lease.
    Deploying {
        /// The boot in which this happens.
        boot: Box<Boot>,
        /// For which lease.
        lease: LeaseId,
    },
    /// In a tenant's hands.
    Leased {
        /// The boot in which it was deployed.
        boot: Box<Boot>,
        /// Whose.
        lease: LeaseId,
    },
    /// Given up, until an administrator repairs it.
    Failed {
        /// What did not succeed.
        step: String,
        /// What was seen.
        evidence: String,
    },
    /// Out of service for good.
    Retired,
}

/// A state without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateName {
    /// See [`NodeState::Registered`].
    Registered,
    /// See [`NodeState::Inspecting`].
    Inspecting,
    /// See [`NodeState::Cleaning`].
    Cleaning,
    /// See [`NodeState::Ready`].
    Ready,
    /// See [`NodeState::Deploying`].
    Deploying,
    /// See [`NodeState::Leased`].
    Leased,
    /// See [`NodeState::Failed`].
    Failed,
    /// See [`NodeState::Retired`].
    Retired,
}

/// The legal transitions and what causes them. Nothing else happens to a node.
pub const TRANSITIONS: &[(StateName, StateName, &str)] = {
    use StateName::{Cleaning, Deploying, Failed, Inspecting, Leased, Ready, Registered, Retired};
    &[
        (Registered, Inspecting, "registered: first boot is ordered"),
        (Inspecting, Cleaning, "identity agrees with the registration"),
        (Cleaning, Ready, "wipe verified"),
        (Ready, Deploying, "assigned to a group"),
        (Deploying, Leased, "agent of the deployed system said hello"),
        (Deploying, Cleaning, "lease ended, or its group was dissolved"),
        (Leased, Cleaning, "lease ended, or it was given back as broken"),
        (Inspecting, Failed, "ladder exhausted"),
        (Cleaning, Failed, "ladder exhausted"),
        (Deploying, Failed, "ladder exhausted"),
        (Inspecting, Inspecting, "repair, or its registration changed"),
        (Cleaning, Inspecting, "its registration changed"),
        (Ready, Inspecting, "repair, its registration changed, or to be warm or fresh"),
        (Failed, Inspecting, "repair"),
        (Registered, Retired, "retire"),
        (Inspecting, Retired, "retire"),
        (Cleaning, Retired, "retire"),
        (Ready, Retired, "retire"),
        (Failed, Retired, "retire"),
    ]
};

impl StateName {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Inspecting => "inspecting",
            Self::Cleaning => "cleaning",
            Self::Ready => "ready",
            Self::Deploying => "deploying",
            Self::Leased => "leased",
            Self::Failed => "failed",
            Self::Retired => "retired",
        }
    }

    /// True if [`TRANSITIONS`] has it.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        TRANSITIONS.iter().any(|&(from, to, _)| from == self && to == next)
    }
}

impl NodeState {
    /// The state without what it carries.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Registered => StateName::Registered,
            Self::Inspecting { .. } => StateName::Inspecting,
            Self::Cleaning { .. } => StateName::Cleaning,
            Self::Ready { .. } => StateName::Ready,
            Self::Deploying { .. } => StateName::Deploying,
            Self::Leased { .. } => StateName::Leased,
            Self::Failed { .. } => StateName::Failed,
            Self::Retired => StateName::Retired,
        }
    }

    /// The present boot.
    #[must_use]
    pub fn boot(&self) -> Option<&Boot> {
        match self {
            Self::Inspecting { boot }
            | Self::Cleaning { boot, .. }
            | Self::Ready { boot }
            | Self::Deploying { boot, .. }
            | Self::Leased { boot, .. } => Some(boot),
            Self::Registered | Self::Failed { .. } | Self::Retired => None,
        }
    }

    /// The present boot.
    pub(crate) fn boot_mut(&mut self) -> Option<&mut Boot> {
        match self {
            Self::Inspecting { boot }
            | Self::Cleaning { boot, .. }
            | Self::Ready { boot }
            | Self::Deploying { boot, .. }
            | Self::Leased { boot, .. } => Some(boot),
            Self::Registered | Self::Failed { .. } | Self::Retired => None,
        }
    }

    /// The lease that the node is part of.
    #[must_use]
    pub const fn lease(&self) -> Option<LeaseId> {
        match self {
            Self::Cleaning { lease, .. } => *lease,
            Self::Deploying { lease, .. } | Self::Leased { lease, .. } => Some(*lease),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// The diagram in the documentation is generated from [`TRANSITIONS`].
    #[test]
    fn the_diagram_equals_the_table() {
        let mut diagram = String::new();
        for (from, to, cause) in TRANSITIONS {
            writeln!(diagram, "{:<10} -> {:<10}  {cause}", from.as_str(), to.as_str()).unwrap();
        }
        if std::env::var_os("UPDATE_DIAGRAMS").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/node/life_cycle.txt"), &diagram)
                .unwrap();
        }
        assert_eq!(diagram, include_str!("life_cycle.txt"), "run again with UPDATE_DIAGRAMS=1");
    }
}
