//! Who the machines of a room are.

use crate::dice::Dice;
use crate::firmware::Kind;
use hostler_bmc::CipherSuite;
use std::net::{Ipv4Addr, SocketAddrV4};
use uuid::Uuid;

/// Of twelve machines four are x86-64 with a BIOS, three with UEFI, three aarch64 and two POWER.
const MIX: [Kind; 12] = [
    Kind::Bios,
    Kind::UefiX86,
    Kind::UefiArm,
    Kind::Slof,
    Kind::Bios,
    Kind::UefiX86,
    Kind::UefiArm,
    Kind::Bios,
    Kind::UefiX86,
    Kind::UefiArm,
    Kind::Slof,
    Kind::Bios,
];

/// Machines in a rack.
const RACK: usize = 20;

/// Machines that a room can have: their addresses are in one /16.
pub const MAX_MACHINES: usize = 10_000;

/// One machine as its maker and its administrator know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachinePlan {
    /// "r1-n01": rack and place.
    pub name: String,
    /// Firmware, and with it the architecture.
    pub kind: Kind,
    /// Logical processors: machines differ in what can be asked for.
    pub cpus: u32,
    /// Of the interface that it boots from.
    pub mac: [u8; 6],
    /// The one that DHCP is to give it, and the only one that it sends from.
    pub address: Ipv4Addr,
    /// As the firmware tells.
    pub serial: String,
    /// As the firmware tells.
    pub uuid: Uuid,
    /// As its controller tells: the UUID in one of the orders that makers think right.
    pub guid: [u8; 16],
    /// Where its controller is to answer; port 0 for any.
    pub bmc: SocketAddrV4,
    /// Of its controller.
    pub user: String,
    /// Of its controller.
    pub password: String,
    /// How to speak to its controller.
    pub suite: CipherSuite,
}

/// Machines numbered from 0, at 127.`block`.x.y with their controllers at 127.`block + 1`.x.y. The same seed gives
/// the same machines, and a larger room begins with those of a smaller one.
#[must_use]
pub fn plan(machines: usize, seed: u64, block: u8, bmc_port: u16) -> Vec<MachinePlan> {
    (0..machines.min(MAX_MACHINES)).map(|number| machine(number, seed, block, bmc_port)).collect()
}

fn machine(number: usize, seed: u64, block: u8, bmc_port: u16) -> MachinePlan {
    let mut dice = Dice::new(seed.rotate_left(20) ^ number as u64);
    // Below MAX_MACHINES, so both fit a byte.
    let (row, column) = ((number / 250) as u8, (number % 250) as u8 + 1);
    let uuid = uuid::Builder::from_random_bytes(dice.bytes()).into_uuid();
    let [_, _, _, batch] = seed.to_be_bytes().last_chunk().copied().unwrap_or_default();
    MachinePlan {
        name: format!("r{}-n{:02}", number / RACK + 1, number % RACK + 1),
        kind: MIX[number % MIX.len()],
        cpus: 4 << (number % 3),
        mac: [0x52, 0x54, 0x00, batch, row, column],
        address: Ipv4Addr::new(127, block, row, column),
        serial: format!("SIM{number:05}{}", dice.text(4).to_uppercase()),
        uuid,
        guid: in_some_order(uuid, dice.roll()),
        bmc: SocketAddrV4::new(Ipv4Addr::new(127, block.wrapping_add(1), row, column), bmc_port),
        user: "admin".to_owned(),
        password: dice.text(16),
        suite: if dice.roll().is_multiple_of(3) {
            CipherSuite::Aes128Sha1
        } else {
            CipherSuite::Aes128Sha256
        },
    }
}

/// As it is, as SMBIOS has it, or last byte first as the IPMI specification has it.
fn in_some_order(uuid: Uuid, order: u64) -> [u8; 16] {
    match order % 3 {
        0 => *uuid.as_bytes(),
        1 => uuid.to_bytes_le(),
        _ => {
            let mut reversed = *uuid.as_bytes();
            reversed.reverse();
            reversed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn twelve_machines_are_a_sensible_mix() {
        let machines = plan(12, 1, 16, 0);
        let count = |kind| machines.iter().filter(|machine| machine.kind == kind).count();
        assert_eq!(Kind::ALL.map(count), [4, 3, 3, 2]);
        let suites: BTreeSet<_> = machines.iter().map(|machine| machine.suite).collect();
        assert_eq!(suites.len(), 2);
    }

    #[test]
    fn no_two_machines_are_alike() {
        let machines = plan(MAX_MACHINES, 7, 16, 6230);
        let different = |of: fn(&MachinePlan) -> String| {
            assert_eq!(machines.iter().map(of).collect::<BTreeSet<_>>().len(), MAX_MACHINES);
        };
        different(|machine| machine.name.clone());
        different(|machine| machine.serial.clone());
        different(|machine| machine.uuid.to_string());
        different(|machine| format!("{:?}", machine.mac));
        different(|machine| machine.address.to_string());
        different(|machine| machine.bmc.to_string());
        different(|machine| machine.password.clone());
    }

    #[test]
    fn the_same_seed_gives_the_same_machines_in_a_room_of_any_size() {
        assert_eq!(plan(5, 3, 16, 0), plan(50, 3, 16, 0)[..5]);
        assert_ne!(plan(5, 3, 16, 0), plan(5, 4, 16, 0));
    }
}
