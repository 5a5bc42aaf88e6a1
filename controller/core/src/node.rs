//! A node's life cycle.
//!
//! ```text
#![doc = include_str!("node_life_cycle.txt")]
//! ```

use crate::attempt::{Boot, EvidenceKind, Stage};
use crate::calendar::Outage;
use crate::hardware::{Arch, Firmware, Mac};
use crate::ids::{BmcId, LeaseId, NodeId};
use crate::record::Record;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// A machine as it is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Unique, a DNS label or name.
    pub name: String,
    /// Instruction set.
    pub arch: Arch,
    /// What starts it.
    pub firmware: Firmware,
    /// The named set of nodes that it belongs to.
    pub pool: String,
    /// Of the boot interface; unique.
    pub mac: Mac,
    /// Reserved for it; unique.
    pub address: Ipv4Addr,
    /// As its firmware reports it.
    pub serial: Option<String>,
    /// System UUID in canonical lower-case form.
    pub uuid: Option<String>,
    /// Serial numbers of disks that are never wiped.
    pub keep_disks: BTreeSet<String>,
    /// How a system that was just deployed is started.
    pub start: Start,
    /// Where it stands; none if nobody said.
    #[serde(default)]
    pub rack: Option<String>,
    /// The switch that its boot interface is cabled to; none if nobody said.
    #[serde(default)]
    pub switch: Option<String>,
    /// What people want to ask for and no inspection finds.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// How a system that was just deployed is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Its kernel is started by the ramdisk's: no firmware runs in between.
    #[default]
    Kexec,
    /// The machine is restarted, for adapters that do not survive kexec.
    Restart,
}

impl Start {
    /// The word in files and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kexec => "kexec",
            Self::Restart => "restart",
        }
    }
}

/// A management controller as it is registered. The core does not open the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcSpec {
    /// `host:port`; unique among BMCs.
    pub address: String,
    /// Account.
    pub user: String,
    /// Sealed by the shell.
    pub password: Sealed,
    /// RMCP+ cipher suite: 17 or 3.
    pub cipher_suite: u8,
    /// It serves several nodes.
    pub shared: bool,
}

/// A secret that only the shell can open.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// A management controller: an entity of its own since one may serve several nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bmc {
    /// Its id.
    pub id: BmcId,
    /// How to reach it.
    pub spec: BmcSpec,
}

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

impl Node {
    /// The present boot, if it is `boot`.
    #[must_use]
    pub fn current(&self, boot: crate::ids::BootId) -> Option<&Boot> {
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

/// What an agent found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// System serial number; empty if the firmware has none.
    pub serial: String,
    /// System UUID, lower case; empty if the firmware has none.
    pub uuid: String,
    /// Maker.
    pub manufacturer: String,
    /// Model.
    pub product: String,
    /// Logical processors.
    pub cpus: u32,
    /// Cores of all processors together; 0 if unknown.
    #[serde(default)]
    pub cpu_cores: u32,
    /// Packages; 0 if unknown.
    #[serde(default)]
    pub cpu_sockets: u32,
    /// As the processor calls itself; empty if it does not.
    #[serde(default)]
    pub cpu_model: String,
    /// Bytes.
    pub memory_bytes: u64,
    /// Block devices.
    pub disks: Vec<Disk>,
    /// Network interfaces.
    pub nics: Vec<Nic>,
    /// What started it: "bios", "uefi" or "openfirmware"; empty if unknown.
    pub firmware: String,
    /// The management controller that the machine itself reaches, for people; empty without one.
    pub bmc: String,
}

impl Inventory {
    /// The disks that are this machine's alone: what is reached by several paths or over a network may be others' too.
    pub fn own_disks(&self) -> impl Iterator<Item = &Disk> {
        self.disks.iter().filter(|disk| !disk.remote)
    }
}

/// A block device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Device path.
    pub path: String,
    /// Serial number.
    pub serial: String,
    /// Model.
    pub model: String,
    /// Bytes.
    pub size_bytes: u64,
    /// True for spinning disks.
    pub rotational: bool,
    /// True if only zeros were found where data would be.
    pub blank: bool,
    /// Reached over a network or by several paths.
    pub remote: bool,
    /// What the disk says of itself: "ok", or what is wrong; empty if it does not tell.
    pub health: String,
}

/// How one disk was wiped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskWipe {
    /// Serial number, as inspected.
    pub serial: String,
    /// Device path, as inspected.
    pub path: String,
    /// The last method that was tried.
    pub method: String,
    /// What was read back was all zero.
    pub verified: bool,
    /// How much was read back.
    pub verified_bytes: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Why it is not verified; empty if it is.
    pub problem: String,
    /// What was noticed before a method worked, of a disk that is verified; empty if nothing.
    #[serde(default)]
    pub notes: String,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The kernel's name.
    pub name: String,
    /// Ethernet address, as text.
    pub mac: String,
    /// Link seen.
    pub link: bool,
    /// Megabits per second.
    pub speed_mbps: u32,
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
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/node_life_cycle.txt"), &diagram)
                .unwrap();
        }
        assert_eq!(diagram, include_str!("node_life_cycle.txt"), "run again with UPDATE_DIAGRAMS=1");
    }
}
