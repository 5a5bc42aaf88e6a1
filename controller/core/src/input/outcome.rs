//! What an input leads to: an answer, and what the shell must make happen.

use crate::attempt::Rung;
use crate::course::Grant;
use crate::ids::{BmcId, BootId, ImageId, LeaseId, NodeId, PoolId, RunId, TenantId};

/// What the core answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done; nothing more to say.
    Done,
    /// What `Apply` changed.
    Applied(Vec<Applied>),
    /// The tenant.
    Tenant(TenantId),
    /// The image.
    Image(ImageId),
    /// The pool.
    Pool(PoolId),
    /// The lease.
    Lease(LeaseId),
    /// More time for a lease.
    Extended(Grant),
    /// This machine takes the place of the one that was given back.
    Replaced(NodeId),
    /// The run.
    Run(RunId),
    /// The number of an invitation.
    Invitation(u32),
}

/// What `Apply` did to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// "node r1-n03".
    pub object: String,
    /// What happened to it.
    pub action: ApplyAction,
    /// What differs, one line for each field.
    pub fields: Vec<String>,
}

/// What `Apply` did to one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyAction {
    /// It is new.
    Created,
    /// It is different now.
    Updated,
    /// It was like that.
    Unchanged,
}

impl ApplyAction {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Why an input was refused. Nothing was changed but the record of the refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It names something that does not exist.
    #[error("{0}")]
    NotFound(String),
    /// It makes sense, but not now, or never here.
    #[error("{0}")]
    Conflict(String),
    /// The caller is not who may do this.
    #[error("{0}")]
    Forbidden(String),
}

/// What the shell must make happen. Everything else that it does follows from the published world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Carry out a power attempt, once. It was stored before; if nobody answers for it, the core decides on another.
    Power {
        /// Which machine.
        node: NodeId,
        /// Through which BMC.
        bmc: BmcId,
        /// Which attempt.
        boot: BootId,
        /// How.
        rung: Rung,
    },
}

/// What one input led to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The answer.
    pub reply: Result<Reply, Refusal>,
    /// What to do once the changes are stored.
    pub effects: Vec<Effect>,
}
