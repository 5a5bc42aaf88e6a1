//! How much of everything a run may have.

use std::time::Duration;

/// Bounds on one run, and on the number of runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Runs that the controller has not acknowledged as finished.
    pub(crate) runs: usize,
    /// Output that is stored; what follows is dropped, with a word about it.
    pub(crate) output: u64,
    /// Output that is stored and not acknowledged. Beyond it the payload waits in its `write`.
    pub(crate) backlog: u64,
    /// Output that was sent and not acknowledged.
    pub(crate) window: u64,
    /// Data of one message.
    pub(crate) piece: u64,
    /// Between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
    /// How long what was in the pipe may take to arrive after the payload has ended.
    pub(crate) drain: Duration,
    /// What is collected.
    pub(crate) files: FileLimits,
}

/// Bounds on the files that are collected from one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileLimits {
    pub(crate) count: usize,
    pub(crate) file_bytes: u64,
    pub(crate) total_bytes: u64,
    /// Directories below the working directory.
    pub(crate) depth: usize,
    /// Directory entries that are looked at.
    pub(crate) entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            runs: 64,
            output: 1 << 30,
            backlog: 64 << 20,
            window: 1 << 20,
            piece: 32 << 10,
            grace: Duration::from_secs(10),
            drain: Duration::from_secs(2),
            files: FileLimits::default(),
        }
    }
}

impl Default for FileLimits {
    fn default() -> Self {
        Self { count: 256, file_bytes: 16 << 20, total_bytes: 64 << 20, depth: 16, entries: 50_000 }
    }
}
