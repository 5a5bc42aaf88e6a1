//! A payload's process group.

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// A payload that runs. Dropping it kills its whole process group.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Its leader is the child. `None` once the child was reaped: from then on the number may be another's.
    group: Option<Pid>,
    /// Tells of the child's end before it is reaped. `None` on Linux before 5.3.
    end: Option<AsyncFd<OwnedFd>>,
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    /// Program and arguments.
    pub(crate) command: &'a [String],
    /// The whole environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
    pub(crate) directory: &'a Path,
    pub(crate) stdin: Option<File>,
}

impl Process {
    /// Starts the payload as the leader of a process group of its own. Standard output and error are one pipe, so
    /// that what is read is in the order in which it was written.
    pub(crate) fn start(payload: Payload<'_>) -> io::Result<(Self, pipe::Receiver)> {
        let (program, arguments) = payload
            .command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"))?;
        check_environment(payload.environment)?;
        let (output, stdout) = io::pipe()?;
        let stderr = stdout.try_clone()?;
        let output = pipe::Receiver::from_owned_fd(output.into())?;
        // The command holds the writing ends; it must be gone before the end of the output can be seen.
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(payload.environment)
            .current_dir(payload.directory)
            .stdin(payload.stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok((Self { child, group, end: group.and_then(watch_end) }, output))
    }

    /// The first process of the group, until it has been waited for.
    pub(crate) const fn leader(&self) -> Option<Pid> {
        self.group
    }

    /// Sends a signal to every process of the group. Nothing if the payload has been waited for.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(group) = self.group else { return };
        match kill_process_group(group, signal) {
            // There is no member left to tell.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => {
                tracing::warn!(?signal, group = group.as_raw_nonzero(), "cannot signal a payload: {error}")
            }
        }
    }

    /// Waits for the payload's end, and kills what it has left behind in its group. May be dropped and awaited again.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(end) = &self.end {
            // While the child is a zombie nobody else can have its number.
            let _ended = end.readable().await?;
            self.signal(Signal::KILL);
        }
        let status = self.child.wait().await?;
        if self.end.is_none() {
            self.signal(Signal::KILL);
        }
        self.group = None;
        Ok(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A descriptor that becomes readable when the process ends.
fn watch_end(process: Pid) -> Option<AsyncFd<OwnedFd>> {
    let fd = pidfd_open(process, PidfdFlags::empty()).ok()?;
    #[expect(deprecated, reason = "its successor is unsafe for the sake of types other than OwnedFd")]
    AsyncFd::with_interest(fd, Interest::READABLE).ok()
}

fn check_environment(environment: &BTreeMap<String, String>) -> io::Result<()> {
    match environment.keys().find(|name| name.is_empty() || name.contains('=')) {
        Some(name) => {
            let error = format!("{name:?} cannot be the name of an environment variable");
            Err(io::Error::new(io::ErrorKind::InvalidInput, error))
        }
        None => Ok(()),
    }
}
