//! A boot: one power-on or restart that the controller ordered, and what was seen of it.
//!
//! Power is an attempt, not a command. The attempt is stored before its first packet; what the BMC answers is only
//! its outcome, and only evidence from the machine itself shows that it booted.

use crate::ahead::Ahead;
use crate::ids::BootId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One attempt to bring a machine up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Never given twice.
    pub id: BootId,
    /// What it is for.
    pub purpose: Purpose,
    /// How it was ordered.
    pub rung: Rung,
    /// When; while it waits to be handed out, since when it waits.
    pub ordered: Timestamp,
    /// What the BMC said.
    pub power: PowerOutcome,
    /// What was seen, the first of each kind, in order.
    pub evidence: Vec<Evidence>,
    /// Where the time went, in order.
    pub phases: Vec<PhaseTime>,
    /// SHA-256 of the public key to which the one-time token is bound.
    pub key: Option<String>,
    /// When the one-time token ends.
    pub token_expires: Timestamp,
    /// How far the agent is.
    pub stage: Stage,
    /// Starts of the deployed system within this boot.
    pub incarnation: u32,
    /// Why the boot before this one was given up; or, in a lease, why this one came to nothing.
    pub because: Option<String>,
    /// Public ssh host keys of the deployed system, one "TYPE BASE64" each.
    pub host_keys: Vec<String>,
    /// Its ramdisk agent knows how to burn a machine in.
    #[serde(default)]
    pub proves: bool,
    /// When a lease was given the machine that waited in the ramdisk in which it was wiped: what follows of this boot is
    /// the lease's.
    #[serde(default)]
    pub taken: Option<Timestamp>,
    /// The image that is written to the disk while nobody has the machine.
    #[serde(default)]
    pub ahead: Option<Ahead>,
    /// How often one was ordered to be written in this boot.
    #[serde(default)]
    pub ahead_orders: u16,
}

/// What a boot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Inspect and wipe.
    Prepare,
    /// Write an image to a disk and start it.
    Deploy,
    /// Start a system in memory: a restart ends it, and the disks have nothing of it.
    DeployDiskless,
    /// No boot but its opposite: the machine is powered off until somebody needs it.
    Rest,
}

impl Purpose {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Deploy => "deploy",
            Self::DeployDiskless => "deploy diskless",
            Self::Rest => "rest powered off",
        }
    }
}

/// The ladder: how a boot was ordered, from the first try to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rung {
    /// Set the boot device, then power on, or cycle if it is on.
    First,
    /// The same again.
    Repeat,
    /// Off, seen to be off, on.
    HardCycle,
    /// Restart the BMC, then off and on.
    BmcReset,
}

impl Rung {
    /// The next rung up.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::First => Some(Self::Repeat),
            Self::Repeat => Some(Self::HardCycle),
            Self::HardCycle => Some(Self::BmcReset),
            Self::BmcReset => None,
        }
    }

    /// What is done, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "power on from the network",
            Self::Repeat => "second try",
            Self::HardCycle => "hard power cycle",
            Self::BmcReset => "BMC cold reset and power cycle",
        }
    }
}

/// What the BMC said to a power attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerOutcome {
    /// The order was not handed out yet: too many machines are starting.
    Waiting,
    /// No answer yet.
    Outstanding,
    /// It said that it was done; nothing more is known from that.
    Acknowledged {
        /// When.
        at: Timestamp,
        /// The system GUID that the BMC reports, as a lower-case UUID; none if it has none.
        guid: Option<String>,
    },
    /// Nobody knows whether it happened: the answer was lost, or the controller was restarted.
    Unknown {
        /// When that was noticed.
        at: Timestamp,
        /// What was seen instead.
        detail: String,
    },
}

/// How far the agent is in a boot. Only forward, but that a machine which is taken over is inspected once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// No agent yet.
    Firmware,
    /// It has a certificate.
    Enrolled,
    /// It said hello and is told to inspect.
    Inspect,
    /// It is the registered machine; nothing is ordered (an approval is awaited, or all is done).
    Idle,
    /// It is told to wipe.
    Wipe,
    /// It is told to burn the machine in.
    Prove,
    /// It is told to write the image.
    Deploy,
    /// It is told to start the deployed system.
    Start,
    /// The agent of the deployed system said hello.
    Deployed,
}

/// An observed fact about a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What.
    pub kind: EvidenceKind,
    /// For people.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// Kinds of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EvidenceKind {
    /// DHCP from its Ethernet address.
    Dhcp,
    /// A TFTP transfer.
    Tftp,
    /// The boot script was rendered for it.
    Script,
    /// An HTTP transfer.
    Http,
    /// Its agent redeemed the token.
    Enrolled,
    /// Its ramdisk agent said hello.
    Hello,
    /// The agent read the identity that is registered.
    Identity,
    /// Every disk was wiped and read back.
    Wiped,
    /// The burn-in was reported.
    Proved,
    /// The image was written and its digest agreed.
    Deployed,
    /// The agent of the deployed system said hello.
    DeployedHello,
    /// The firmware ran again: it asked for an address after the boot script was read, or for the boot script after
    /// its token was used.
    UnexpectedRestart,
}

impl EvidenceKind {
    /// The words in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dhcp => "dhcp",
            Self::Tftp => "tftp",
            Self::Script => "script",
            Self::Http => "http",
            Self::Enrolled => "enrolled",
            Self::Hello => "hello",
            Self::Identity => "identity",
            Self::Wiped => "wiped",
            Self::Proved => "proved",
            Self::Deployed => "deployed",
            Self::DeployedHello => "deployed hello",
            Self::UnexpectedRestart => "unexpected restart",
        }
    }
}

/// A part of a boot of which the time is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// From the order to the BMC's answer.
    Power,
    /// Firmware and DHCP: from the BMC's answer to the last DHCP answer.
    Dhcp,
    /// TFTP transfers.
    Tftp,
    /// HTTP transfers before the agent runs.
    Http,
    /// From the last transfer to the agent's hello.
    Agent,
    /// Inspection.
    Inspect,
    /// Wipe and read-back.
    Wipe,
    /// Burn-in.
    Prove,
    /// Image written and verified.
    Image,
    /// From the order to start the deployed system to its agent's hello.
    Deployed,
}

impl Phase {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Dhcp => "dhcp",
            Self::Tftp => "tftp",
            Self::Http => "http",
            Self::Agent => "agent",
            Self::Inspect => "inspect",
            Self::Wipe => "wipe",
            Self::Prove => "prove",
            Self::Image => "image",
            Self::Deployed => "deployed",
        }
    }
}

/// One phase of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// Which.
    pub phase: Phase,
    /// From.
    pub start: Timestamp,
    /// To.
    pub end: Timestamp,
}

impl Boot {
    /// A boot whose power order waits to be handed out.
    pub(crate) const fn mint(id: BootId, purpose: Purpose, rung: Rung, now: Timestamp) -> Self {
        Self {
            id,
            purpose,
            rung,
            ordered: now,
            power: PowerOutcome::Waiting,
            evidence: Vec::new(),
            phases: Vec::new(),
            key: None,
            token_expires: now,
            stage: Stage::Firmware,
            incarnation: 0,
            because: None,
            host_keys: Vec::new(),
            proves: false,
            taken: None,
            ahead: None,
            ahead_orders: 0,
        }
    }

    /// The same boot in the hands of a lease, for which the machine is looked at once more: it has waited, and whoever
    /// passed by may have put a disk into it. Where the time went is told of the lease's part.
    pub(crate) fn taken_over(mut self, purpose: Purpose, now: Timestamp) -> Self {
        self.purpose = purpose;
        self.taken = Some(now);
        self.stage = Stage::Inspect;
        self.because = None;
        self.ahead = None;
        self.phases.clear();
        self
    }

    /// When this was first seen, if it was.
    #[must_use]
    pub fn seen(&self, kind: EvidenceKind) -> Option<Timestamp> {
        self.evidence.iter().find(|e| e.kind == kind).map(|e| e.at)
    }

    /// True if what it started is in memory only.
    #[must_use]
    pub fn is_diskless(&self) -> bool {
        self.purpose == Purpose::DeployDiskless
    }

    /// True once the machine gave any sign of this boot.
    #[must_use]
    pub const fn was_seen(&self) -> bool {
        !self.evidence.is_empty()
    }

    /// True until anything is known of its power order: the machine may still be running the boot before.
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        matches!(self.power, PowerOutcome::Waiting | PowerOutcome::Outstanding)
    }

    /// Adds evidence; true if it is the first of its kind.
    pub(crate) fn witness(&mut self, kind: EvidenceKind, detail: &str, now: Timestamp) -> bool {
        let first = self.seen(kind).is_none();
        if first {
            self.evidence.push(Evidence { kind, detail: detail.to_owned(), at: now });
        }
        first
    }

    /// Extends a phase to `end`, or begins it.
    pub(crate) fn spend(&mut self, phase: Phase, start: Timestamp, end: Timestamp) {
        match self.phases.iter_mut().find(|p| p.phase == phase) {
            Some(known) => {
                known.start = known.start.min(start);
                known.end = known.end.max(end);
            }
            None => self.phases.push(PhaseTime { phase, start, end }),
        }
    }

    /// The end of the latest phase, or the order itself.
    pub(crate) fn last_end(&self) -> Timestamp {
        self.phases.iter().map(|p| p.end).max().or(self.taken).unwrap_or(self.ordered)
    }
}
