//! The sanitize feature set (ACS-4 section 4.17).

use super::identify::Identify;
use super::passthrough::AtaCommand;
use crate::device::Survey;
use crate::device::error::EraseError;
use crate::device::method::{Action, EraseMethod};
use crate::device::poll::{Progress, Step, Wait, limit};
use crate::device::scsi::{QUICK, Scsi};
use std::time::Duration;

const SANITIZE_DEVICE: u8 = 0xb4;

/// Subcommands, in the features register.
const STATUS: u16 = 0x0000;
const CRYPTO_SCRAMBLE: u16 = 0x0011;
const BLOCK_ERASE: u16 = 0x0012;
const OVERWRITE: u16 = 0x0014;

/// In the count register of the status.
const COMPLETED: u16 = 1 << 15;
const IN_PROGRESS: u16 = 1 << 14;
const FROZEN: u16 = 1 << 13;

/// How long an operation of an earlier boot is waited for, and one that overwrites a disk without platters.
const LONG: Duration = Duration::from_hours(2);

pub(super) async fn survey(
    device: &dyn Scsi,
    identify: &Identify,
    rotational: bool,
    survey: &mut Survey,
    progress: Progress<'_>,
) -> Result<(), EraseError> {
    if !identify.can_sanitize_somehow() {
        return Ok(());
    }
    match finish_earlier(device, progress).await {
        Ok(true) => {}
        Ok(false) => {
            survey.note("ata-sanitize", "the firmware has frozen sanitizing until the power is off");
            return Ok(());
        }
        Err(error @ (EraseError::Stopped | EraseError::Deadline { .. })) => return Err(error),
        Err(error) => {
            survey.note("ata-sanitize", error);
            return Ok(());
        }
    }
    for action in [Action::BlockErase, Action::Crypto, Action::Overwrite] {
        // On platters it would be no quicker than what the kernel does.
        if identify.can_sanitize(action) && (!rotational || action == Action::Crypto) {
            survey.methods.push(EraseMethod::AtaSanitize(action));
        }
    }
    Ok(())
}

/// Waits for what an earlier boot has started. Whether the device can sanitize now.
async fn finish_earlier(device: &dyn Scsi, progress: Progress<'_>) -> Result<bool, EraseError> {
    let wait = Wait::new(LONG, progress);
    loop {
        // A device in which sanitizing has failed aborts the question, and all others.
        let (count, done) = match status(device, NO_MORE).await {
            Err(EraseError::Scsi { .. }) => status(device, CLEAR_FAILURE).await?,
            result => result?,
        };
        if count & IN_PROGRESS == 0 {
            return Ok(count & FROZEN == 0);
        }
        wait.pause(done).await?;
    }
}

pub(crate) async fn sanitize(
    device: &dyn Scsi,
    action: Action,
    progress: Progress<'_>,
) -> Result<(), EraseError> {
    // A failure may be left again without success.
    let failure_mode = 1 << 4;
    // The device does nothing without the word that belongs to the subcommand; overwriting takes the pattern as well.
    let (name, features, lba, count) = match action {
        Action::Crypto => ("CRYPTO SCRAMBLE EXT", CRYPTO_SCRAMBLE, 0x4372_7970, failure_mode),
        Action::BlockErase => ("BLOCK ERASE EXT", BLOCK_ERASE, 0x426b_4572, failure_mode),
        Action::Overwrite => ("OVERWRITE EXT", OVERWRITE, 0x4f57_0000_0000, failure_mode | 1),
    };
    command(name, features, count, lba).perform(device).await?;
    let result = wait(device, limit((action == Action::Overwrite).then_some(LONG)), progress).await;
    if matches!(result, Err(EraseError::Failed))
        && let Err(error) = status(device, CLEAR_FAILURE).await
    {
        tracing::warn!("{error}");
    }
    result
}

async fn wait(device: &dyn Scsi, limit: Duration, progress: Progress<'_>) -> Result<(), EraseError> {
    let wait = Wait::new(limit, progress);
    while let Step::UnderWay(done) = step(device).await? {
        wait.pause(done).await?;
    }
    Ok(())
}

async fn step(device: &dyn Scsi) -> Result<Step, EraseError> {
    match status(device, NO_MORE).await {
        Ok((count, done)) if count & IN_PROGRESS != 0 => Ok(Step::UnderWay(done)),
        Ok((count, _)) if count & COMPLETED != 0 => Ok(Step::Done),
        Ok(_) | Err(EraseError::Scsi { .. }) => Err(EraseError::Failed),
        Err(error) => Err(error),
    }
}

/// What else than to answer the device has to do when it is asked for its status.
const NO_MORE: u16 = 0;
const CLEAR_FAILURE: u16 = 1;

/// The count register, and how far the device is.
async fn status(device: &dyn Scsi, also: u16) -> Result<(u16, u16), EraseError> {
    const NAME: &str = "SANITIZE STATUS EXT";
    let registers = command(NAME, STATUS, also, 0).registers(device).await?;
    let count = registers.count.ok_or(EraseError::Malformed {
        command: NAME,
        what: "the translation keeps half of the count back",
    })?;
    Ok((count, u16::from_le_bytes([registers.lba[0], registers.lba[1]])))
}

fn command(name: &'static str, features: u16, count: u16, lba: u64) -> AtaCommand {
    AtaCommand {
        name,
        command: SANITIZE_DEVICE,
        features,
        count,
        lba,
        extended: true,
        timeout: QUICK,
        ..AtaCommand::default()
    }
}
