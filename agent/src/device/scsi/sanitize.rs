//! The command SANITIZE (SBC-4 section 5.30).

use super::{
    MAINTENANCE_IN, QUICK, REQUEST_SENSE, Refusal, SANITIZE, Scsi, ScsiCommand, Sense, TEST_UNIT_READY,
    Transfer, attempt, perform,
};
use crate::device::Survey;
use crate::device::bytes::u8_at;
use crate::device::error::EraseError;
use crate::device::method::{Action, EraseMethod};
use crate::device::poll::{Progress, Step, Wait, limit};
use std::time::Duration;

/// How long an operation of an earlier boot is waited for, and one that overwrites a disk without platters.
const LONG: Duration = Duration::from_hours(2);

/// The fixed format, with progress.
const SENSE: u8 = 18;

pub(crate) async fn survey(
    device: &dyn Scsi,
    rotational: bool,
    progress: Progress<'_>,
) -> Result<Survey, EraseError> {
    let mut survey = Survey::default();
    finish_earlier(device, progress).await?;
    for action in [Action::BlockErase, Action::Crypto, Action::Overwrite] {
        // On platters it would be no quicker than what the kernel does.
        if rotational && action != Action::Crypto {
            continue;
        }
        match is_supported(device, action).await {
            Ok(true) => survey.methods.push(EraseMethod::ScsiSanitize(action)),
            Ok(false) => {}
            Err(error) => {
                survey.note("scsi-sanitize", error);
                break;
            }
        }
    }
    Ok(survey)
}

/// REPORT SUPPORTED OPERATION CODES, for one opcode with a service action (SPC-5 section 6.35).
async fn is_supported(device: &dyn Scsi, action: Action) -> Result<bool, EraseError> {
    const REPORT_OPCODES: u8 = 0x0c;
    const OPCODE_AND_ACTION: u8 = 0b010;
    const SIZE: u8 = 36;
    let command = ScsiCommand {
        cdb: vec![
            MAINTENANCE_IN,
            REPORT_OPCODES,
            OPCODE_AND_ACTION,
            SANITIZE,
            0,
            service_action(action),
            0,
            0,
            0,
            SIZE,
            0,
            0,
        ],
        transfer: Transfer::Read(SIZE.into()),
        timeout: QUICK,
    };
    let data = perform(device, "REPORT SUPPORTED OPERATION CODES", command).await?;
    // Supported as the standard has it, or in a manner of the vendor's own, which is not good enough.
    Ok(u8_at(&data, 1) & 0b111 == 0b011)
}

const fn service_action(action: Action) -> u8 {
    match action {
        Action::Overwrite => 0x01,
        Action::BlockErase => 0x02,
        Action::Crypto => 0x03,
    }
}

pub(crate) async fn sanitize(
    device: &dyn Scsi,
    action: Action,
    progress: Progress<'_>,
) -> Result<(), EraseError> {
    let parameters: Vec<u8> = match action {
        // Once, with a pattern of four zeros.
        Action::Overwrite => vec![1, 0, 0, 4, 0, 0, 0, 0],
        Action::BlockErase | Action::Crypto => Vec::new(),
    };
    // Returns at once, and a failure may be left again without success.
    let flags = 1 << 7 | 1 << 5;
    let length = u8::try_from(parameters.len()).unwrap_or_default();
    let command = ScsiCommand {
        cdb: vec![SANITIZE, flags | service_action(action), 0, 0, 0, 0, 0, 0, length, 0],
        transfer: if parameters.is_empty() { Transfer::None } else { Transfer::Write(parameters) },
        timeout: QUICK,
    };
    perform(device, "SANITIZE", command).await?;
    let result = wait(device, limit((action == Action::Overwrite).then_some(LONG)), progress).await;
    if matches!(result, Err(EraseError::Failed)) {
        leave_failure_mode(device).await;
    }
    result
}

async fn finish_earlier(device: &dyn Scsi, progress: Progress<'_>) -> Result<(), EraseError> {
    match wait(device, LONG, progress).await {
        Err(error @ (EraseError::Stopped | EraseError::Deadline { .. })) => return Err(error),
        Err(EraseError::Failed) => leave_failure_mode(device).await,
        Err(error) => tracing::info!("no word of earlier sanitizing: {error}"),
        Ok(()) => {}
    }
    Ok(())
}

async fn wait(device: &dyn Scsi, limit: Duration, progress: Progress<'_>) -> Result<(), EraseError> {
    let wait = Wait::new(limit, progress);
    while let Step::UnderWay(done) = step(device).await? {
        wait.pause(done).await?;
    }
    Ok(())
}

async fn step(device: &dyn Scsi) -> Result<Step, EraseError> {
    let ready =
        ScsiCommand { cdb: vec![TEST_UNIT_READY, 0, 0, 0, 0, 0], timeout: QUICK, ..ScsiCommand::default() };
    let answer = attempt(device, "TEST UNIT READY", ready).await?;
    if answer.status == 0 {
        return Ok(Step::Done);
    }
    let sense = Sense::parse(&answer.sense);
    if sense.has_sanitizing_failed() {
        return Err(EraseError::Failed);
    }
    if !sense.is_sanitizing() {
        return Err(EraseError::Scsi { command: "TEST UNIT READY", refusal: Refusal::of(&answer) });
    }
    Ok(Step::UnderWay(match sense.progress {
        Some(done) => done,
        None => progress(device).await,
    }))
}

/// Some devices tell how far they are only if asked; zero if not even then.
async fn progress(device: &dyn Scsi) -> u16 {
    let command = ScsiCommand {
        cdb: vec![REQUEST_SENSE, 0, 0, 0, SENSE, 0],
        transfer: Transfer::Read(SENSE.into()),
        timeout: QUICK,
    };
    let data = perform(device, "REQUEST SENSE", command).await.unwrap_or_default();
    Sense::parse(&data).progress.unwrap_or_default()
}

async fn leave_failure_mode(device: &dyn Scsi) {
    const EXIT_FAILURE_MODE: u8 = 0x1f;
    let exit = ScsiCommand {
        cdb: vec![SANITIZE, EXIT_FAILURE_MODE, 0, 0, 0, 0, 0, 0, 0, 0],
        timeout: QUICK,
        ..ScsiCommand::default()
    };
    if let Err(error) = perform(device, "SANITIZE, exit failure mode", exit).await {
        tracing::warn!("{error}");
    }
}
