//! What machines say: management controllers and agents.

use crate::ids::RunId;
use crate::node::{DiskWipe, Inventory};
use crate::record::Check;
use crate::run::TaskResult;
use serde::{Deserialize, Serialize};

/// The two kinds of certificate that an agent may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// In the boot ramdisk.
    Ramdisk,
    /// In the deployed system; the tenant is root there.
    Tenant,
}

impl Profile {
    /// The word in certificates and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ramdisk => "ramdisk",
            Self::Tenant => "tenant",
        }
    }
}

/// What came back from a BMC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerResult {
    /// It said that it was done.
    Acknowledged {
        /// The BMC's system GUID as a lower-case UUID.
        guid: Option<String>,
        /// What was done, for people.
        detail: String,
    },
    /// It refused the account. Nothing more is tried, so that the account is not locked.
    Denied {
        /// For people.
        detail: String,
    },
    /// It refused or could not be reached before anything could have happened, or the outcome is unknown.
    Failed {
        /// For people.
        detail: String,
    },
}

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// It is there.
    Hello {
        /// Starts of its system within the boot.
        incarnation: u32,
        /// Runs that it knows.
        runs: Vec<RunId>,
        /// It knows how to burn a machine in.
        #[serde(default)]
        proves: bool,
    },
    /// It was silent for longer than the bound.
    Lost,
    /// It is heard again.
    Back,
    /// What the machine is.
    Inspected {
        /// Which order this answers.
        task: u64,
        /// What was found.
        inventory: Inventory,
    },
    /// Disks were wiped.
    Wiped {
        /// Which order this answers.
        task: u64,
        /// One for each disk.
        disks: Vec<DiskWipe>,
    },
    /// The machine was burnt in.
    Proved {
        /// Which order this answers.
        task: u64,
        /// How long that took, in milliseconds.
        took_ms: u64,
        /// What was checked.
        checks: Vec<Check>,
    },
    /// It wants a certificate for the deployed agent.
    SignRequest,
    /// The image is on the disk.
    Deployed {
        /// Which order this answers.
        task: u64,
        /// Digest of the bytes as received.
        sha256: String,
        /// Public ssh host keys of the deployed system.
        host_keys: Vec<String>,
    },
    /// An image is on the disk of a machine that nobody has.
    WrittenAhead {
        /// Which order this answers.
        task: u64,
        /// Digest of the bytes as received.
        sha256: String,
    },
    /// An order could not be carried out.
    Failed {
        /// Which order this answers.
        task: u64,
        /// For people.
        reason: String,
        /// Where the fault lies, as far as the agent can tell.
        blame: Blame,
    },
    /// A payload runs.
    RunStarted {
        /// Which.
        run: RunId,
    },
    /// A payload ended.
    RunFinished {
        /// Which.
        run: RunId,
        /// How.
        result: TaskResult,
    },
}

/// Where the fault of a failed order lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// In the machine or its surroundings: another try may help, or another machine.
    Machine,
    /// In the image: every machine would fail like this one.
    Image,
}
