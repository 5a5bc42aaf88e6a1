//! What happened, for people and scripts. Events are written in the transaction of what they tell about.

use crate::ids::{LeaseId, NodeId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How much attention an event wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The normal course.
    Info,
    /// Something was repeated or held.
    Warning,
    /// Somebody should look.
    Incident,
}

impl Severity {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Incident => "incident",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Increasing.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// How much attention it wants.
    pub severity: Severity,
    /// A stable word for scripts.
    pub kind: String,
    /// The node concerned.
    pub node: Option<NodeId>,
    /// The lease concerned.
    pub lease: Option<LeaseId>,
    /// For people.
    pub message: String,
}
