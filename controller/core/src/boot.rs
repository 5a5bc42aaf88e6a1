//! What a machine boots: one decision, rendered by every protocol.

use crate::hardware::{Arch, Firmware};
use crate::ids::BootId;
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
