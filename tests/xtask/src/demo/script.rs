//! Calls of the command line, as a CI job makes them.

use anyhow::{Context as _, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use xtask::installation::Installation;

/// Tells the person who watches what happens next.
pub(super) fn say(what: &str) {
    eprintln!("\n==> {what}");
}

/// `hostler` with one credential.
pub(super) struct Cli {
    program: PathBuf,
    credential: PathBuf,
}

impl Cli {
    pub(super) fn new(installation: &Installation, credential: &Path) -> Self {
        Self { program: installation.binaries().path("hostler"), credential: credential.to_owned() }
    }

    pub(super) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command.env("HOSTLER_CREDENTIALS", &self.credential).args(args).stdin(Stdio::null());
        command
    }

    /// Output goes to the person who watches; standard output only if that is not for a program.
    pub(super) fn shown<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        quiet: bool,
    ) -> anyhow::Result<()> {
        let mut command = self.command(args);
        if quiet {
            command.stdout(Stdio::null());
        }
        let status = command.status().context("cannot start hostler")?;
        if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
    }

    /// Output is shown only if it fails.
    pub(super) fn quiet<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> anyhow::Result<()> {
        self.output(self.command(args)).map(drop)
    }

    /// The answer as JSON.
    pub(super) fn json<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> anyhow::Result<Value> {
        self.last_json_line(args)
    }

    /// The last JSON document of a stream of them.
    pub(super) fn last_json_line<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<Value> {
        let mut command = self.command(args);
        command.args(["--output", "json"]);
        let text = self.output(command)?;
        serde_json::Deserializer::from_slice(&text)
            .into_iter::<Value>()
            .last()
            .context("hostler printed no JSON")?
            .context("hostler printed something else than JSON")
    }

    fn output(&self, mut command: Command) -> anyhow::Result<Vec<u8>> {
        let output = command.output().context("cannot start hostler")?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        bail!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
    }
}
