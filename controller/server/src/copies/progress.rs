//! How far a copy is, on a terminal.

use hostler_store::copy::Step;
use std::io::{IsTerminal as _, Write as _};

/// One line that is written over and over; nothing if nobody watches.
pub(super) struct Progress {
    is_watched: bool,
    was_shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_watched: std::io::stderr().is_terminal(), was_shown: false }
    }

    pub(super) fn show(&mut self, step: Step) {
        if self.is_watched {
            let verb = if step.comparing { "compared" } else { "copied" };
            // Nobody is told of a terminal that went away.
            let _ = write!(std::io::stderr(), "\r\x1b[K{} rows {verb}, at {}", step.rows, step.table);
            self.was_shown = true;
        }
    }

    pub(super) fn end(&self) {
        if self.was_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
