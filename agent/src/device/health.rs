//! How well a device says that it is.

use super::Passthrough;
use super::error::EraseError;
use super::{ata, nvme, scsi};

/// For people: "ok", or what is wrong. Empty if the device does not tell.
pub async fn health(device: &Passthrough) -> String {
    match words(device).await {
        Ok(None) => String::new(),
        Ok(Some(words)) if words.is_empty() => "ok".to_owned(),
        Ok(Some(words)) => words.join(", "),
        Err(error) => {
            tracing::info!("no word of its health: {error}");
            String::new()
        }
    }
}

async fn words(device: &Passthrough) -> Result<Option<Vec<String>>, EraseError> {
    match device {
        Passthrough::Nvme(device) => nvme::log::health(device.as_ref()).await.map(Some),
        Passthrough::Scsi(device) if scsi::inquiry::is_ata(device.as_ref()).await => {
            ata::health::health(device.as_ref()).await
        }
        Passthrough::Scsi(device) => scsi::health::health(device.as_ref()).await.map(Some),
    }
}
