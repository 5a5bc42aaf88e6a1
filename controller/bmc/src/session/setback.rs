//! What the refusals of a handshake mean.

use crate::crypto::CryptoFailed;
use crate::packet::{Algorithms, RakpStatus};
use crate::{AuthenticationFailure, CipherSuite, Error, Target};

/// Why a handshake ended.
pub(super) enum Setback {
    /// Another one may succeed.
    Transient(Error),
    /// Another one would end alike.
    Final(Error),
}

impl Setback {
    /// Silence is transient.
    pub(super) fn of(error: Error) -> Self {
        if matches!(error, Error::Unanswered { .. }) { Self::Transient(error) } else { Self::Final(error) }
    }
}

/// Puts failures in terms of the target.
pub(super) struct Failures<'t>(pub(super) &'t Target);

impl Failures<'_> {
    /// The controller answered `question` with `status`.
    pub(super) fn status(&self, question: &'static str, status: RakpStatus) -> Setback {
        use RakpStatus as S;
        let Target { address: bmc, ref user, suite, privilege, .. } = *self.0;
        match status {
            S::InsufficientResources | S::InsufficientResourcesAtRole => {
                Setback::Final(Error::NoFreeSession { bmc })
            }
            S::InvalidAuthentication
            | S::InvalidIntegrity
            | S::InvalidConfidentiality
            | S::NoCipherSuiteMatch => {
                Setback::Final(Error::SuiteNotOffered { bmc, suite, answer: status.to_string() })
            }
            S::InvalidRole | S::UnauthorizedRole => {
                Setback::Final(Error::PrivilegeRefused { bmc, user: user.clone(), privilege })
            }
            S::InvalidNameLength | S::UnauthorizedName => {
                self.not_authentic(AuthenticationFailure::Status(status))
            }
            // The controller has proved by then that it knows the password, so this is about lost state.
            S::InvalidSessionId | S::InactiveSessionId | S::InvalidIntegrityCheck => {
                Setback::Transient(self.protocol(question, status.to_string()))
            }
            S::IllegalParameter | S::Other(_) => Setback::Final(self.protocol(question, status.to_string())),
        }
    }

    /// The controller agrees to something that was not proposed.
    pub(super) fn other_suite(&self, algorithms: Algorithms) -> Setback {
        let answer = match CipherSuite::from_algorithms(algorithms) {
            Some(suite) => format!("it wants suite {suite}"),
            None => format!("it wants {algorithms:?}"),
        };
        Setback::Final(Error::SuiteNotOffered { bmc: self.0.address, suite: self.0.suite, answer })
    }

    pub(super) fn not_authentic(&self, reason: AuthenticationFailure) -> Setback {
        Setback::Final(Error::AuthenticationRefused {
            bmc: self.0.address,
            user: self.0.user.clone(),
            reason,
        })
    }

    pub(super) fn crypto(&self, source: CryptoFailed) -> Setback {
        Setback::Final(Error::Crypto { bmc: self.0.address, source })
    }

    fn protocol(&self, request: &'static str, problem: String) -> Error {
        Error::Protocol { bmc: self.0.address, request, problem }
    }
}
