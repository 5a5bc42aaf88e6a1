//! Informational exceptions: what a SCSI device foresees of its own end.

use super::{QUICK, Scsi, ScsiCommand, Transfer, perform};
use crate::device::bytes::u8_at;
use crate::device::error::EraseError;

const LOG_SENSE: u8 = 0x4d;

/// The log page Informational Exceptions (SPC-5 section 7.3.8), in words.
pub(crate) async fn health(device: &dyn Scsi) -> Result<Vec<String>, EraseError> {
    const NAME: &str = "LOG SENSE, Informational Exceptions";
    const PAGE: u8 = 0x2f;
    // Values as they are, and not thresholds.
    const CUMULATIVE: u8 = 0b01 << 6;
    const SIZE: u8 = 64;
    let command = ScsiCommand {
        cdb: vec![LOG_SENSE, 0, CUMULATIVE | PAGE, 0, 0, 0, 0, 0, SIZE, 0],
        transfer: Transfer::Read(SIZE.into()),
        timeout: QUICK,
    };
    let data = perform(device, NAME, command).await?;
    // Four bytes of header, and the first parameter: code 0, control, length, additional sense code and qualifier.
    if u8_at(&data, 0) & 0x3f != PAGE || data.len() < 10 {
        return Err(EraseError::Malformed { command: NAME, what: "not that page" });
    }
    Ok(match (data[8], data[9]) {
        (0, _) => Vec::new(),
        (0x5d, _) => vec!["it expects to fail soon".to_owned()],
        (0x0b, 0x01) => vec!["its temperature is out of bounds".to_owned()],
        (code, qualifier) => vec![format!("it warns of {code:#04x}/{qualifier:#04x}")],
    })
}
