//! What a machine prints.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Older lines scroll away.
const KEPT_LINES: usize = 200;
/// Longer lines are cut.
const MAX_LINE: usize = 2048;

/// The console of one machine. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Console {
    machine: Arc<str>,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Console {
    pub(super) fn new(machine: &str) -> Self {
        Self { machine: machine.into(), lines: Arc::default() }
    }

    /// The last lines, oldest first. Command lines are among them, with the tokens that they carry.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn machine(&self) -> &str {
        &self.machine
    }

    pub(super) fn say(&self, line: &str) {
        let line: String = line.chars().take(MAX_LINE).collect();
        tracing::debug!("{}: {line}", self.machine);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        if lines.len() > KEPT_LINES {
            lines.pop_front();
        }
    }
}
