//! One line for each machine, with its state and what it waits for. On a terminal the lines stay in place; elsewhere
//! each change of state is a line of its own.

use super::script::Cli;
use anyhow::Context as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::process::Stdio;

/// Lines that a terminal is expected to have; a larger room is shown by its counts.
const TALL: usize = 40;

pub(super) struct Board {
    live: bool,
    nodes: BTreeMap<String, Shown>,
    drawn: usize,
}

#[derive(Clone, PartialEq, Eq)]
struct Shown {
    arch: String,
    firmware: String,
    state: String,
    reason: String,
}

impl Board {
    pub(super) fn new(live: bool) -> Self {
        Self { live, nodes: BTreeMap::new(), drawn: 0 }
    }

    /// Shows the room until every machine is ready.
    ///
    /// # Errors
    /// If a machine is given up: nothing was broken on purpose here.
    pub(super) fn until_all_ready(mut self, admin: &Cli) -> anyhow::Result<()> {
        let total = admin.json(["node", "list"])?.as_array().map_or(0, Vec::len);
        let mut watch = admin
            .command(["node", "list", "--watch", "--output", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start hostler")?;
        let lines = BufReader::new(watch.stdout.take().context("no output")?).lines();
        let mut result = Err(anyhow::anyhow!("the list of machines ended"));
        for line in lines {
            let node: Value =
                serde_json::from_str(&line?).context("hostler printed something else than JSON")?;
            if let Some(problem) = self.update(&node) {
                result = Err(anyhow::anyhow!(problem));
                break;
            }
            if self.nodes.len() == total && self.nodes.values().all(|n| n.state == "ready") {
                result = Ok(());
                break;
            }
        }
        watch.kill()?;
        watch.wait()?;
        if result.is_ok() && !self.live {
            eprintln!("all {total} machines are ready");
        }
        result
    }

    /// Takes in one change; returns what is wrong, if something is.
    fn update(&mut self, node: &Value) -> Option<String> {
        let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
        let (name, shown) = (
            text("name"),
            Shown {
                arch: text("arch"),
                firmware: text("firmware"),
                state: text("state"),
                reason: text("reason"),
            },
        );
        if shown.state == "failed" {
            return Some(format!("{name} failed: {}", shown.reason));
        }
        let before = self.nodes.insert(name.clone(), shown.clone());
        if self.live {
            if before.as_ref() != Some(&shown) {
                self.draw();
            }
        } else if before.map(|b| b.state) != Some(shown.state.clone()) {
            eprintln!("{}", line(&name, &shown));
        }
        None
    }

    fn draw(&mut self) {
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        let lines: Vec<String> = if self.nodes.len() <= TALL {
            self.nodes.iter().map(|(name, shown)| line(name, shown)).collect()
        } else {
            self.counts()
        };
        for line in &lines {
            let cut: String = line.chars().take(width()).collect();
            text.push_str(&format!("\x1b[2K{}\n", paint(&cut)));
        }
        // A machine that left the board leaves a blank line.
        for _ in lines.len()..self.drawn {
            text.push_str("\x1b[2K\n");
        }
        self.drawn = self.drawn.max(lines.len());
        let mut out = std::io::stderr().lock();
        // A closed terminal is no reason to stop.
        let _ = out.write_all(text.as_bytes());
    }

    fn counts(&self) -> Vec<String> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for node in self.nodes.values() {
            *counts.entry(&node.state).or_default() += 1;
        }
        counts.iter().map(|(state, count)| format!("{count:5} {state}")).collect()
    }
}

fn line(name: &str, shown: &Shown) -> String {
    let Shown { arch, firmware, state, reason } = shown;
    format!("  {name:<8} {arch:<8} {firmware:<12} {state:<11} {reason}")
}

/// The state in a colour, where colours are wanted.
fn paint(line: &str) -> String {
    if std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal() {
        return line.to_owned();
    }
    for (word, colour) in
        [("ready", 32), ("leased", 36), ("deploying", 34), ("cleaning", 33), ("inspecting", 35)]
    {
        if let Some(at) = line.find(&format!(" {word} ")) {
            let (before, rest) = line.split_at(at + 1);
            let (word, after) = rest.split_at(word.len());
            return format!("{before}\x1b[{colour}m{word}\x1b[0m{after}");
        }
    }
    line.to_owned()
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map_or(100, |s| usize::from(s.ws_col).max(40)) - 1
}
