//! What every command has at hand: the terminal, the way to the controller, and what to say when it is interrupted.

use crate::cli::Globals;
use crate::client::Client;
use crate::error::Error;
use crate::interrupt::Signal;
use crate::ui::Ui;
use std::cell::RefCell;

/// One execution of `hostler`.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) ui: Ui,
    globals: Globals,
    next: RefCell<Vec<String>>,
}

impl Session {
    pub(crate) fn new(globals: Globals) -> Self {
        Self { ui: Ui::new(globals.output, globals.color), globals, next: RefCell::default() }
    }

    /// Reads the credentials; called after a command has looked at its own input, so that a typo is reported first.
    ///
    /// # Errors
    /// [`Error::Credentials`].
    pub(crate) fn connect(&self) -> Result<Client<'_>, Error> {
        Client::new(&self.ui, self.globals.credentials.as_deref(), self.globals.retry_for)
    }

    /// From now on, an interrupted command leaves this behind, and these are the commands that go on from there.
    pub(crate) fn if_interrupted<const N: usize>(&self, next: [String; N]) {
        self.next.replace(next.into());
    }

    /// The error of a command that ends with `signal`.
    pub(crate) fn interrupted(&self, signal: Signal) -> Error {
        self.ui.keep_live();
        Error::Interrupted { signal, next: self.next.take() }
    }
}
