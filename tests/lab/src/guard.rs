//! A process that takes a lab down when the process that made it ends, in whatever way.
//!
//! Destructors do not run when a process is killed, and a signal at the death of a parent is sent when its *thread*
//! ends. The end of a pipe is neither late nor early.

use crate::lab::Lab;
use anyhow::Context as _;
use hostler_checkout::programs::Programs;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

/// What the guard reads when the lab needs it no longer.
const DISMISSED: &[u8] = b"dismissed\n";

/// The guard of a lab, seen from the process that made the lab.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    /// Starts it, out of the reach of Ctrl-C.
    pub(crate) fn start(programs: &Programs, lab: &str) -> anyhow::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let mut guard = Command::new(programs.path("hostler-lab"));
        guard.args(["guard", lab]).stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        Ok(Self(guard.spawn().with_context(|| format!("cannot start {guard:?}"))?))
    }

    /// Ends it; the lab is left as it is.
    pub(crate) fn dismiss(mut self) -> anyhow::Result<()> {
        let mut pipe = self.0.stdin.take().context("the guard has no pipe")?;
        pipe.write_all(DISMISSED).context("the guard has ended")?;
        drop(pipe);
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closes the pipe, after which the guard does its work; what comes next may rely on it.
        let _ = self.0.wait();
    }
}

/// What the guard does: waits for a word or the end of the pipe.
///
/// # Errors
/// If the lab cannot be taken down.
pub fn keep_watch(lab: &str) -> anyhow::Result<()> {
    let mut word = Vec::new();
    // A pipe that breaks has ended.
    let _ = std::io::stdin().read_to_end(&mut word);
    if word == DISMISSED { Ok(()) } else { Lab::down(lab) }
}
