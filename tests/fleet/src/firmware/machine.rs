//! What firmware knows of its machine.

use std::time::Duration;

/// Takes the lines that firmware prints.
pub type Console<'a> = dyn Fn(&str) + Send + Sync + 'a;

/// A kind of firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// x86-64 with a BIOS and a PXE ROM.
    Bios,
    /// x86-64 with UEFI.
    UefiX86,
    /// aarch64 with UEFI.
    UefiArm,
    /// ppc64le with Open Firmware.
    Slof,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bios, Self::UefiX86, Self::UefiArm, Self::Slof];
}

/// The machine as its firmware sees it.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Its firmware.
    pub kind: Kind,
    /// The system UUID in its SMBIOS or device tree.
    pub uuid: uuid::Uuid,
    /// True if the first local disk holds a boot loader.
    pub bootable_disk: bool,
    /// How patient it is.
    pub timing: Timing,
}

impl Machine {
    /// A machine with an empty disk and the patience of real firmware.
    #[must_use]
    pub fn new(kind: Kind, uuid: uuid::Uuid) -> Self {
        Self { kind, uuid, bootable_disk: false, timing: Timing::default() }
    }
}

/// How long firmware waits before it asks again, or gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The power-on self test, before anything is asked of the network. Real machines take minutes.
    pub self_test: Duration,
    /// For an answer to each DISCOVER or REQUEST; there is one for each entry.
    pub dhcp: [Duration; 4],
    /// For a TFTP packet, before the last one is sent again.
    pub tftp: Duration,
    /// How often a TFTP packet is sent again.
    pub tftp_retries: u32,
    /// For progress of an HTTP transfer.
    pub http: Duration,
}

impl Default for Timing {
    /// As the PXE specification has it (2.1, section 2.2.3), and EDK2.
    fn default() -> Self {
        Self {
            self_test: Duration::from_millis(200),
            dhcp: [4, 8, 16, 32].map(Duration::from_secs),
            tftp: Duration::from_secs(4),
            tftp_retries: 6,
            http: Duration::from_secs(60),
        }
    }
}
