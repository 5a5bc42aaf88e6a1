//! Where the firmware looks for something to boot (sections 28.12 to 28.14).

use super::{Command, done};
use ipmi_rs_core::connection::{IpmiCommand, Message, NetFn, NotEnoughData};

const SET: u8 = 0x08;
const GET: u8 = 0x09;
/// Boot option parameters.
const BOOT_INFO_ACKNOWLEDGE: u8 = 4;
const BOOT_FLAGS: u8 = 5;

/// What the firmware is to boot from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootDevice {
    /// As set up in the firmware.
    #[default]
    None,
    /// The network.
    Network,
    /// The first local disk.
    Disk,
    /// Anything else that can be asked for: four bits.
    Other(u8),
}

/// An order to the firmware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootFlags {
    /// Where to look.
    pub device: BootDevice,
    /// True for a boot by UEFI, false for one by PC BIOS. Firmware that is neither does not look.
    pub uefi: bool,
    /// True for all boots to come, false for the next one.
    pub persistent: bool,
}

impl BootDevice {
    const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Network => 1,
            Self::Disk => 2,
            Self::Other(code) => code & 0x0f,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code & 0x0f {
            0 => Self::None,
            1 => Self::Network,
            2 => Self::Disk,
            other => Self::Other(other),
        }
    }
}

impl BootFlags {
    const VALID: u8 = 0x80;
    const PERSISTENT: u8 = 0x40;
    const UEFI: u8 = 0x20;

    /// As boot option parameter 5.
    #[must_use]
    pub const fn encode(self) -> [u8; 5] {
        let persistent = if self.persistent { Self::PERSISTENT } else { 0 };
        let uefi = if self.uefi { Self::UEFI } else { 0 };
        [Self::VALID | persistent | uefi, self.device.code() << 2, 0, 0, 0]
    }

    /// Reads boot option parameter 5. `None` if it is not marked as valid: the firmware has used it up, or the
    /// controller never kept it.
    #[must_use]
    pub const fn decode(parameter: [u8; 5]) -> Option<Self> {
        let [flags, device, ..] = parameter;
        if flags & Self::VALID == 0 {
            return None;
        }
        Some(Self {
            device: BootDevice::from_code(device >> 2),
            uefi: flags & Self::UEFI != 0,
            persistent: flags & Self::PERSISTENT != 0,
        })
    }
}

/// Orders a boot device.
#[derive(Clone, Copy, Debug)]
pub struct SetBootFlags(pub BootFlags);

impl From<SetBootFlags> for Message {
    fn from(SetBootFlags(flags): SetBootFlags) -> Self {
        let mut data = vec![BOOT_FLAGS];
        data.extend(flags.encode());
        Self::new_request(NetFn::Chassis, SET, data)
    }
}

impl IpmiCommand for SetBootFlags {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<(), NotEnoughData> {
        done(data)
    }
}

impl Command for SetBootFlags {
    const NAME: &'static str = "Set System Boot Options (boot flags)";
}

/// Says that no firmware has handled the order yet; without it, some firmware takes a new order for an old one.
#[derive(Clone, Copy, Debug)]
pub struct AcknowledgeBootInfo;

impl From<AcknowledgeBootInfo> for Message {
    fn from(_: AcknowledgeBootInfo) -> Self {
        // Write mask and value: clear the mark of the BIOS.
        Self::new_request(NetFn::Chassis, SET, vec![BOOT_INFO_ACKNOWLEDGE, 0x01, 0x01])
    }
}

impl IpmiCommand for AcknowledgeBootInfo {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<(), NotEnoughData> {
        done(data)
    }
}

impl Command for AcknowledgeBootInfo {
    const NAME: &'static str = "Set System Boot Options (boot info acknowledge)";
}

/// Reads the order back.
#[derive(Clone, Copy, Debug)]
pub struct GetBootFlags;

impl From<GetBootFlags> for Message {
    fn from(_: GetBootFlags) -> Self {
        Self::new_request(NetFn::Chassis, GET, vec![BOOT_FLAGS, 0, 0])
    }
}

impl IpmiCommand for GetBootFlags {
    type Output = Option<BootFlags>;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Option<BootFlags>, NotEnoughData> {
        let [_version, parameter, rest @ ..] = data else { return Err(NotEnoughData) };
        // The highest bit says that the parameter is locked or invalid.
        let Some(flags) = rest.first_chunk() else { return Err(NotEnoughData) };
        Ok(if parameter & 0x80 == 0 { BootFlags::decode(*flags) } else { None })
    }
}

impl Command for GetBootFlags {
    const NAME: &'static str = "Get System Boot Options (boot flags)";
}

#[cfg(test)]
mod tests {
    use super::{BootDevice, BootFlags};

    #[test]
    fn boot_flags_are_those_that_other_programs_send() {
        let flags = |device, uefi, persistent| BootFlags { device, uefi, persistent }.encode();
        // ipmitool chassis bootdev pxe; the same with options=efiboot,persistent; chassis bootdev disk
        assert_eq!(flags(BootDevice::Network, false, false), [0x80, 0x04, 0, 0, 0]);
        assert_eq!(flags(BootDevice::Network, true, true), [0xe0, 0x04, 0, 0, 0]);
        assert_eq!(flags(BootDevice::Disk, false, false), [0x80, 0x08, 0, 0, 0]);
    }

    #[test]
    fn flags_that_are_not_valid_are_no_order() {
        assert_eq!(BootFlags::decode([0x00, 0x04, 0, 0, 0]), None);
        assert_eq!(
            BootFlags::decode([0xa0, 0x0c << 2, 0, 0, 0]),
            Some(BootFlags { device: BootDevice::Other(0x0c), uefi: true, persistent: false })
        );
    }
}
