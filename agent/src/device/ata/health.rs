//! The command SMART RETURN STATUS (ACS-3 section 7.48.8).

use super::identify::Identify;
use super::passthrough::AtaCommand;
use crate::device::error::EraseError;
use crate::device::scsi::{QUICK, Scsi};

/// What a device foresees of its own end, in words. Nothing if it does not look.
pub(crate) async fn health(device: &dyn Scsi) -> Result<Option<Vec<String>>, EraseError> {
    const NAME: &str = "SMART RETURN STATUS";
    if !Identify::of(device).await?.has_smart() {
        return Ok(None);
    }
    let command = AtaCommand {
        name: NAME,
        command: 0xb0,
        features: 0xda,
        lba: 0xc2_4f00,
        timeout: QUICK,
        ..AtaCommand::default()
    };
    let registers = command.registers(device).await?;
    match (registers.lba[1], registers.lba[2]) {
        (0x4f, 0xc2) => Ok(Some(Vec::new())),
        (0xf4, 0x2c) => Ok(Some(vec!["it expects to fail soon".to_owned()])),
        _ => Err(EraseError::Malformed { command: NAME, what: "neither well nor failing" }),
    }
}
