//! Why a host could not join.

use std::path::PathBuf;
use std::process::ExitCode;

/// Why a host could not join. None of it repeats the code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// Something else was given.
    #[error("this is no code of `hostler controller invite`, which begins with hostler-join-")]
    NoCode,
    /// Some characters are missing or different.
    #[error("the code is damaged: copy all of it")]
    Damaged,
    /// There is no configuration, and not all of what has to be in it was said.
    #[error("{} does not exist: say --listen HOST:PORT and --boot-server ADDRESS of this host", .0.display())]
    Addresses(PathBuf),
    /// The configuration is of a controller with another name.
    #[error("the code is for {invited}, and {} says {ours}: set name = {invited:?} in [api]", config.display())]
    Name {
        /// In the code.
        invited: String,
        /// In the configuration.
        ours: String,
        /// The configuration.
        config: PathBuf,
    },
    /// There are keys already.
    #[error("{} is of another installation; nothing was changed: move it away if it is not needed any more", .0.display())]
    OtherKeys(PathBuf),
    /// The controller does not want it.
    #[error("{address} refuses: {why}")]
    Refused {
        /// Of the controller.
        address: String,
        /// In its words.
        why: String,
    },
    /// No controller answers.
    #[error("no controller could be asked: {}", .0.join("; "))]
    Unreachable(Vec<String>),
    /// What the controller sent is not what it should be.
    #[error("what the controller sent cannot be used: {0}")]
    Unusable(String),
}

impl JoinError {
    /// What scripts are told; `hostlerd --help` says the same.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoCode | Self::Damaged | Self::Addresses(_) => 2.into(),
            Self::Name { .. } | Self::OtherKeys(_) | Self::Refused { .. } => 3.into(),
            Self::Unreachable(_) => 4.into(),
            Self::Unusable(_) => ExitCode::FAILURE,
        }
    }
}
