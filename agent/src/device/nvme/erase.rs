//! The commands Sanitize (section 5.24) and Format NVM (section 5.14).

use super::identify::{Controller, current_format, is_alone};
use super::log::SanitizeStatus;
use super::{AdminCommand, FORMAT, Nvme, QUICK, SANITIZE, perform};
use crate::device::Survey;
use crate::device::error::EraseError;
use crate::device::method::{Action, EraseMethod};
use crate::device::poll::{Progress, Step, Wait, limit};
use std::time::Duration;

/// Formatting is said to take seconds; nothing estimates it.
const FORMAT_LIMIT: Duration = Duration::from_mins(20);

/// How long an operation of an earlier boot is waited for.
const UNFINISHED_LIMIT: Duration = Duration::from_hours(2);

/// Overwriting for longer is left to the kernel, which can be watched and stopped.
const OVERWRITE_LIMIT: Duration = Duration::from_hours(2);

pub(crate) async fn survey(device: &dyn Nvme, progress: Progress<'_>) -> Result<Survey, EraseError> {
    let mut survey = Survey::default();
    let controller = match Controller::of(device).await {
        Ok(controller) => controller,
        Err(error) => {
            survey.note("nvme", error);
            return Ok(survey);
        }
    };
    let alone = is_alone(device, &controller).await.unwrap_or_else(|error| {
        survey.note("nvme", error);
        false
    });
    let sanitizes = sanitizes(device, &controller, alone, &mut survey, progress).await?;
    let formats = formats(&controller, alone, &mut survey);
    survey.methods = in_order(sanitizes, formats);
    Ok(survey)
}

/// Block erases before crypto erases, which need zeros written afterwards, and overwriting at the end.
fn in_order(sanitizes: Vec<Action>, formats: Vec<bool>) -> Vec<EraseMethod> {
    let rank = |method: &EraseMethod| match method {
        EraseMethod::NvmeSanitize(Action::BlockErase) => 0,
        EraseMethod::NvmeFormat { crypto: false } => 1,
        EraseMethod::NvmeSanitize(Action::Crypto) => 2,
        EraseMethod::NvmeFormat { crypto: true } => 3,
        _ => 4,
    };
    let formats = formats.into_iter().map(|crypto| EraseMethod::NvmeFormat { crypto });
    let mut methods: Vec<_> = sanitizes.into_iter().map(EraseMethod::NvmeSanitize).chain(formats).collect();
    methods.sort_by_key(rank);
    methods
}

async fn sanitizes(
    device: &dyn Nvme,
    controller: &Controller,
    alone: bool,
    survey: &mut Survey,
    progress: Progress<'_>,
) -> Result<Vec<Action>, EraseError> {
    if !controller.can_sanitize_somehow() {
        return Ok(Vec::new());
    }
    finish_earlier(device, progress).await?;
    if !alone {
        survey.note("nvme-sanitize", "it would erase other namespaces as well");
        return Ok(Vec::new());
    }
    let mut actions = Vec::new();
    for action in [Action::BlockErase, Action::Crypto, Action::Overwrite] {
        if !controller.can_sanitize(action) {
            continue;
        }
        if action == Action::Overwrite && !overwrites_quickly(device).await {
            survey.note("nvme-sanitize", "overwriting would take too long, or nobody knows how long");
            continue;
        }
        actions.push(action);
    }
    Ok(actions)
}

/// Waits for what an earlier boot has started; until then the device refuses to be written.
async fn finish_earlier(device: &dyn Nvme, progress: Progress<'_>) -> Result<(), EraseError> {
    match wait(device, UNFINISHED_LIMIT, progress).await {
        Err(error @ (EraseError::Stopped | EraseError::Deadline { .. })) => return Err(error),
        Err(EraseError::Failed) => leave_failure_mode(device).await,
        // Some controllers have no such log before the first time.
        Err(error) => tracing::info!("no word of earlier sanitizing: {error}"),
        Ok(()) => {}
    }
    Ok(())
}

async fn overwrites_quickly(device: &dyn Nvme) -> bool {
    let status = SanitizeStatus::of(device).await.ok();
    status.and_then(|status| status.estimate(Action::Overwrite)).is_some_and(|time| time <= OVERWRITE_LIMIT)
}

/// Whether with a crypto erase, for each kind of formatting.
fn formats(controller: &Controller, alone: bool, survey: &mut Survey) -> Vec<bool> {
    if !controller.can_format() {
        return Vec::new();
    }
    if controller.format_erases_all() && !alone {
        survey.note("nvme-format", "it would erase other namespaces as well");
        return Vec::new();
    }
    if controller.format_can_erase_crypto() { vec![false, true] } else { vec![false] }
}

pub(crate) async fn sanitize(
    device: &dyn Nvme,
    action: Action,
    progress: Progress<'_>,
) -> Result<(), EraseError> {
    let estimate = SanitizeStatus::of(device).await?.estimate(action);
    let code = match action {
        Action::BlockErase => 2,
        Action::Overwrite => 3,
        Action::Crypto => 4,
    };
    // A failure may be left again without success: the methods that follow need a device that takes commands.
    let unrestricted_exit = 1 << 3;
    // Zero would be sixteen passes.
    let passes = if action == Action::Overwrite { 1 << 4 } else { 0 };
    let command = AdminCommand {
        opcode: SANITIZE,
        cdw10_to_15: [code | unrestricted_exit | passes, 0, 0, 0, 0, 0],
        timeout: QUICK,
        ..AdminCommand::default()
    };
    perform(device, "Sanitize", command).await?;
    let result = wait(device, limit(estimate), progress).await;
    if matches!(result, Err(EraseError::Failed)) {
        leave_failure_mode(device).await;
    }
    result
}

async fn wait(device: &dyn Nvme, limit: Duration, progress: Progress<'_>) -> Result<(), EraseError> {
    let wait = Wait::new(limit, progress);
    while let Step::UnderWay(done) = SanitizeStatus::of(device).await?.step()? {
        wait.pause(done).await?;
    }
    Ok(())
}

/// Until then the device refuses to be read and written.
async fn leave_failure_mode(device: &dyn Nvme) {
    let exit = AdminCommand {
        opcode: SANITIZE,
        cdw10_to_15: [1, 0, 0, 0, 0, 0],
        timeout: QUICK,
        ..AdminCommand::default()
    };
    if let Err(error) = perform(device, "Sanitize, exit failure mode", exit).await {
        tracing::warn!("{error}");
    }
}

pub(crate) async fn format(device: &dyn Nvme, crypto: bool) -> Result<(), EraseError> {
    let secure_erase = if crypto { 2 } else { 1 } << 9;
    let command = AdminCommand {
        opcode: FORMAT,
        namespace: device.namespace(),
        cdw10_to_15: [current_format(device).await? | secure_erase, 0, 0, 0, 0, 0],
        read: 0,
        timeout: FORMAT_LIMIT,
    };
    perform(device, "Format NVM", command).await?;
    Ok(())
}
