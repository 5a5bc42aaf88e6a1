//! What clients were told, and whether it can be true.
//!
//! Every client writes down what it asked and what it was told, with the moments before and after: see [`Record`].
//! [`check()`] reads these statements and the state at the end, and knows nothing of the controller: a statement was true
//! at some moment between the question and the answer, and what was answered holds for ever.

mod check;
mod record;
#[cfg(test)]
mod tests;

pub use check::check;
pub use record::Record;

use std::collections::{BTreeMap, BTreeSet};

/// Something that a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When it was asked, in milliseconds. What comes in a stream may have been on its way for long: it was asked for when
    /// the stream began.
    pub asked_ms: u64,
    /// When the answer was there.
    pub told_ms: u64,
    /// What the answer says.
    pub what: What,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The request with this key is this lease.
    Granted {
        /// Whoever asked.
        tenant: String,
        /// The key of the request.
        key: String,
        /// The lease.
        lease: u32,
    },
    /// So it stands with a lease.
    Seen(View),
    /// The extension with this key lets the lease last until then.
    Extended {
        /// The lease.
        lease: u32,
        /// The key of the extension.
        key: String,
        /// The new end.
        until_ms: u64,
    },
    /// The replacement with this key puts one machine in the place of another.
    Replaced {
        /// The lease.
        lease: u32,
        /// The key of the replacement.
        key: String,
        /// What was given back.
        node: String,
        /// What came.
        substitute: String,
    },
    /// The lease was given back.
    Released(u32),
    /// The run with this key is this one, and its tasks ended with these exit codes.
    Ran {
        /// On which lease.
        lease: u32,
        /// The key of the run.
        key: String,
        /// The run.
        run: u32,
        /// Of each machine.
        exit_codes: BTreeMap<String, i64>,
    },
}

/// Where a lease stands, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It waits.
    Queued,
    /// Its machines are provisioned.
    Deploying,
    /// It is in its tenant's hands.
    Active,
    /// Its time is over.
    Closing,
    /// Its machines are clean.
    Closed,
}

/// A lease as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Which.
    pub lease: u32,
    /// Where it stands.
    pub state: State,
    /// The machines that it has, or had at its end.
    pub nodes: BTreeSet<String>,
    /// Those that left it while it was active.
    pub departures: Vec<Departure>,
    /// Why it ended; none if it did not.
    pub close_reason: Option<String>,
    /// When its group was assigned, when it became active, its end by plan, its end, and when the last machine was clean.
    pub times: Times,
}

/// A machine that left a lease while that was active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Which.
    pub node: String,
    /// Since when the lease had it, in milliseconds.
    pub since: u64,
    /// Until when.
    pub until: u64,
    /// What came in its place.
    pub successor: Option<String>,
}

/// Moments of a lease, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When its group was assigned.
    pub assigned: Option<u64>,
    /// When it became active.
    pub active: Option<u64>,
    /// When it will end.
    pub expires: Option<u64>,
    /// When it ended.
    pub ended: Option<u64>,
    /// When its last machine was clean.
    pub closed: Option<u64>,
}

/// What everybody can see at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Final {
    /// Every lease.
    pub leases: BTreeMap<u32, View>,
    /// The number of machines that the account of each lease has.
    pub accounted: BTreeMap<u32, usize>,
}

impl View {
    /// True while nobody else may have its machines.
    #[must_use]
    pub fn holds(&self, node: &str) -> bool {
        matches!(self.state, State::Deploying | State::Active) && self.nodes.contains(node)
    }
}
