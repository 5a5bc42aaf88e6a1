//! The two output streams. Results go to the standard output; progress, notices and errors to the standard error.

use crate::cli::{Color, Format};
use crate::error::Error;
use crate::render::live;
use crate::render::look::{Look, Tone};
use serde::Serialize;
use std::cell::RefCell;
use std::io::{self, IsTerminal, Write as _};
use terminal_size::terminal_size_of;

/// Where the program writes to.
#[derive(Debug)]
pub(crate) struct Ui {
    format: Format,
    /// How results look.
    pub(crate) out: Look,
    /// How everything else looks.
    pub(crate) err: Look,
    live: RefCell<live::Region>,
}

impl Ui {
    pub(crate) fn new(format: Format, color: Color) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let look = |is_terminal, size: Option<(terminal_size::Width, terminal_size::Height)>| Look {
            color: color.applies(is_terminal),
            size: size.filter(|_| is_terminal && !is_dumb).map(|(width, height)| (width.0, height.0)),
        };
        Self {
            format,
            out: look(out.is_terminal(), terminal_size_of(&out)),
            err: look(err.is_terminal(), terminal_size_of(&err)),
            live: RefCell::default(),
        }
    }

    /// True if results are to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints a result: as JSON, or as the text that `render` makes.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub(crate) fn result<T: Serialize + ?Sized>(
        &self,
        value: &T,
        render: impl FnOnce(&T, &Look) -> String,
    ) -> Result<(), Error> {
        match self.format {
            Format::Json => self.json(value),
            Format::Table => self.print(&render(value, &self.out)),
        }
    }

    /// Prints one value as a JSON document.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub(crate) fn json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Error::Stdout(e.into()))?;
        self.print(&format!("{text}\n"))
    }

    /// Prints one value of a stream as one line of JSON.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub(crate) fn json_line<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        let text = serde_json::to_string(value).map_err(|e| Error::Stdout(e.into()))?;
        self.print(&format!("{text}\n"))
    }

    /// Prints `text` to the standard output as it is.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub(crate) fn print(&self, text: &str) -> Result<(), Error> {
        self.print_bytes(text.as_bytes())
    }

    /// Prints `bytes` to the standard output as they are.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub(crate) fn print_bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        self.clear_live();
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(Error::Stdout)
    }

    /// A line of progress.
    pub(crate) fn notice(&self, line: &str) {
        self.write_err(&format!("{line}\n"));
    }

    /// Something that the user should look at, although the command goes on.
    pub(crate) fn warning(&self, line: &str) {
        self.notice(&format!("{}: {line}", self.err.paint(Tone::Warn, "warning")));
    }

    /// The report of an error.
    pub(crate) fn error(&self, report: &str) {
        self.write_err(&report.replacen("error:", &self.err.paint(Tone::Bad, "error:"), 1));
    }

    /// True if progress can be redrawn in place.
    pub(crate) fn is_live(&self) -> bool {
        self.err.size.is_some() && self.format == Format::Table
    }

    /// Draws `lines` in place of those that were drawn last.
    pub(crate) fn draw(&self, lines: &[String]) {
        let Some((width, height)) = self.err.size else { return };
        let text = self.live.borrow_mut().redraw(lines, usize::from(width), usize::from(height));
        self.write_raw(&text);
    }

    /// Lets what was drawn last stand, and goes on below it.
    pub(crate) fn keep_live(&self) {
        self.live.borrow_mut().keep();
    }

    fn clear_live(&self) {
        let text = self.live.borrow_mut().clear();
        self.write_raw(&text);
    }

    fn write_err(&self, text: &str) {
        self.clear_live();
        self.write_raw(text);
    }

    fn write_raw(&self, text: &str) {
        // There is nobody left to tell if the standard error is gone.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}
