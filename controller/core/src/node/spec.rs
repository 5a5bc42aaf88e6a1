//! What an administrator says of a machine and of what manages it.

use crate::hardware::{Arch, Firmware, Mac};
use crate::ids::BmcId;
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
