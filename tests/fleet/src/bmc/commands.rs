//! What a session may ask.

use super::boot_options::BootOptions;
use super::config::BmcConfig;
use super::discovery;
use super::faults::Faults;
use super::journal::Journal;
use super::slots::Active;
use crate::chassis::Chassis;
use hostler_bmc::packet::LanRequest;
use hostler_bmc::{ChassisControl, Privilege};

/// The data of a response, or its completion code.
pub(super) type Reply = Result<Vec<u8>, u8>;

pub(super) const INVALID_COMMAND: u8 = 0xc1;
pub(super) const INVALID_DATA: u8 = 0xcc;
const INSUFFICIENT_PRIVILEGE: u8 = 0xd4;
const NOT_IN_PRESENT_STATE: u8 = 0xd5;
const LEVEL_ABOVE_LIMIT: u8 = 0x81;
const INVALID_SESSION: u8 = 0x87;

/// Network function and command.
mod code {
    pub(super) const GET_CHASSIS_STATUS: (u8, u8) = (0x00, 0x01);
    pub(super) const CHASSIS_CONTROL: (u8, u8) = (0x00, 0x02);
    pub(super) const SET_BOOT_OPTIONS: (u8, u8) = (0x00, 0x08);
    pub(super) const GET_BOOT_OPTIONS: (u8, u8) = (0x00, 0x09);
    pub(super) const GET_DEVICE_ID: (u8, u8) = (0x06, 0x01);
    pub(super) const COLD_RESET: (u8, u8) = (0x06, 0x02);
    pub(super) const SET_SESSION_PRIVILEGE: (u8, u8) = (0x06, 0x3b);
    pub(super) const CLOSE_SESSION: (u8, u8) = (0x06, 0x3c);
}

/// What becomes of the sessions after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aftermath {
    Nothing,
    CloseThis,
    CloseAll,
}

/// What commands act on.
pub(super) struct Board<'f> {
    pub(super) config: &'f BmcConfig,
    pub(super) faults: Faults,
    pub(super) journal: &'f Journal,
    pub(super) chassis: &'f Chassis,
    pub(super) boot_options: &'f mut BootOptions,
    /// Set by a command that ends sessions.
    pub(super) aftermath: Aftermath,
}

impl Board<'_> {
    /// Carries out `request` of the session that the controller calls `id`.
    pub(super) fn execute(&mut self, id: u32, session: &mut Active, request: &LanRequest) -> Reply {
        let command = (request.netfn, request.cmd);
        if session.privilege < required(command) {
            return Err(INSUFFICIENT_PRIVILEGE);
        }
        match command {
            code::GET_DEVICE_ID => Ok(device_id()),
            code::GET_CHASSIS_STATUS => Ok(self.chassis_status()),
            code::CHASSIS_CONTROL => self.chassis_control(&request.data),
            code::SET_BOOT_OPTIONS => {
                self.boot_options.set(&request.data, self.chassis, self.faults.drops_boot_device)
            }
            code::GET_BOOT_OPTIONS => self.boot_options.get(&request.data, self.chassis),
            code::SET_SESSION_PRIVILEGE => set_privilege(session, &request.data),
            code::CLOSE_SESSION => self.close(id, &request.data),
            code::COLD_RESET => {
                self.journal.write(|record| record.cold_resets += 1);
                self.aftermath = Aftermath::CloseAll;
                Ok(Vec::new())
            }
            _ => discovery::answer(self.config, self.faults, request),
        }
    }

    fn chassis_status(&self) -> Vec<u8> {
        const POLICY_UNKNOWN: u8 = 0x60;
        const ON_BY_COMMAND: u8 = 0x10;
        let on = self.chassis.power().on;
        vec![POLICY_UNKNOWN | u8::from(on), if on { ON_BY_COMMAND } else { 0 }, 0]
    }

    fn chassis_control(&self, data: &[u8]) -> Reply {
        let control = data.first().and_then(|code| ChassisControl::from_code(*code)).ok_or(INVALID_DATA)?;
        if self.faults.ignores_power {
            return Ok(Vec::new());
        }
        let on = self.chassis.power().on;
        match control {
            ChassisControl::PowerOn if !on => self.chassis.on(),
            ChassisControl::PowerOff if on => self.chassis.off(),
            // Already as wanted: nothing is carried out.
            ChassisControl::PowerOn | ChassisControl::PowerOff => return Ok(Vec::new()),
            ChassisControl::PowerCycle | ChassisControl::HardReset if on => self.chassis.restart(),
            ChassisControl::PowerCycle | ChassisControl::HardReset => return Err(NOT_IN_PRESENT_STATE),
            // A power button that the operating system does not listen to.
            ChassisControl::SoftShutdown => {}
        }
        self.journal.write(|record| record.act(control));
        Ok(Vec::new())
    }

    fn close(&mut self, own: u32, data: &[u8]) -> Reply {
        if data.first_chunk().copied().map(u32::from_le_bytes) != Some(own) {
            return Err(INVALID_SESSION);
        }
        self.journal.write(|record| record.closed_sessions += 1);
        self.aftermath = Aftermath::CloseThis;
        Ok(Vec::new())
    }
}

/// The level that a command takes (appendix G).
const fn required(command: (u8, u8)) -> Privilege {
    match command {
        code::CHASSIS_CONTROL | code::SET_BOOT_OPTIONS | code::GET_BOOT_OPTIONS => Privilege::Operator,
        code::COLD_RESET => Privilege::Administrator,
        _ => Privilege::User,
    }
}

/// Zero only asks.
fn set_privilege(session: &mut Active, data: &[u8]) -> Reply {
    let &[code] = data else { return Err(INVALID_DATA) };
    if code & 0x0f != 0 {
        let privilege = Privilege::from_code(code).ok_or(INVALID_DATA)?;
        if privilege > session.limit {
            return Err(LEVEL_ABOVE_LIMIT);
        }
        session.privilege = privilege;
    }
    Ok(vec![session.privilege.code()])
}

/// Device 20h, firmware 1.0, IPMI 2.0, chassis device, manufacturer and product without meaning.
fn device_id() -> Vec<u8> {
    vec![0x20, 0x01, 0x01, 0x00, 0x02, 0x80, 0x00, 0x00, 0x00, 0x01, 0x00]
}
