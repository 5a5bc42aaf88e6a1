//! Why a device did not erase itself.

use super::method::EraseMethod;
use super::nvme::Status;
use super::scsi::Refusal;
use std::io;
use std::time::Duration;

/// Why a device did not erase itself, or is not known to have.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The command did not get to the device, or it did not answer.
    #[error("{command} did not get through")]
    Transport {
        /// What was tried.
        command: &'static str,
        /// What came back.
        #[source]
        source: io::Error,
    },
    /// The device refused or aborted a command.
    #[error("the device ended {command} with {status}")]
    Nvme {
        /// What was tried.
        command: &'static str,
        /// What came back.
        status: Status,
    },
    /// The device refused or aborted a command.
    #[error("the device ended {command} with {refusal}")]
    Scsi {
        /// What was tried.
        command: &'static str,
        /// What came back.
        refusal: Refusal,
    },
    /// The answer makes no sense.
    #[error("the answer to {command} makes no sense: {what}")]
    Malformed {
        /// What was tried.
        command: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// The device itself says so.
    #[error("the device says that it failed")]
    Failed,
    /// It does not seem to end.
    #[error("not over after {} s, {percent} % done", after.as_secs())]
    Deadline {
        /// How long it was waited for.
        after: Duration,
        /// By the device's own account.
        percent: u32,
    },
    /// The device is protected by a password, and now it is known to be.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Who waited for it does not any more.
    #[error("stopped")]
    Stopped,
    /// Not a method of this kind of device.
    #[error("{0} is not a method of this kind of device")]
    WrongDevice(EraseMethod),
}

/// What a password keeps from working.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Somebody else's.
    #[error("it is protected by a password that is not known here")]
    Foreign,
    /// Nothing more can be tried before the next power cycle.
    #[error("the device takes no more passwords before its power was off")]
    Exhausted,
    /// The one that erasing needed.
    #[error(
        "it failed, and the password \"{password}\" that it needed could not be taken off again; erased with {erase}"
    )]
    LeftSet {
        /// The password.
        password: &'static str,
        /// Why erasing failed.
        erase: String,
    },
}
