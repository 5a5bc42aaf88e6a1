//! System boot options (sections 28.12 to 28.14): the boot flags, and the others as far as consoles expect them.

use super::commands::{INVALID_DATA, Reply};
use crate::chassis::{self, Chassis};
use hostler_bmc::{BootDevice, BootFlags};

const BOOT_FLAGS: u8 = 5;
const PARAMETER_NOT_SUPPORTED: u8 = 0x80;
const VERSION: u8 = 1;

/// What was set.
#[derive(Default)]
pub(super) struct BootOptions {
    flags: [u8; 5],
    set_in_progress: u8,
    acknowledge: [u8; 2],
}

impl BootOptions {
    pub(super) fn set(&mut self, data: &[u8], chassis: &Chassis, drops: bool) -> Reply {
        let [parameter, value @ ..] = data else { return Err(INVALID_DATA) };
        match (parameter & 0x7f, value) {
            (0, &[state]) => self.set_in_progress = state & 0x03,
            (4, &[mask, bits]) => self.acknowledge = [mask, bits],
            (BOOT_FLAGS, &[_, _, _, _, _]) if drops => {}
            (BOOT_FLAGS, &[a, b, c, d, e]) => {
                self.flags = [a, b, c, d, e];
                order(chassis, BootFlags::decode(self.flags));
            }
            (BOOT_FLAGS | 0 | 4, _) => return Err(INVALID_DATA),
            _ => return Err(PARAMETER_NOT_SUPPORTED),
        }
        Ok(Vec::new())
    }

    pub(super) fn get(&self, data: &[u8], chassis: &Chassis) -> Reply {
        let &[parameter, _set, _block] = data else { return Err(INVALID_DATA) };
        let parameter = parameter & 0x7f;
        let mut reply = vec![VERSION, parameter];
        match parameter {
            BOOT_FLAGS => reply.extend(self.present_flags(chassis)),
            0 => reply.push(self.set_in_progress),
            4 => reply.extend(self.acknowledge),
            _ => return Err(PARAMETER_NOT_SUPPORTED),
        }
        Ok(reply)
    }

    /// No longer marked as valid once the firmware has used them up.
    fn present_flags(&self, chassis: &Chassis) -> [u8; 5] {
        let [flags, rest @ ..] = self.flags;
        let [a, b, c, d] = rest;
        let used = chassis.power().boot_device == chassis::BootDevice::None;
        [if used { flags & 0x7f } else { flags }, a, b, c, d]
    }
}

fn order(chassis: &Chassis, flags: Option<BootFlags>) {
    let device = match flags.map(|flags| flags.device) {
        Some(BootDevice::Network) => chassis::BootDevice::Network,
        Some(BootDevice::Disk) => chassis::BootDevice::Disk,
        Some(BootDevice::None | BootDevice::Other(_)) | None => chassis::BootDevice::None,
    };
    chassis.set_boot_device(device, flags.is_some_and(|flags| flags.persistent));
}
