//! What a machine boots: one decision, rendered by every protocol.

use crate::attempt::{PowerOutcome, Stage};
use crate::hardware::{Arch, Firmware};
use crate::ids::BootId;
use crate::node::{Node, NodeState};
use serde::{Deserialize, Serialize};

/// What a machine that asks the network for its boot program gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BootPlan {
    /// The boot ramdisk, whose agent enrols for this boot.
    Ramdisk {
        /// The boot that it enrols for.
        boot: BootId,
        /// Which kernel and ramdisk.
        arch: Arch,
    },
    /// What is installed on the local disk.
    LocalDisk {
        /// The way to the disk differs with the firmware.
        firmware: Firmware,
    },
    /// Nothing now. The machine waits and asks again.
    Wait {
        /// For people: shown on the console.
        reason: String,
    },
}

/// What was seen of a boot by the boot server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NetworkEvidence {
    /// A DHCP message from its Ethernet address.
    Dhcp,
    /// A TFTP transfer to its address.
    Tftp,
    /// The boot script or GRUB configuration was rendered for it.
    Script,
    /// An HTTP transfer to its address.
    Http,
}

/// Decides what `node` boots. The only place that does: DHCP, TFTP, HTTP, iPXE and GRUB render what comes out of
/// here, so a boot loop is impossible by construction.
///
/// A machine that asks while its power attempt is unanswered may still be running the boot before; it waits. So does one
/// whose system was in memory only: what its disks hold is nobody's, and that it asks has it get a new boot.
#[must_use]
pub fn decide(node: &Node) -> BootPlan {
    let wait = |reason: &str| BootPlan::Wait { reason: reason.to_owned() };
    match &node.state {
        NodeState::Inspecting { boot }
        | NodeState::Cleaning { boot, .. }
        | NodeState::Deploying { boot, .. }
        | NodeState::Leased { boot, .. } => {
            if boot.stage >= Stage::Start && !boot.is_diskless() {
                BootPlan::LocalDisk { firmware: node.spec.firmware }
            } else if boot.power == PowerOutcome::Waiting {
                wait("this boot waits to be powered on")
            } else if boot.power == PowerOutcome::Outstanding {
                wait("the power command for this boot is not confirmed yet")
            } else if boot.key.is_some() {
                wait("this boot is in use already; a new one will be ordered")
            } else {
                BootPlan::Ramdisk { boot: boot.id, arch: node.spec.arch }
            }
        }
        NodeState::Registered => wait("registered, no boot was ordered yet"),
        NodeState::Ready { .. } => wait("ready, no boot was ordered"),
        NodeState::Failed { step, .. } => wait(&format!("{step} failed, an administrator must repair it")),
        NodeState::Retired => wait("retired"),
    }
}
