//! How images earn trust, and lose it.
//!
//! An image is catalogued for each architecture by itself, and so it is trusted: that it runs on one says nothing of
//! another.

use crate::catalogue::{Image, ImageStatus};
use crate::ids::NodeId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// So many deployments make a candidate good. The second one shows that the first was no chance; they may be on one
/// machine, since of some architectures there is only one.
pub const DEPLOYMENTS: u32 = 2;

/// On so many good machines in a row an image has to fail until it is taken to be at fault instead of them.
pub const WITNESSES: usize = 2;

/// What speaks for an image, and against it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trust {
    /// How often it was deployed since it was added or cleared; counted as far as it matters.
    pub deployed: u32,
    /// Good machines on which it failed since it last succeeded anywhere, each once.
    pub failed_on: Vec<FailedOn>,
}

/// A good machine on which an image failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedOn {
    /// Which.
    pub node: NodeId,
    /// When.
    pub at: Timestamp,
    /// What was seen.
    pub evidence: String,
}

impl Image {
    /// True unless it may be at fault that machines fail, or another took its place.
    #[must_use]
    pub const fn may_be_asked_for(&self) -> bool {
        matches!(self.status, ImageStatus::Candidate | ImageStatus::Good)
    }

    /// Some machine has run it since it was added or cleared.
    pub(crate) fn was_ever_booted(&self) -> bool {
        self.status == ImageStatus::Good || self.trust.deployed > 0
    }

    /// A machine runs it. True if that makes it good.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.trust.deployed = DEPLOYMENTS.min(self.trust.deployed + 1);
        let earned = self.status == ImageStatus::Candidate && self.trust.deployed == DEPLOYMENTS;
        if earned {
            self.status = ImageStatus::Good;
        }
        if self.status != ImageStatus::Suspect {
            self.trust.failed_on.clear();
        }
        earned
    }

    /// It failed on a good machine. True if that makes it suspect.
    pub(crate) fn failed(&mut self, on: FailedOn) -> bool {
        if !self.may_be_asked_for() {
            return false;
        }
        self.trust.failed_on.retain(|earlier| earlier.node != on.node);
        self.trust.failed_on.push(on);
        let suspect = self.trust.failed_on.len() >= WITNESSES;
        if suspect {
            self.status = ImageStatus::Suspect;
        }
        suspect
    }

    /// Somebody takes the suspicion away: it earns its trust anew.
    pub(crate) fn clear(&mut self) {
        self.status = ImageStatus::Candidate;
        self.trust = Trust::default();
    }
}
