//! Processes by their numbers. A number alone may have been given to another process meanwhile, so each is remembered
//! with the time at which it started.

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pid: u32,
    /// Clock ticks from the start of the system to the start of the process.
    start: u64,
}

impl Process {
    /// The process that has this number now; `None` if there is none, or if it has ended and nobody has waited for
    /// it: such a one has no power any more, and no files.
    #[must_use]
    pub fn running(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let stat = Stat::parse(&stat)?;
        (!stat.has_ended()).then_some(Self { pid, start: stat.start })
    }

    /// True while it runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::running(self.pid) == Some(self)
    }

    /// Its number.
    #[must_use]
    pub const fn pid(self) -> u32 {
        self.pid
    }

    /// Sends a signal, if it still runs.
    pub(crate) fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // It may end at this moment.
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends it as the loss of power would, and waits until it has.
    ///
    /// # Errors
    /// If it does not end.
    pub fn kill(self) -> anyhow::Result<()> {
        self.signal(Signal::KILL);
        crate::wait::until("a killed process to end", Duration::from_secs(20), || {
            Ok((!self.is_alive()).then_some(()))
        })
    }

    /// Reads one that was recorded.
    pub(crate) fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Records it.
    pub(crate) fn save(self, path: &Path) -> anyhow::Result<()> {
        fs::write(path, serde_json::to_vec(&self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What proc(5) tells of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    threads: u32,
    start: u64,
}

impl Stat {
    /// Reads `/proc/PID/stat`. The name before the fields may contain spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(") ")?;
        // The state is the third field of the line, threads the 20th, and the start the 22nd.
        let fields: Vec<&str> = fields.split(' ').collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            threads: fields.get(17)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    /// The first thread of a killed process may have ended before the others, which then hold its files and locks.
    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

/// Starts a process that outlives this one, in a process group of its own so that Ctrl-C does not reach it. Its output
/// goes to `log`.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn spawn(command: &mut Command, log: &Path) -> anyhow::Result<Process> {
    use std::os::unix::process::CommandExt as _;
    let open = || File::options().create(true).append(true).open(log);
    let output = open().with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output).process_group(0);
    let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let process = Process::running(child.id());
    reap(child);
    process.with_context(|| format!("{command:?} ended at once; see {}", log.display()))
}

/// Waits for a child in the background, so that it does not stay as a zombie for as long as this process lives.
fn reap(mut child: Child) {
    std::thread::spawn(move || child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_process_with_an_odd_name() {
        let fields: Vec<String> = (4..=30).map(|n| n.to_string()).collect();
        let stat = format!("77 (a ) R b) S {}", fields.join(" "));
        assert_eq!(Stat::parse(&stat), Some(Stat { state: 'S', threads: 20, start: 22 }));
        assert_eq!(Stat::parse("77 (a"), None);
    }

    #[test]
    fn a_process_ends_with_its_last_thread() {
        let stat = |state, threads| Stat { state, threads, start: 1 };
        assert!(stat('Z', 1).has_ended());
        assert!(!stat('Z', 2).has_ended());
        assert!(!stat('S', 1).has_ended());
    }

    #[test]
    fn another_process_of_the_same_number_is_not_meant() {
        let me = Process::running(std::process::id()).unwrap();
        assert!(me.is_alive());
        assert!(!Process { start: me.start + 1, ..me }.is_alive());
    }

    #[test]
    fn a_killed_child_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let child = spawn(Command::new("sleep").arg("600"), &dir.path().join("log")).unwrap();
        assert!(child.is_alive());
        child.kill().unwrap();
        assert!(!child.is_alive());
    }
}
