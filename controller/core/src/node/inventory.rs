//! What agents find in machines, and how their disks fared.

use serde::{Deserialize, Serialize};

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
