//! The option sets of DHCP clients, as they were captured.

use super::super::machine::{Kind, Machine};
use super::packet::{DISCOVER, REQUEST};

/// A DHCP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The firmware itself.
    Firmware(Kind),
    /// iPXE, on a BIOS or UEFI machine of the x86 kinds.
    Ipxe(Kind),
}

impl Profile {
    /// The options of its DISCOVER and REQUEST, without message type and addresses.
    pub(super) fn options(self, message: u8, machine: &Machine, mac: [u8; 6]) -> Vec<(u8, Vec<u8>)> {
        match self {
            Self::Firmware(Kind::Slof) => slof(message),
            Self::Firmware(kind) => pxe(kind, machine),
            Self::Ipxe(kind) => ipxe(kind, machine, mac),
        }
    }

    /// True if it reads the boot file from option 67 before the field `file`.
    pub(super) fn prefers_options(self) -> bool {
        !matches!(self, Self::Firmware(Kind::Bios | Kind::Slof))
    }
}

/// What a PXE client says of itself: vendor class, architecture, network interface.
fn identity(kind: Kind) -> (&'static str, u16, [u8; 3]) {
    match kind {
        Kind::Bios => ("PXEClient:Arch:00000:UNDI:002001", 0x0000, [1, 2, 1]),
        Kind::UefiX86 => ("PXEClient:Arch:00007:UNDI:003000", 0x0007, [1, 3, 0]),
        Kind::UefiArm => ("PXEClient:Arch:00011:UNDI:003000", 0x000b, [1, 3, 0]),
        Kind::Slof => ("", 0x000c, [0, 0, 0]),
    }
}

/// RFC 4578 section 2.3: type 0 and the UUID.
fn machine_identifier(machine: &Machine) -> Vec<u8> {
    [&[0], machine.uuid.as_bytes().as_slice()].concat()
}

fn pxe(kind: Kind, machine: &Machine) -> Vec<(u8, Vec<u8>)> {
    let (class, architecture, interface) = identity(kind);
    let mut wanted = vec![1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43];
    wanted.extend([50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135]);
    vec![
        (57, 1472u16.to_be_bytes().to_vec()),
        (55, wanted),
        (97, machine_identifier(machine)),
        (94, interface.to_vec()),
        (93, architecture.to_be_bytes().to_vec()),
        (60, class.into()),
    ]
}

fn ipxe(kind: Kind, machine: &Machine, mac: [u8; 6]) -> Vec<(u8, Vec<u8>)> {
    let (class, architecture, interface) = identity(kind);
    // Version 1.21.1, a virtio interface on PCI, and what it can do: HTTP, DNS, TFTP, …
    let encapsulated = [
        &[0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0x00][..],
        &[0xeb, 3, 1, 21, 1],
        &[0x13, 1, 1, 0x17, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x1b, 1, 1, 0x12, 1, 1],
    ]
    .concat();
    let mut wanted = vec![1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119];
    wanted.extend([128, 129, 130, 131, 132, 133, 134, 135, 175, 203]);
    vec![
        (57, 1472u16.to_be_bytes().to_vec()),
        (93, architecture.to_be_bytes().to_vec()),
        (94, interface.to_vec()),
        (60, class.into()),
        (77, b"iPXE".to_vec()),
        (55, wanted),
        (175, encapsulated),
        (61, [&[1], mac.as_slice()].concat()),
        (97, machine_identifier(machine)),
    ]
}

/// Neither a vendor class nor, in its DISCOVER, an architecture.
fn slof(message: u8) -> Vec<(u8, Vec<u8>)> {
    match message {
        DISCOVER => vec![(57, 576u16.to_be_bytes().to_vec()), (55, vec![1, 3, 6, 12, 66, 67, 93])],
        REQUEST => vec![
            (57, 576u16.to_be_bytes().to_vec()),
            (55, vec![1, 3, 6, 12, 66, 67, 93, 209, 210]),
            (93, 0x000cu16.to_be_bytes().to_vec()),
        ],
        _ => Vec::new(),
    }
}
