//! The command Identify (section 5.17) and what it says about erasing.

use super::{AdminCommand, IDENTIFY, Nvme, QUICK, perform};
use crate::device::bytes::{le16, le32, u8_at};
use crate::device::error::EraseError;
use crate::device::method::Action;

const SIZE: usize = 4096;

/// What to identify (CNS).
const NAMESPACE: u32 = 0x00;
const CONTROLLER: u32 = 0x01;
const ACTIVE_NAMESPACES: u32 = 0x02;
const ALLOCATED_NAMESPACES: u32 = 0x10;

/// The Identify Controller data structure.
pub(crate) struct Controller(Vec<u8>);

impl Controller {
    pub(crate) async fn of(device: &dyn Nvme) -> Result<Self, EraseError> {
        identify(device, "Identify Controller", CONTROLLER, 0).await.map(Self)
    }

    /// OACS bit 1.
    pub(crate) fn can_format(&self) -> bool {
        self.optional_commands() & 1 << 1 != 0
    }

    /// OACS bit 3.
    fn manages_namespaces(&self) -> bool {
        self.optional_commands() & 1 << 3 != 0
    }

    /// OACS, Optional Admin Command Support.
    fn optional_commands(&self) -> u16 {
        le16(&self.0, 256)
    }

    /// CMIC bit 1: there may be other controllers with namespaces of their own.
    fn is_one_of_several(&self) -> bool {
        u8_at(&self.0, 76) & 1 << 1 != 0
    }

    /// FNA bits 0 and 1: formatting, or erasing by it, concerns every namespace of the subsystem.
    pub(crate) fn format_erases_all(&self) -> bool {
        self.format_attributes() & 0b11 != 0
    }

    /// FNA bit 2.
    pub(crate) fn format_can_erase_crypto(&self) -> bool {
        self.format_attributes() & 1 << 2 != 0
    }

    /// FNA, Format NVM Attributes.
    fn format_attributes(&self) -> u8 {
        u8_at(&self.0, 524)
    }

    /// SANICAP, Sanitize Capabilities.
    pub(crate) fn can_sanitize(&self, action: Action) -> bool {
        let bit = match action {
            Action::Crypto => 0,
            Action::BlockErase => 1,
            Action::Overwrite => 2,
        };
        le32(&self.0, 328) & 1 << bit != 0
    }

    pub(crate) fn can_sanitize_somehow(&self) -> bool {
        [Action::BlockErase, Action::Crypto, Action::Overwrite]
            .map(|action| self.can_sanitize(action))
            .contains(&true)
    }
}

/// Whether a namespace is the only one of its NVM subsystem, as far as the controller tells.
pub(crate) async fn is_alone(device: &dyn Nvme, controller: &Controller) -> Result<bool, EraseError> {
    // The list of allocated namespaces covers the whole subsystem, that of active ones this controller.
    let list = if controller.manages_namespaces() {
        identify(device, "Identify, allocated namespaces", ALLOCATED_NAMESPACES, 0).await?
    } else if controller.is_one_of_several() {
        return Ok(false);
    } else {
        identify(device, "Identify, active namespaces", ACTIVE_NAMESPACES, 0).await?
    };
    // In ascending order and ended by a zero.
    Ok(le32(&list, 0) == device.namespace() && le32(&list, 4) == 0)
}

/// The format that a namespace has now, as Format NVM takes it in command dword 10, so that it keeps it.
pub(crate) async fn current_format(device: &dyn Nvme) -> Result<u32, EraseError> {
    let data = identify(device, "Identify Namespace", NAMESPACE, device.namespace()).await?;
    let (format, protection) = (u32::from(u8_at(&data, 26)), u32::from(u8_at(&data, 29)));
    let lower = format & 0xf;
    let metadata_at_end = (format >> 4 & 1) << 4;
    let upper = (format >> 5 & 0b11) << 12;
    let protection_type = (protection & 0b111) << 5;
    let protection_first = (protection >> 3 & 1) << 8;
    Ok(lower | metadata_at_end | protection_type | protection_first | upper)
}

async fn identify(
    device: &dyn Nvme,
    name: &'static str,
    what: u32,
    namespace: u32,
) -> Result<Vec<u8>, EraseError> {
    let command = AdminCommand {
        opcode: IDENTIFY,
        namespace,
        cdw10_to_15: [what, 0, 0, 0, 0, 0],
        read: SIZE,
        timeout: QUICK,
    };
    let data = perform(device, name, command).await?;
    if data.len() < SIZE {
        return Err(EraseError::Malformed { command: name, what: "shorter than 4096 bytes" });
    }
    Ok(data)
}
