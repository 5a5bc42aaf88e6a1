//! Which controller, how to log in, and how patient to be.

use crate::{CipherSuite, Privilege, Secret, UserName};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A management controller and the account to use on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it answers; the usual port is 623.
    pub address: SocketAddr,
    /// The account.
    pub user: UserName,
    /// Of the account.
    pub password: Secret,
    /// The key Kg of the controller, where one is set besides the passwords.
    pub kg: Option<Secret>,
    /// Never silently replaced by another.
    pub suite: CipherSuite,
    /// What the session is to be allowed.
    pub privilege: Privilege,
}

/// How long to wait for a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// When the first repetition of an unanswered datagram is sent. The wait doubles with each, up to four times this.
    pub retransmit: Duration,
    /// When a request is given up.
    pub request: Duration,
    /// When the opening of a session is given up.
    pub open: Duration,
}

impl Default for Timing {
    /// Good for controllers that take a second to answer and networks that lose a fifth of the packets.
    fn default() -> Self {
        Self {
            retransmit: Duration::from_millis(700),
            request: Duration::from_secs(10),
            open: Duration::from_secs(20),
        }
    }
}

/// Says whether something may be sent now. It is asked before each datagram, repetitions among them: whoever loses the
/// right to command machines does so while a request waits for its answer.
#[derive(Clone)]
pub struct Permit(Arc<dyn Fn() -> bool + Send + Sync>);

impl Permit {
    /// Given for as long as `given` says so. Goodbyes are sent in any case: they command nothing.
    pub fn new(given: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(given))
    }

    /// Given for good.
    #[must_use]
    pub fn always() -> Self {
        Self::new(|| true)
    }

    pub(crate) fn is_given(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}
