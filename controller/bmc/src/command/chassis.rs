//! Power.

use super::{Command, Repeat, done};
use ipmi_rs_core::connection::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Section 28.2.
#[derive(Clone, Copy, Debug)]
pub struct GetChassisStatus;

/// The state of the chassis, as far as decisions depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChassisStatus {
    /// True while the system has power (S0 or S1).
    pub power_on: bool,
    /// True after a fault in the main power supply.
    pub power_fault: bool,
    /// True if power was cut because of a fault.
    pub power_overload: bool,
    /// True if the last power-on was ordered through the controller.
    pub powered_on_by_command: bool,
}

impl From<GetChassisStatus> for Message {
    fn from(_: GetChassisStatus) -> Self {
        Self::new_request(NetFn::Chassis, 0x01, Vec::new())
    }
}

impl IpmiCommand for GetChassisStatus {
    type Output = ChassisStatus;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<ChassisStatus, NotEnoughData> {
        let [power, last_event, ..] = data else { return Err(NotEnoughData) };
        Ok(ChassisStatus {
            power_on: power & 0x01 != 0,
            power_overload: power & 0x02 != 0,
            power_fault: power & 0x08 != 0,
            powered_on_by_command: last_event & 0x10 != 0,
        })
    }
}

impl Command for GetChassisStatus {
    const NAME: &'static str = "Get Chassis Status";
}

/// Section 28.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChassisControl {
    /// Power off, at once.
    PowerOff,
    /// Power on.
    PowerOn,
    /// Power off, for at least a second, and on again.
    PowerCycle,
    /// Reset without loss of power.
    HardReset,
    /// Ask the operating system to shut down.
    SoftShutdown,
}

impl ChassisControl {
    /// The number that it is known by.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::PowerOff => 0,
            Self::PowerOn => 1,
            Self::PowerCycle => 2,
            Self::HardReset => 3,
            Self::SoftShutdown => 5,
        }
    }

    /// The one with the number in the lower four bits.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code & 0x0f {
            0 => Some(Self::PowerOff),
            1 => Some(Self::PowerOn),
            2 => Some(Self::PowerCycle),
            3 => Some(Self::HardReset),
            5 => Some(Self::SoftShutdown),
            _ => None,
        }
    }
}

impl From<ChassisControl> for Message {
    fn from(control: ChassisControl) -> Self {
        Self::new_request(NetFn::Chassis, 0x02, vec![control.code()])
    }
}

impl IpmiCommand for ChassisControl {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<(), NotEnoughData> {
        done(data)
    }
}

impl Command for ChassisControl {
    const NAME: &'static str = "Chassis Control";

    fn repeat(&self) -> Repeat {
        match self {
            Self::PowerOff | Self::PowerOn | Self::SoftShutdown => Repeat::InARow,
            Self::PowerCycle | Self::HardReset => Repeat::Never,
        }
    }
}
