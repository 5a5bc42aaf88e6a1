//! How an agent ends.

use crate::enrol::EnrolError;
use crate::tls::TlsError;
use std::io;

/// Why an agent stopped without having failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The deployed system is to run now: see [`crate::Machine::start_deployed`].
    StartDeployed,
    /// The controller does not speak to this boot any more: a newer one exists, or its lease is over.
    Fenced {
        /// The controller's words.
        reason: String,
    },
}

/// What an agent cannot recover from by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No certificate.
    #[error("cannot enrol")]
    Enrol(#[from] EnrolError),
    /// The certificate or the CA in use is none.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// The operating system refused something that an agent cannot do without.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What came back.
        #[source]
        source: io::Error,
    },
}

/// An error with everything that caused it, for people: "a: b: c".
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat the cause in their own words.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
