//! Where the output of a run goes: the screen or JSON lines, and a log for each node.

use crate::error::Error;
use crate::follow::{Labels, Lines};
use crate::model::run::{Run, Task};
use crate::render;
use crate::results::Results;
use crate::session::Session;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;

/// One line of `--output json`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Started {
        run: &'a Run,
    },
    /// A line that a node wrote, without its end. What is not UTF-8 is replaced.
    Output {
        node: &'a str,
        text: &'a str,
    },
    Task {
        task: &'a Task,
    },
}

/// Takes what the nodes write.
pub(super) struct Output<'a> {
    session: &'a Session,
    labels: Labels,
    is_raw: bool,
    partial: BTreeMap<String, Lines>,
    logs: BTreeMap<String, File>,
    results: Option<&'a Results>,
}

impl<'a> Output<'a> {
    /// Output of `run` from its beginning.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub(super) fn new(
        session: &'a Session,
        run: &Run,
        is_raw: bool,
        results: Option<&'a Results>,
    ) -> Result<Self, Error> {
        if session.ui.is_json() {
            session.ui.json_line(&Line::Started { run })?;
        }
        let labels = Labels::new(&run.tasks, session.ui.out);
        Ok(Self { session, labels, is_raw, partial: BTreeMap::new(), logs: BTreeMap::new(), results })
    }

    /// `data` is what `node` wrote next.
    ///
    /// # Errors
    /// [`Error::Stdout`], [`Error::Write`].
    pub(super) fn write(&mut self, node: &str, data: &[u8]) -> Result<(), Error> {
        self.log(node, data)?;
        if self.is_raw && !self.session.ui.is_json() {
            return self.session.ui.print_bytes(data);
        }
        let (session, labels) = (self.session, &self.labels);
        let lines = self.partial.entry(node.to_owned()).or_default();
        lines.push(data, |line| print(session, labels, node, line))
    }

    /// `node` will write no more.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub(super) fn finish(&mut self, node: &str) -> Result<(), Error> {
        let mut lines = self.partial.remove(node).unwrap_or_default();
        lines.finish(|line| print(self.session, &self.labels, node, line))
    }

    /// A task is where it was not before.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub(super) fn task(&self, task: &Task) -> Result<(), Error> {
        if self.session.ui.is_json() {
            self.session.ui.json_line(&Line::Task { task })
        } else {
            if task.state.is_over() {
                self.session.ui.notice(&render::run::task(task));
            }
            Ok(())
        }
    }

    fn log(&mut self, node: &str, data: &[u8]) -> Result<(), Error> {
        let Some(results) = self.results else { return Ok(()) };
        if !self.logs.contains_key(node) {
            self.logs.insert(node.to_owned(), results.log(node)?);
        }
        let Some(log) = self.logs.get_mut(node) else { return Ok(()) };
        log.write_all(data).map_err(Error::write(format!("{node}/output.log")))
    }
}

fn print(session: &Session, labels: &Labels, node: &str, line: &[u8]) -> Result<(), Error> {
    if session.ui.is_json() {
        session.ui.json_line(&Line::Output { node, text: &String::from_utf8_lossy(line) })
    } else {
        session.ui.print_bytes(&labels.prefixed(node, line))
    }
}
