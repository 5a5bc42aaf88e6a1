//! ATA commands through a SCSI translation (ACS-4 and SAT-4 of T13 and T10).

pub(crate) mod health;
mod identify;
mod passthrough;
pub(crate) mod sanitize;
pub(crate) mod security;

use super::Survey;
use super::error::EraseError;
use super::method::EraseMethod;
use super::poll::Progress;
use super::scsi::Scsi;
use identify::Identify;
use std::time::Duration;

/// Erasing for longer is left to the kernel, which can be watched and stopped.
const ERASE_LIMIT: Duration = Duration::from_hours(1);

pub(crate) async fn survey(
    device: &dyn Scsi,
    rotational: bool,
    progress: Progress<'_>,
) -> Result<Survey, EraseError> {
    let mut survey = Survey::default();
    let mut identify = match Identify::of(device).await {
        Ok(identify) => identify,
        Err(error) => {
            survey.note("ata", error);
            return Ok(survey);
        }
    };
    if identify.security().enabled {
        match security::release(device, &identify).await {
            Ok(()) => identify = Identify::of(device).await?,
            Err(error) => survey.note("ata", error),
        }
    }
    sanitize::survey(device, &identify, rotational, &mut survey, progress).await?;
    secure_erase(&identify, rotational, &mut survey);
    Ok(survey)
}

fn secure_erase(identify: &Identify, rotational: bool, survey: &mut Survey) {
    let security = identify.security();
    let enhanced = security.enhanced;
    let estimate = identify.erase_time(enhanced);
    // On platters a short time means that only a key is erased.
    let long = estimate.map_or(rotational, |time| time > ERASE_LIMIT);
    let method = EraseMethod::AtaSecureErase { enhanced };
    if !security.supported {
        return;
    }
    if security.frozen {
        survey.note(method.as_str(), "the firmware has frozen the security settings until the power is off");
    } else if security.locked || security.enabled {
        survey.note(method.as_str(), "a password is set");
    } else if long {
        survey.note(method.as_str(), "it would take too long, or nobody knows how long");
    } else {
        survey.methods.push(method);
    }
}
