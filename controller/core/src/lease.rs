//! A lease's life cycle: `Queued -> Deploying -> Active -> Closing -> Closed`.
//!
//! A group is assigned whole or not at all. One whose deployment cannot be finished with the nodes that are free goes
//! back to its place in the queue, whole. What becomes of a machine of an active lease is up to its tenant: it may be
//! replaced, and its place is empty if that fails.

use crate::constraint::{Constraint, Grouping};
use crate::course::{Course, Terms};
use crate::hardware::Arch;
use crate::ids::{ImageId, LeaseId, NodeId, TenantId};
use crate::schedule::{Busy, Promise};
use crate::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;

/// One role of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// How the payload knows these machines.
    pub role: String,
    /// How many at least; one or more.
    pub count: u32,
    /// How many at most; none for exactly `count`. The group starts with as many as there are then.
    #[serde(default)]
    pub at_most: Option<u32>,
    /// One of these; empty for any.
    #[serde(deserialize_with = "one_or_more")]
    pub arch: BTreeSet<Arch>,
    /// None for any.
    pub pool: Option<String>,
    /// If not empty, only these.
    pub nodes: BTreeSet<String>,
    /// Name of the image; which one depends on the node's architecture.
    pub image: String,
    /// What else is asked of each machine.
    #[serde(default)]
    pub constraint: Option<Constraint>,
}

impl Member {
    /// How many machines it gets at most.
    #[must_use]
    pub const fn most(&self) -> u32 {
        match self.at_most {
            Some(most) => most,
            None => self.count,
        }
    }
}

/// Leases that were stored before there were alternatives have one architecture, or null for any.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<Arch>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Set(BTreeSet<Arch>),
        One(Option<Arch>),
    }
    Ok(match Stored::deserialize(deserializer)? {
        Stored::Set(set) => set,
        Stored::One(one) => one.into_iter().collect(),
    })
}

/// What a tenant asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseSpec {
    /// The roles.
    pub members: Vec<Member>,
    /// What is asked of their machines together.
    #[serde(default)]
    pub groupings: Vec<Grouping>,
    /// Counted from `Active`, in milliseconds.
    pub duration_ms: u64,
    /// Bound on waiting, in milliseconds.
    pub max_wait_ms: u64,
    /// For people.
    pub purpose: String,
    /// Public ssh keys that may log in to the deployed systems as root.
    pub ssh_keys: Vec<String>,
    /// How it begins, is kept and ends.
    #[serde(default)]
    pub terms: Terms,
}

impl LeaseSpec {
    /// How many machines the group has.
    #[must_use]
    pub fn hosts(&self) -> u32 {
        self.members.iter().map(|member| member.count).fold(0, u32::saturating_add)
    }
}

/// A granted or queued request for a group of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Whose.
    pub tenant: TenantId,
    /// Chosen by the caller: the same key again is the same lease.
    pub key: String,
    /// What was asked for.
    pub spec: LeaseSpec,
    /// When it was asked for. Its age counts from here, also after a group was dissolved.
    pub requested: Timestamp,
    /// By when it starts at the latest, as it was told when it asked; none if nothing could be promised, or if the
    /// promise is broken.
    #[serde(default)]
    pub promise: Option<Promise>,
    /// Why its last group was dissolved before it was whole, if that happened.
    pub setback: Option<String>,
    /// What happened to it on its way.
    #[serde(default)]
    pub course: Course,
    /// Where it is in its life.
    pub state: LeaseState,
}

/// Where a lease is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseState {
    /// Waiting for a whole group.
    Queued {
        /// What it waits for, for people; [`crate::explain::lease`] also says how that stands.
        reason: String,
    },
    /// The group is being provisioned.
    Deploying {
        /// The whole group.
        group: Vec<Assigned>,
        /// Since when.
        since: Timestamp,
    },
    /// In the tenant's hands.
    Active {
        /// The group, as far as its places have machines. One that took a place may still be provisioned.
        group: Vec<Assigned>,
        /// Since when; the duration counts from here.
        since: Timestamp,
        /// Until when.
        expires: Timestamp,
    },
    /// Ended; its nodes are being cleaned.
    Closing {
        /// Nodes still being cleaned.
        group: Vec<Assigned>,
        /// How it went.
        ended: Ended,
    },
    /// Over.
    Closed {
        /// How it went.
        ended: Ended,
        /// When the last node was clean.
        at: Timestamp,
    },
}

/// One node of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// Which node.
    pub node: NodeId,
    /// Index into the lease's members.
    pub member: usize,
    /// What it is provisioned with.
    pub image: ImageId,
}

/// How a lease ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Why.
    pub reason: CloseReason,
    /// For people.
    pub detail: String,
    /// When the tenant's time ended.
    pub at: Timestamp,
    /// When it had become active; none if it never did.
    pub active: Option<Timestamp>,
    /// The group that it had.
    pub had: Vec<Assigned>,
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// Given back.
    Released,
    /// Its time was over.
    Expired,
    /// The bound on waiting passed.
    WaitedTooLong,
    /// The bound on waiting passed after a group had been assigned and its machines failed.
    Infrastructure,
    /// An image that no machine had booted before could not be deployed: the image is to blame, not the machines.
    Image,
    /// Nobody kept it alive.
    Abandoned,
}

impl Lease {
    /// The group that it holds now; empty while queued or closed.
    #[must_use]
    pub fn group(&self) -> &[Assigned] {
        match &self.state {
            LeaseState::Deploying { group, .. }
            | LeaseState::Active { group, .. }
            | LeaseState::Closing { group, .. } => group,
            LeaseState::Queued { .. } | LeaseState::Closed { .. } => &[],
        }
    }

    /// The group that it has, or had when it ended.
    #[must_use]
    pub fn group_or_former(&self) -> &[Assigned] {
        match &self.state {
            LeaseState::Closing { ended, .. } | LeaseState::Closed { ended, .. } => &ended.had,
            _ => self.group(),
        }
    }

    /// True while it waits for a group.
    #[must_use]
    pub const fn is_queued(&self) -> bool {
        matches!(self.state, LeaseState::Queued { .. })
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn ended(&self) -> Option<&Ended> {
        match &self.state {
            LeaseState::Closing { ended, .. } | LeaseState::Closed { ended, .. } => Some(ended),
            LeaseState::Queued { .. } | LeaseState::Deploying { .. } | LeaseState::Active { .. } => None,
        }
    }

    /// True while it is in the tenant's hands.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.state, LeaseState::Active { .. })
    }

    /// True when it is over.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, LeaseState::Closed { .. })
    }

    /// By when it starts at the latest, as long as it waits.
    #[must_use]
    pub fn latest_start(&self) -> Option<Timestamp> {
        let promise = self.promise.filter(|_| self.is_queued());
        promise.map(|promise| Timestamp(promise.latest_ms))
    }

    /// From when on it goes before all that came later, as long as it waits.
    #[must_use]
    pub fn goes_first(&self, busy: &Busy) -> Option<Timestamp> {
        self.is_queued().then(|| match self.course.claim {
            // Others gave way to it.
            Some(_) => self.waits_from(),
            None => busy.goes_first(self.waits_from()),
        })
    }

    /// When time alone ends it.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            LeaseState::Queued { .. } => {
                // What it had machines for was no wait.
                let again = self.course.interruptions.last().map(|interruption| interruption.at);
                let since = again.unwrap_or_else(|| self.waits_from());
                Some(Timestamp(since.0.saturating_add(self.spec.max_wait_ms)))
            }
            LeaseState::Active { expires, .. } => Some(*expires),
            _ => None,
        }
    }

    /// Since when it would have started.
    #[must_use]
    pub fn waits_from(&self) -> Timestamp {
        self.spec.terms.not_before.map_or(self.requested, |earliest| earliest.max(self.requested))
    }

    /// True while its earliest start has not come.
    #[must_use]
    pub const fn is_early(&self) -> bool {
        self.course.early.is_some()
    }

    /// When time alone brings something about: its earliest start, a warning, or its end.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let early = self.course.early.filter(|_| self.is_queued());
        let warning = self.course.warning.filter(|_| matches!(self.state, LeaseState::Active { .. }));
        let notice = self.course.notice.map(|notice| notice.at);
        [early, warning.map(|warning| warning.at), notice, self.deadline()].into_iter().flatten().min()
    }

    /// By when an active lease gives its machines back, for all that is known.
    #[must_use]
    pub fn gives_back(&self) -> Option<Timestamp> {
        let LeaseState::Active { expires, .. } = self.state else { return None };
        Some(self.course.notice.map_or(expires, |notice| expires.min(notice.at)))
    }
}
