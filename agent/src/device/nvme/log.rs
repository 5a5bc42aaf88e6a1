//! The command Get Log Page (section 5.16): the logs about sanitizing and about health.

use super::{ALL_NAMESPACES, AdminCommand, GET_LOG_PAGE, Nvme, QUICK, perform};
use crate::device::bytes::{le16, le32, le128, u8_at};
use crate::device::error::EraseError;
use crate::device::method::Action;
use crate::device::poll::Step;
use std::time::Duration;

const SIZE: usize = 512;

const HEALTH: u32 = 0x02;
const SANITIZE_STATUS: u32 = 0x81;

/// The Sanitize Status log page (section 5.16.1.25).
pub(crate) struct SanitizeStatus(Vec<u8>);

impl SanitizeStatus {
    pub(crate) async fn of(device: &dyn Nvme) -> Result<Self, EraseError> {
        get(device, "Get Log Page, Sanitize Status", SANITIZE_STATUS).await.map(Self)
    }

    /// How far the most recent sanitize operation is.
    pub(crate) fn step(&self) -> Result<Step, EraseError> {
        match le16(&self.0, 2) & 0b111 {
            2 => Ok(Step::UnderWay(le16(&self.0, 0))),
            3 => Err(EraseError::Failed),
            // Never, with success, and with success although blocks were to be kept.
            _ => Ok(Step::Done),
        }
    }

    /// What the controller thinks that it takes; nothing if it does not say.
    pub(crate) fn estimate(&self, action: Action) -> Option<Duration> {
        let offset = match action {
            Action::Overwrite => 8,
            Action::BlockErase => 12,
            Action::Crypto => 16,
        };
        let seconds = le32(&self.0, offset);
        (seconds != u32::MAX && seconds != 0).then(|| Duration::from_secs(seconds.into()))
    }
}

/// The SMART / Health Information log page (section 5.16.1.3), in words.
pub(crate) async fn health(device: &dyn Nvme) -> Result<Vec<String>, EraseError> {
    let log = get(device, "Get Log Page, Health", HEALTH).await?;
    const WARNINGS: [&str; 6] = [
        "spare capacity is low",
        "its temperature is out of bounds",
        "its reliability is degraded",
        "it takes no writes",
        "its volatile memory has lost its backup",
        "its persistent memory takes no writes",
    ];
    let warning = u8_at(&log, 0);
    let mut words: Vec<String> = (0..WARNINGS.len())
        .filter(|bit| warning & 1 << bit != 0)
        .map(|bit| WARNINGS[bit].to_owned())
        .collect();
    let used = u8_at(&log, 5);
    if used >= 100 {
        words.push(format!("{used} % of its endurance are used"));
    }
    let errors = le128(&log, 160);
    if errors > 0 {
        words.push(format!("{errors} media errors"));
    }
    Ok(words)
}

async fn get(device: &dyn Nvme, name: &'static str, page: u32) -> Result<Vec<u8>, EraseError> {
    // The number of dwords is in the upper half, less one.
    let length = (SIZE as u32 / 4 - 1) << 16;
    let command = AdminCommand {
        opcode: GET_LOG_PAGE,
        namespace: ALL_NAMESPACES,
        cdw10_to_15: [length | page, 0, 0, 0, 0, 0],
        read: SIZE,
        timeout: QUICK,
    };
    let data = perform(device, name, command).await?;
    if data.len() < SIZE {
        return Err(EraseError::Malformed { command: name, what: "shorter than 512 bytes" });
    }
    Ok(data)
}
