//! What kind of device this is (SPC-5 section 6.7).

use super::{INQUIRY, QUICK, Scsi, ScsiCommand, Transfer, perform};

const SIZE: u8 = 36;

/// True if it is an ATA device behind a translation: SAT has "ATA" for the vendor. A device that does not answer is
/// none.
pub(crate) async fn is_ata(device: &dyn Scsi) -> bool {
    let command = ScsiCommand {
        cdb: vec![INQUIRY, 0, 0, 0, SIZE, 0],
        transfer: Transfer::Read(SIZE.into()),
        timeout: QUICK,
    };
    match perform(device, "INQUIRY", command).await {
        Ok(data) => data.get(8..16) == Some(b"ATA     "),
        Err(error) => {
            tracing::info!("{error}");
            false
        }
    }
}
