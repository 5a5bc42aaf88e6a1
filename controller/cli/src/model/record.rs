//! What failures and proofs say of machines and images.

use super::{all, optional, time};
use crate::text::clean;
use hostler_proto::node::v1 as pb;
use serde::Serialize;

/// Something that did not succeed on every rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) at_ms: u64,
    pub(crate) step: String,
    pub(crate) evidence: String,
    /// What was to be deployed.
    pub(crate) image: Option<String>,
    /// It speaks against the machine.
    pub(crate) counts: bool,
}

/// A burn-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Proof {
    pub(crate) at_ms: u64,
    pub(crate) duration_ms: u64,
    /// Empty where inspection and wipe were all the proof.
    pub(crate) checks: Vec<Check>,
}

/// One part of a burn-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) part: String,
    pub(crate) passed: bool,
    pub(crate) detail: String,
}

/// A good machine on which an image failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FailedOn {
    pub(crate) node: String,
    pub(crate) at_ms: Option<u64>,
    pub(crate) evidence: String,
}

impl From<pb::Failure> for Failure {
    fn from(failure: pb::Failure) -> Self {
        Self {
            at_ms: failure.at_ms,
            step: clean(&failure.step),
            evidence: clean(&failure.evidence),
            image: optional(&failure.image),
            counts: failure.counts,
        }
    }
}

impl From<pb::Proof> for Proof {
    fn from(proof: pb::Proof) -> Self {
        Self { at_ms: proof.at_ms, duration_ms: proof.duration_ms, checks: all(proof.checks) }
    }
}

impl From<pb::Check> for Check {
    fn from(check: pb::Check) -> Self {
        Self { part: clean(&check.part), passed: check.passed, detail: clean(&check.detail) }
    }
}

impl From<pb::FailedOn> for FailedOn {
    fn from(failed: pb::FailedOn) -> Self {
        Self { node: clean(&failed.node), at_ms: time(failed.at_ms), evidence: clean(&failed.evidence) }
    }
}
