//! Runs: executions of a payload on members of an active lease.
//!
//! A payload is started at most once on each node. Where nobody can say whether it was (the machine restarted before
//! its agent reported), its task is lost, and said to be.

use crate::ids::{LeaseId, NodeId, RunId};
use crate::lease::{CloseReason, Lease};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a tenant wants to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Only on the members of this role; empty for all.
    pub role: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Added to the environment.
    pub environment: BTreeMap<String, String>,
    /// Killed after this, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Patterns of JUnit files to collect.
    pub junit: Vec<String>,
    /// Digest of the bytes for standard input, kept by the shell; empty for none.
    pub stdin_sha256: String,
}

/// One execution of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// On which lease.
    pub lease: LeaseId,
    /// Chosen by the caller: the same key again is the same run.
    pub key: String,
    /// What.
    pub spec: RunSpec,
    /// One for each node.
    pub tasks: Vec<Task>,
    /// When it was asked for.
    pub requested: Timestamp,
    /// Someone asked to stop it.
    pub stop: Option<String>,
}

/// The part of a run that happens on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Where.
    pub node: NodeId,
    /// In which role.
    pub role: String,
    /// How far.
    pub state: TaskState,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// Ordered.
    Pending {
        /// The incarnation of the deployed system that is told of it; another one does not start it. None while no
        /// agent is heard: nobody was told, and it waits for the agent that comes.
        incarnation: Option<u32>,
    },
    /// Its process runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It ended, by itself or by a limit.
    Finished {
        /// Since when it ran.
        since: Timestamp,
        /// Until when.
        at: Timestamp,
        /// How.
        result: TaskResult,
    },
    /// Nobody knows how it ended.
    Lost {
        /// When that was noticed.
        at: Timestamp,
        /// Why.
        reason: String,
    },
}

/// How a payload ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskResult {
    /// Exit code, or 128 + signal.
    pub exit_code: i32,
    /// Who ended it and why; empty if it ended by itself.
    pub killed: String,
    /// True if nobody saw it end: `killed` says what happened to it.
    #[serde(default)]
    pub lost: bool,
    /// Why it could not be started; empty if it was.
    pub start_error: String,
    /// Bytes of output.
    pub output_bytes: u64,
    /// Totals of the collected JUnit files: tests, failures, errors, skipped. None if there were none.
    pub junit: Option<[u32; 4]>,
    /// Collected files.
    pub files: Vec<File>,
}

/// A file that a task left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Relative to the payload's working directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

impl TaskState {
    /// True when nothing more will happen.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Lost { .. })
    }

    /// What is wrong with how it ended, for people; none if nothing is, or it goes on.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match self {
            Self::Pending { .. } | Self::Running { .. } => None,
            Self::Lost { reason, .. } => Some(format!("lost: {reason}")),
            Self::Finished { result, .. } => result.failure(),
        }
    }

    /// True if it was lost since the time of its lease was over, or somebody gave that back: no machine failed.
    #[must_use]
    pub fn was_cut_off(&self, lease: &Lease) -> bool {
        let Self::Lost { at, .. } = self else { return false };
        lease.ended().is_some_and(|ended| {
            let by_somebody =
                matches!(ended.reason, CloseReason::Expired | CloseReason::Released | CloseReason::Abandoned);
            by_somebody && ended.at == *at
        })
    }

    /// True while it waits for an agent, so that no machine was ever told of it.
    #[must_use]
    pub const fn is_untold(&self) -> bool {
        matches!(self, Self::Pending { incarnation: None })
    }
}

impl TaskResult {
    /// As shells say it of a command that they do not find.
    const NOT_STARTED: i32 = 127;

    /// The exit code, 128 + signal, or 127 if it could not be started.
    #[must_use]
    pub const fn code(&self) -> i32 {
        if self.start_error.is_empty() { self.exit_code } else { Self::NOT_STARTED }
    }

    fn failure(&self) -> Option<String> {
        let [_, failures, errors, _] = self.junit.unwrap_or_default();
        let failed = failures.saturating_add(errors);
        if !self.start_error.is_empty() {
            Some(format!("it could not be started: {}", self.start_error))
        } else if !self.killed.is_empty() {
            Some(format!("it was ended: {}", self.killed))
        } else if self.exit_code != 0 {
            Some(format!("exit code {}", self.exit_code))
        } else {
            (failed > 0).then(|| format!("failed tests: {failed}"))
        }
    }
}

impl Run {
    /// The task on `node`.
    #[must_use]
    pub fn task(&self, node: NodeId) -> Option<&Task> {
        self.tasks.iter().find(|t| t.node == node)
    }
}
