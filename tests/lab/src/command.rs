//! Programs that are run to their end.

use anyhow::{Context as _, bail};
use std::process::{Command, Stdio};

/// Runs `command` and returns what it printed.
///
/// # Errors
/// If it cannot be started or fails; with what it printed on standard error.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` and lets it print.
///
/// # Errors
/// If it cannot be started or fails.
pub(crate) fn run_shown(command: &mut Command) -> anyhow::Result<()> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
