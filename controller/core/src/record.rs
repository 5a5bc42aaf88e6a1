//! What a machine's failures and proofs say of it.

use crate::ids::ImageId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// So many failures quarantine a machine: one may be chance, or the image's fault.
pub const STRIKES: usize = 2;

/// So many failures are remembered.
const REMEMBERED: usize = 8;

/// What a machine's failures and proofs say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Its failures, the latest last.
    pub failures: Vec<Failure>,
    /// It is to be proved before anybody gets it.
    pub due: bool,
    /// The last proof.
    pub proof: Option<Proof>,
}

/// Something that did not succeed on every rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When it was given up.
    pub at: Timestamp,
    /// What did not succeed.
    pub step: String,
    /// What was seen.
    pub evidence: String,
    /// What was to be deployed.
    pub image: Option<ImageId>,
    /// It speaks against the machine: a good image was to be deployed, none has been since, and the image has not come
    /// under suspicion.
    pub counts: bool,
}

/// A burn-in in the ramdisk, behind inspection and wipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When it was reported.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What was checked. Empty where the agent knows of no burn-in: then inspection and wipe are all the proof.
    pub checks: Vec<Check>,
}

/// One part of a burn-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// "memory", "processors" or "disks".
    pub part: String,
    /// Whether it is as it should be.
    pub passed: bool,
    /// What was done, or what is wrong.
    pub detail: String,
}

impl Record {
    /// How many of the failures speak against the machine.
    #[must_use]
    pub fn strikes(&self) -> usize {
        self.failures.iter().filter(|failure| failure.counts).count()
    }

    pub(crate) fn note(&mut self, failure: Failure) {
        if self.failures.len() == REMEMBERED {
            self.failures.remove(0);
        }
        self.failures.push(failure);
    }

    /// What has failed so far is told, and does not speak against the machine any more.
    pub(crate) fn forgive(&mut self, which: impl Fn(&Failure) -> bool) {
        for failure in self.failures.iter_mut().filter(|failure| which(failure)) {
            failure.counts = false;
        }
    }
}

impl Proof {
    /// What is wrong, for people; none if nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let failed = self.checks.iter().filter(|check| !check.passed);
        let problems: Vec<_> = failed.map(|check| format!("{}: {}", check.part, check.detail)).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}
