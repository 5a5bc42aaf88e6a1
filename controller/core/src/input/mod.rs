//! What comes into the core, and what it answers.

mod outcome;
mod report;

pub use outcome::{Applied, ApplyAction, Effect, Outcome, Refusal, Reply};
pub use report::{Blame, PowerResult, Profile, Report};

use crate::boot::NetworkEvidence;
use crate::calendar::{Times, Wanted};
use crate::catalogue::Content;
use crate::course::MoreTime;
use crate::hardware::{Arch, Mac};
use crate::ids::{BootId, LeaseId, NodeId, RunId, TenantId};
use crate::lease::LeaseSpec;
use crate::node::{BmcSpec, NodeSpec};
use crate::pool::Limits;
use crate::run::RunSpec;
use crate::tenancy::Setting;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Something that somebody asked for or that was seen. Every change of the world begins with one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Time passed; deadlines may have.
    Tick,
    /// A controller began, or leads anew: what was in flight is unknown, every liveness window begins anew.
    Started,
    /// The wall clock stepped away from the controller's.
    ClockStepped {
        /// Wall minus controller, milliseconds.
        by_ms: i64,
    },

    /// An administrator registers or changes machines.
    Apply {
        /// Who.
        author: String,
        /// Each machine with its BMC.
        nodes: Vec<(NodeSpec, BmcSpec)>,
    },
    /// An administrator does something to a node.
    Admin {
        /// Who.
        author: String,
        /// To which node.
        node: String,
        /// What.
        action: AdminAction,
    },
    /// An administrator lets another controller fetch what it needs.
    Invite {
        /// Who.
        author: String,
        /// What it is to be called.
        name: String,
        /// For how long, in milliseconds.
        valid_ms: u64,
        /// The password of the store goes along.
        with_password: bool,
    },
    /// A host redeems an invitation, whose code the shell has checked.
    Join(JoinRequest),
    /// A tenant is named.
    AddTenant {
        /// Unique name.
        name: String,
    },
    /// An administrator says what a tenant may have.
    SetTenant {
        /// Who.
        author: String,
        /// Which tenant.
        name: String,
        /// What is set; the rest stays as it is.
        settings: Vec<Setting>,
    },
    /// Machines are set aside for a tenant.
    Reserve {
        /// Who.
        author: String,
        /// For which tenant.
        tenant: String,
        /// Which machines, and when.
        wanted: Wanted,
        /// Even if that breaks what was promised.
        anyway: bool,
    },
    /// They are not any more.
    EndReservation {
        /// Who.
        author: String,
        /// Of which tenant.
        tenant: String,
        /// Which.
        name: String,
    },
    /// Something is said about a pool.
    SetPool {
        /// For the record.
        author: String,
        /// Which pool; it need not have any machine yet.
        name: String,
        /// What is to be different about it.
        limits: Limits,
    },
    /// An image was stored.
    AddImage {
        /// Name.
        name: String,
        /// For which machines.
        arch: Arch,
        /// Its bytes.
        content: Content,
    },

    /// An administrator takes the suspicion away from an image.
    ClearImage {
        /// Who.
        author: String,
        /// Name.
        name: String,
        /// For which machines; none for all for which it is suspect.
        arch: Option<Arch>,
    },

    /// A tenant asks for a group.
    RequestLease {
        /// Who.
        tenant: TenantId,
        /// The same key again is the same lease.
        key: String,
        /// What.
        spec: LeaseSpec,
    },
    /// A tenant gives a group back.
    ReleaseLease {
        /// Which.
        lease: LeaseId,
        /// Who, for people.
        author: String,
        /// Without being held for somebody to look at, and also if it is. Else a release may begin a hold, and the same
        /// release again does not end it.
        at_once: bool,
    },
    /// A tenant needs a group for longer.
    ExtendLease {
        /// Which.
        lease: LeaseId,
        /// The same key again is the same extension.
        key: String,
        /// How much longer.
        wanted: MoreTime,
        /// Who, for people.
        author: String,
    },
    /// A tenant says that a machine of an active lease is of no use, and needs another in its place.
    ReplaceMember {
        /// Of which lease.
        lease: LeaseId,
        /// The same key again is the same replacement.
        key: String,
        /// The machine, by its name.
        node: String,
        /// What is wrong with it, for people; may be empty.
        why: String,
        /// Who, for people.
        author: String,
    },
    /// Nobody has kept a lease alive for as long as its terms say. What keeps it alive stays with the shell.
    LeaseAbandoned {
        /// Which.
        lease: LeaseId,
    },
    /// A tenant runs a payload.
    StartRun {
        /// On which group.
        lease: LeaseId,
        /// The same key again is the same run.
        key: String,
        /// What.
        spec: RunSpec,
    },
    /// A tenant stops a payload.
    StopRun {
        /// Which.
        run: RunId,
        /// Who, for people.
        author: String,
    },

    /// A BMC answered a power attempt, or did not.
    Power {
        /// On which node.
        node: NodeId,
        /// Which attempt.
        boot: BootId,
        /// What came back.
        result: PowerResult,
    },
    /// The boot server saw a machine.
    Network {
        /// Which.
        node: NodeId,
        /// Doing what.
        evidence: NetworkEvidence,
        /// When it began; the input itself is its end.
        began: Timestamp,
        /// For people.
        detail: String,
    },
    /// An agent redeems a one-time token, whose authenticity the shell has checked.
    Enrol {
        /// The boot that the token names.
        boot: BootId,
        /// The node that the token names.
        node: NodeId,
        /// The Ethernet address that the token names.
        mac: Mac,
        /// From where.
        address: IpAddr,
        /// SHA-256 of the public key, lower-case hexadecimal.
        key: String,
    },
    /// The shell refused something that an attacker may have sent.
    Refused {
        /// The node concerned, if one is known.
        node: Option<NodeId>,
        /// A stable word.
        kind: String,
        /// For people.
        message: String,
    },
    /// An agent, known by its certificate, reports.
    Agent {
        /// Which node.
        node: NodeId,
        /// Which boot.
        boot: BootId,
        /// Which profile.
        profile: Profile,
        /// What.
        report: Report,
    },
}

/// Who redeems which invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The number that the code names.
    pub number: u32,
    /// The controller that the code names.
    pub name: String,
    /// The end that the code names.
    pub expires: Timestamp,
    /// From where.
    pub address: IpAddr,
    /// Digest of what only the process knows that asks.
    pub by: String,
}

/// What an administrator may do to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdminAction {
    /// No new lease.
    Drain {
        /// Why.
        reason: String,
        /// When.
        #[serde(default)]
        times: Times,
        /// Even if that breaks what was promised.
        #[serde(default)]
        anyway: bool,
    },
    /// End the drain.
    Resume,
    /// Lift quarantine and miswiring, and have the machine prove itself: inspection, wipe, burn-in.
    Repair,
    /// Out of service for good.
    Retire,
    /// The first wipe may happen.
    ApproveWipe,
    /// A hand on the power button.
    Power {
        /// For the record.
        action: String,
        /// Even if leased.
        force: bool,
    },
}

impl AdminAction {
    /// A drain that begins now and ends when somebody says so, if that breaks nothing.
    #[must_use]
    pub fn drain(reason: impl Into<String>) -> Self {
        Self::Drain { reason: reason.into(), times: Times::default(), anyway: false }
    }
}
