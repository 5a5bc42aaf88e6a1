//! A node's life cycle.
//!
//! ```text
#![doc = include_str!("life_cycle.txt")]
//! ```
//!
//! * [`NodeState`]: where it is, with what is valid there. [`Hold`]: what keeps it from leases.
//! * [`NodeSpec`], [`BmcSpec`]: what an administrator says of it. [`Inventory`]: what its agent finds.

mod hold;
mod inventory;
mod spec;
mod state;

pub use hold::{FirstWipe, Hold, HoldKind};
pub use inventory::{Disk, DiskWipe, Inventory, Nic};
pub use spec::{Bmc, BmcSpec, NodeSpec, Sealed, Start};
pub use state::{NodeState, StateName, TRANSITIONS};

use crate::attempt::{Boot, EvidenceKind, Stage};
use crate::calendar::Outage;
use crate::ids::{BmcId, BootId, LeaseId, NodeId};
use crate::record::Record;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// As registered.
    pub spec: NodeSpec,
    /// Its management controller.
    pub bmc: BmcId,
    /// Where it is in its life.
    pub state: NodeState,
    /// Since when.
    pub since: Timestamp,
    /// When the present wait is given up.
    pub deadline: Option<Timestamp>,
    /// Why it takes no new lease.
    pub holds: BTreeMap<HoldKind, Hold>,
    /// As last inspected.
    pub inventory: Option<Inventory>,
    /// Whether its disks may be wiped without asking.
    pub first_wipe: FirstWipe,
    /// The disks of its last verified wipe, by serial number or, where one has none, by path.
    pub wiped: BTreeSet<String>,
    /// How its disks fared in its last wipe that was reported, verified or not.
    pub last_wipe: Vec<DiskWipe>,
    /// Whether its agent is heard.
    pub agent: Presence,
    /// When its firmware asked for a boot program while none was ordered, as last told.
    pub unexpected_boot: Option<Timestamp>,
    /// The last lease that ended on it, and when it was given back: everything before this moment is a former
    /// tenant's.
    pub vacated: Option<(LeaseId, Timestamp)>,
    /// How long its last deployments and cleanings took.
    #[serde(default)]
    pub took: Took,
    /// What its failures and proofs say of it.
    #[serde(default)]
    pub record: Record,
    /// A drain with times, announced or in force.
    #[serde(default)]
    pub outage: Option<Outage>,
    /// So many bytes at the beginning of its disks may be of images that were written ahead since it was wiped.
    #[serde(default)]
    pub leftover_bytes: u64,
}

impl Node {
    /// The present boot, if it is `boot`.
    #[must_use]
    pub fn current(&self, boot: BootId) -> Option<&Boot> {
        self.state.boot().filter(|b| b.id == boot)
    }

    /// True if a group may be given this node now.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self.state, NodeState::Ready { .. }) && self.holds.is_empty()
    }

    /// True while it is in a tenant's hands and the agent that is expected is that of its deployed system.
    #[must_use]
    pub fn runs_deployed_system(&self) -> bool {
        matches!(&self.state, NodeState::Leased { boot, .. } if boot.stage == Stage::Deployed)
    }

    /// True unless it is out of service for good.
    #[must_use]
    pub const fn in_service(&self) -> bool {
        !matches!(self.state, NodeState::Retired)
    }

    fn was_vacated_at(&self, moment: Timestamp) -> bool {
        self.vacated.is_some_and(|(_, at)| at == moment)
    }

    pub(crate) fn enter(&mut self, state: NodeState, now: Timestamp, deadline: Option<Timestamp>) {
        debug_assert!(
            self.state.name().may_become(state.name()),
            "{} may not become {}",
            self.state.name().as_str(),
            state.name().as_str()
        );
        let took_ms = now.0.saturating_sub(self.since.0);
        match (&self.state, &state) {
            (NodeState::Deploying { .. }, NodeState::Leased { .. }) => self.took.deployed(took_ms),
            // A first wipe may have waited for somebody's approval, and a proof is no part of cleaning.
            (NodeState::Cleaning { boot, .. }, NodeState::Ready { .. })
                if self.was_vacated_at(self.since) && boot.seen(EvidenceKind::Proved).is_none() =>
            {
                self.took.cleaned(took_ms);
            }
            _ => {}
        }
        self.state = state;
        self.since = now;
        self.deadline = deadline;
    }
}

/// How long a machine's last deployments and cleanings took, in milliseconds, the latest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// From the order to the deployed system's agent.
    pub deployed_ms: Vec<u64>,
    /// From the end of a lease to the verified wipe.
    pub cleaned_ms: Vec<u64>,
}

impl Took {
    /// So many are remembered.
    const REMEMBERED: usize = 5;

    fn deployed(&mut self, took_ms: u64) {
        Self::note(&mut self.deployed_ms, took_ms);
    }

    fn cleaned(&mut self, took_ms: u64) {
        Self::note(&mut self.cleaned_ms, took_ms);
    }

    fn note(times: &mut Vec<u64>, took_ms: u64) {
        if times.len() == Self::REMEMBERED {
            times.remove(0);
        }
        times.push(took_ms);
    }
}

/// Whether a node's agent is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// None is heard yet: none is expected, or that of a deployed system has not spoken since its machine or the
    /// controller restarted.
    Absent,
    /// It is heard.
    Heard,
    /// It was heard, and is not any more.
    Silent {
        /// Since when; or since the start of the controller or the end of its pool's silence, if it was silent then.
        since: Timestamp,
    },
}
