//! The security feature set (ACS-4 section 4.18): erasing with a password, and getting rid of it again.
//!
//! ```text
//!   no password --SET PASSWORD--> password set --ERASE PREPARE, ERASE UNIT--> no password
//!        ^                           |     |
//!        +-----DISABLE PASSWORD------+     +--power off--> locked --UNLOCK--> password set
//! ```
//!
//! The password is always the same, so that whoever finds a disk that lost its power half way can go on: the agent in
//! its next boot, or somebody who reads docs/wipe.md.

use super::identify::Identify;
use super::passthrough::{AtaCommand, Data, SECTOR};
use crate::device::error::{EraseError, PasswordError};
use crate::device::poll::limit;
use crate::device::scsi::{QUICK, Scsi};
use std::time::Duration;

/// Padded with zeros to 32 bytes.
pub(crate) const PASSWORD: &str = "hostler";

const SET_PASSWORD: u8 = 0xf1;
const UNLOCK: u8 = 0xf2;
const ERASE_PREPARE: u8 = 0xf3;
const ERASE_UNIT: u8 = 0xf4;
const DISABLE_PASSWORD: u8 = 0xf6;

/// Takes off the password that an earlier boot left set.
pub(super) async fn release(device: &dyn Scsi, identify: &Identify) -> Result<(), EraseError> {
    let security = identify.security();
    if security.exhausted {
        return Err(PasswordError::Exhausted.into());
    }
    if security.locked {
        let unlock = with_password("SECURITY UNLOCK", UNLOCK, 0, QUICK).perform(device).await;
        unlock.map_err(|error| foreign(&error))?;
    }
    let disable = disable_password().perform(device).await;
    disable.map_err(|error| foreign(&error))
}

fn foreign(error: &EraseError) -> EraseError {
    tracing::info!("{error}");
    PasswordError::Foreign.into()
}

/// Erases everything, and leaves no password whatever happens.
pub(crate) async fn erase(device: &dyn Scsi, enhanced: bool) -> Result<(), EraseError> {
    let identify = Identify::of(device).await?;
    let time = limit(identify.erase_time(enhanced));
    let result = erase_with_password(device, enhanced, time).await;
    // A device that has erased itself has forgotten the password, but this is not the place to believe it.
    match (is_password_set(device).await, result) {
        (false, result) => result,
        (true, result) => {
            if let Err(error) = disable_password().perform(device).await {
                tracing::warn!("{error}");
            }
            if is_password_set(device).await {
                let erase = result.as_ref().err().map_or("success".to_owned(), ToString::to_string);
                return Err(PasswordError::LeftSet { password: PASSWORD, erase }.into());
            }
            result
        }
    }
}

async fn erase_with_password(device: &dyn Scsi, enhanced: bool, time: Duration) -> Result<(), EraseError> {
    with_password("SECURITY SET PASSWORD", SET_PASSWORD, 0, QUICK).perform(device).await?;
    let prepare = AtaCommand {
        name: "SECURITY ERASE PREPARE",
        command: ERASE_PREPARE,
        timeout: QUICK,
        ..AtaCommand::default()
    };
    prepare.perform(device).await?;
    let mode = u16::from(enhanced) << 1;
    with_password("SECURITY ERASE UNIT", ERASE_UNIT, mode, time).perform(device).await
}

/// What cannot be found out is taken for the worse.
async fn is_password_set(device: &dyn Scsi) -> bool {
    Identify::of(device).await.map_or(true, |identify| identify.security().enabled)
}

fn disable_password() -> AtaCommand {
    with_password("SECURITY DISABLE PASSWORD", DISABLE_PASSWORD, 0, QUICK)
}

/// A command that sends the user password, after a word of what else there is to say. Its zeros are the user (not the
/// master) and, for the level, high (not maximum: the master password could still unlock).
fn with_password(name: &'static str, command: u8, word: u16, timeout: Duration) -> AtaCommand {
    let mut data = vec![0; SECTOR];
    data[..2].copy_from_slice(&word.to_le_bytes());
    data[2..2 + PASSWORD.len()].copy_from_slice(PASSWORD.as_bytes());
    AtaCommand { name, command, count: 1, data: Data::Write(data), timeout, ..AtaCommand::default() }
}
