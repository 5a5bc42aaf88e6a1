//! Commands to the devices themselves: how a disk can erase itself, and how well it says that it is.
//!
//! Everything here encodes commands and decodes answers. What carries them is a [`Passthrough`]: the kernel's for real
//! disks, recorded exchanges in tests. No answer of a device is trusted: whether a disk was erased is found out by
//! reading it.
//!
//! # Which method for which disk
//!
//! A method is offered only if the device says in its capability bits that it has it; a command's success proves
//! nothing. From top to bottom, each takes over from what did not work before it. The last three are the kernel's and
//! work for every disk, so the table ends with them.
//!
//! | Method | Offered if | Left out |
//! |---|---|---|
//! | `nvme-sanitize`, block erase | SANICAP bit 1; no other namespace in the subsystem | |
//! | `nvme-format`, user data | OACS bit 1; only this namespace concerned (FNA bits 0 and 1), or no other there | |
//! | `nvme-sanitize`, crypto | SANICAP bit 0; as above | |
//! | `nvme-format`, crypto | as format, and FNA bit 2 | |
//! | `nvme-sanitize`, overwrite | SANICAP bit 2; as above | longer than two hours by the device's own estimate, or no estimate |
//! | `scsi-sanitize` | the device lists the opcode with the service action: block erase, crypto, overwrite | on platters all but crypto |
//! | `ata-sanitize` | word 59: block erase, crypto, overwrite; the status can be read | on platters all but crypto |
//! | `ata-secure-erase` | words 82 and 128: supported, not frozen, not locked; enhanced where there is that | longer than an hour by words 89 and 90; platters if they do not say |
//! | `discard`, `write-zeroes`, `overwrite` | always | |
//!
//! Platters are erased by the kernel's `write-zeroes` or `overwrite`: sanitizing or secure erase would write the same
//! sectors as slowly, and could neither be watched nor be stopped. A crypto erase leaves what reads as noise. So does,
//! on some devices, every other method. Such a disk is then zeroed by the kernel, and the report names both.

pub mod ata;
mod bytes;
mod error;
mod health;
mod method;
pub mod nvme;
mod poll;
pub mod scsi;

pub use error::{EraseError, PasswordError};
pub use health::health;
pub use method::{Action, EraseMethod};
pub use poll::Progress;

use std::sync::Arc;

/// A way to pass commands to a device.
#[derive(Clone)]
pub enum Passthrough {
    /// An NVMe namespace and its controller.
    Nvme(Arc<dyn nvme::Nvme>),
    /// A SCSI device, which may be an ATA device behind a translation.
    Scsi(Arc<dyn scsi::Scsi>),
}

impl std::fmt::Debug for Passthrough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nvme(_) => "Nvme",
            Self::Scsi(_) => "Scsi",
        })
    }
}

/// What a device can do to erase itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// From the one to try first.
    pub methods: Vec<EraseMethod>,
    /// For people: what cannot be used and why.
    pub notes: Vec<String>,
}

impl Survey {
    pub(crate) fn note(&mut self, method: &str, why: impl std::fmt::Display) {
        self.notes.push(format!("{method}: {why}"));
    }
}

/// Asks a device how it can erase itself, and brings it back into a state in which it can be written: what an earlier
/// boot left under way is waited for, a password that it left set is taken off.
///
/// # Errors
/// If that takes too long, fails, or was stopped by `progress`. A device that does not answer has no methods.
pub async fn survey(
    device: &Passthrough,
    rotational: bool,
    progress: Progress<'_>,
) -> Result<Survey, EraseError> {
    match device {
        Passthrough::Nvme(device) => nvme::erase::survey(device.as_ref(), progress).await,
        Passthrough::Scsi(device) => {
            let device = device.as_ref();
            if scsi::inquiry::is_ata(device).await {
                ata::survey(device, rotational, progress).await
            } else {
                scsi::sanitize::survey(device, rotational, progress).await
            }
        }
    }
}

/// Has a device erase itself, all of it. Returns when the device says that it has.
///
/// # Errors
/// If the device refuses or fails, takes too long, or was stopped by `progress`.
pub async fn erase(
    device: &Passthrough,
    method: EraseMethod,
    progress: Progress<'_>,
) -> Result<(), EraseError> {
    use EraseMethod::{AtaSanitize, AtaSecureErase, NvmeFormat, NvmeSanitize, ScsiSanitize};
    match (device, method) {
        (Passthrough::Nvme(device), NvmeSanitize(action)) => {
            nvme::erase::sanitize(device.as_ref(), action, progress).await
        }
        (Passthrough::Nvme(device), NvmeFormat { crypto }) => {
            nvme::erase::format(device.as_ref(), crypto).await
        }
        (Passthrough::Scsi(device), ScsiSanitize(action)) => {
            scsi::sanitize::sanitize(device.as_ref(), action, progress).await
        }
        (Passthrough::Scsi(device), AtaSanitize(action)) => {
            ata::sanitize::sanitize(device.as_ref(), action, progress).await
        }
        (Passthrough::Scsi(device), AtaSecureErase { enhanced }) => {
            ata::security::erase(device.as_ref(), enhanced).await
        }
        (Passthrough::Nvme(_), ScsiSanitize(_) | AtaSanitize(_) | AtaSecureErase { .. })
        | (Passthrough::Scsi(_), NvmeSanitize(_) | NvmeFormat { .. }) => Err(EraseError::WrongDevice(method)),
    }
}
