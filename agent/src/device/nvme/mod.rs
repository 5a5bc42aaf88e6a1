//! NVMe admin commands (NVM Express base specification 2.0).

pub(crate) mod erase;
pub(crate) mod identify;
pub(crate) mod log;

use super::error::EraseError;
use async_trait::async_trait;
use std::fmt;
use std::io;
use std::time::Duration;

/// An NVMe namespace, with the admin queue of its controller.
#[async_trait]
pub trait Nvme: Send + Sync + 'static {
    /// Which namespace of the controller this is.
    fn namespace(&self) -> u32;

    /// Has the controller do a command.
    ///
    /// # Errors
    /// If the command did not reach the controller or timed out. What the controller refuses is a status.
    async fn admin(&self, command: AdminCommand) -> io::Result<AdminAnswer>;
}

/// An admin command that sends no data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdminCommand {
    /// What to do.
    pub opcode: u8,
    /// The namespace that it concerns.
    pub namespace: u32,
    /// Command dwords 10 to 15.
    pub cdw10_to_15: [u32; 6],
    /// How many bytes the answer has at most.
    pub read: usize,
    /// How long it may take.
    pub timeout: Duration,
}

/// How an admin command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminAnswer {
    /// Zero for success.
    pub status: u16,
    /// What the device sent; may be shorter than asked for.
    pub data: Vec<u8>,
}

/// Status code type and status code of a command that was not a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

/// With the names of section 4.2.3 as far as they say something about erasing.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Above are "more" and "do not retry".
        let code = self.0 & 0x7ff;
        let name = match code {
            0x001 => "Invalid Command Opcode",
            0x002 => "Invalid Field in Command",
            0x006 => "Internal Error",
            0x00b => "Invalid Namespace or Format",
            0x00c => "Command Sequence Error",
            0x01c => "Sanitize Failed",
            0x01d => "Sanitize In Progress",
            0x020 => "Namespace is Write Protected",
            0x084 => "Format In Progress",
            0x109 => "Invalid Log Page",
            0x10a => "Invalid Format",
            0x10b | 0x110 | 0x111 => "a reset is needed to activate firmware",
            _ => return write!(f, "status {code:#05x}"),
        };
        write!(f, "status {code:#05x} ({name})")
    }
}

/// For what a controller answers at once.
const QUICK: Duration = Duration::from_secs(30);

const GET_LOG_PAGE: u8 = 0x02;
const IDENTIFY: u8 = 0x06;
const FORMAT: u8 = 0x80;
const SANITIZE: u8 = 0x84;

/// Concerns all namespaces, or the controller itself.
const ALL_NAMESPACES: u32 = u32::MAX;

/// Does a command and takes any status but success for an error.
async fn perform(
    device: &dyn Nvme,
    name: &'static str,
    command: AdminCommand,
) -> Result<Vec<u8>, EraseError> {
    let answer =
        device.admin(command).await.map_err(|source| EraseError::Transport { command: name, source })?;
    match answer.status {
        0 => Ok(answer.data),
        status => Err(EraseError::Nvme { command: name, status: Status(status) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_with_its_name_if_it_has_one() {
        // What QEMU answers to Sanitize: "do not retry" is set.
        assert_eq!(Status(0x4001).to_string(), "status 0x001 (Invalid Command Opcode)");
        assert_eq!(Status(0x2ff).to_string(), "status 0x2ff");
    }
}
