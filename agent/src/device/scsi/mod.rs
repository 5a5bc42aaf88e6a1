//! SCSI commands (SPC-5 and SBC-4 of T10).

pub(crate) mod health;
pub(crate) mod inquiry;
pub(crate) mod sanitize;
mod sense;

pub(crate) use sense::descriptor;
pub use sense::{Refusal, Sense};

use super::error::EraseError;
use async_trait::async_trait;
use std::io;
use std::time::Duration;

/// A SCSI device.
#[async_trait]
pub trait Scsi: Send + Sync + 'static {
    /// Has the device do a command.
    ///
    /// # Errors
    /// If the command did not reach the device, or it did not answer in time. What the device refuses is a status.
    async fn execute(&self, command: ScsiCommand) -> io::Result<ScsiAnswer>;
}

/// A command with what it transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScsiCommand {
    /// The command descriptor block.
    pub cdb: Vec<u8>,
    /// What goes which way.
    pub transfer: Transfer,
    /// How long it may take.
    pub timeout: Duration,
}

/// The data of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Transfer {
    /// None.
    #[default]
    None,
    /// From the device, at most so many bytes.
    Read(usize),
    /// To the device.
    Write(Vec<u8>),
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScsiAnswer {
    /// Zero is GOOD.
    pub status: u8,
    /// Says more about the status; may be empty.
    pub sense: Vec<u8>,
    /// What the device sent; may be shorter than asked for.
    pub data: Vec<u8>,
}

/// For what a device answers at once.
pub(crate) const QUICK: Duration = Duration::from_secs(30);

const TEST_UNIT_READY: u8 = 0x00;
const REQUEST_SENSE: u8 = 0x03;
const INQUIRY: u8 = 0x12;
const SANITIZE: u8 = 0x48;
const MAINTENANCE_IN: u8 = 0xa3;

/// How often a command is sent again to a device that first wants to tell of a reset or the like.
const ATTENTIONS: u32 = 8;

/// Does a command, whatever its status.
pub(crate) async fn attempt(
    device: &dyn Scsi,
    name: &'static str,
    command: ScsiCommand,
) -> Result<ScsiAnswer, EraseError> {
    let mut answer = ScsiAnswer::default();
    for _ in 0..ATTENTIONS {
        answer = device
            .execute(command.clone())
            .await
            .map_err(|source| EraseError::Transport { command: name, source })?;
        if answer.status == 0 || !Sense::parse(&answer.sense).is_unit_attention() {
            break;
        }
    }
    Ok(answer)
}

/// Does a command and takes any status but GOOD for an error.
pub(crate) async fn perform(
    device: &dyn Scsi,
    name: &'static str,
    command: ScsiCommand,
) -> Result<Vec<u8>, EraseError> {
    let answer = attempt(device, name, command).await?;
    match answer.status {
        0 => Ok(answer.data),
        _ => Err(EraseError::Scsi { command: name, refusal: Refusal::of(&answer) }),
    }
}
