//! Calls of `hostler`.

use super::witness::now_ms;
use crate::wire::Identity;
use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Longer than anything takes on a busy computer.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// `hostler` with one credential.
#[derive(Clone, Debug)]
pub struct Cli {
    program: PathBuf,
    credential: PathBuf,
    /// The network namespace that it runs in; none for that of this process.
    namespace: Option<String>,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Cli {
    /// The program, and the credential that it is given.
    #[must_use]
    pub fn new(program: &Path, credential: &Path) -> Self {
        Self { program: program.to_owned(), credential: credential.to_owned(), namespace: None }
    }

    /// The same in a network namespace.
    #[must_use]
    pub fn within(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self }
    }

    /// The same with another credential.
    #[must_use]
    pub fn with_credential(&self, credential: &Path) -> Self {
        Self { credential: credential.to_owned(), ..self.clone() }
    }

    /// The certificate and key in its credential, for those who speak gRPC themselves.
    ///
    /// # Errors
    /// If the file is not as `hostlerd` writes it.
    pub fn identity(&self) -> anyhow::Result<Identity> {
        let file: toml::Table = std::fs::read_to_string(&self.credential)?.parse()?;
        let text =
            |key: &str| file.get(key).and_then(toml::Value::as_str).context("no such key").map(str::to_owned);
        Ok(Identity { certificate_chain: text("certificate")?, key: text("key")? })
    }

    /// `hostler LINE`. The words of the line are what spaces part.
    #[must_use]
    pub fn command(&self, line: &str) -> std::process::Command {
        let mut command = match &self.namespace {
            None => std::process::Command::new(&self.program),
            Some(namespace) => {
                let mut command = std::process::Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(&self.program);
                command
            }
        };
        command
            .env("HOSTLER_CREDENTIALS", &self.credential)
            .args(line.split_whitespace())
            .stdin(Stdio::null());
        command
    }

    /// Says it, and returns what comes of it.
    ///
    /// # Errors
    /// If it cannot be said, or is not answered.
    pub async fn say(&self, line: &str) -> anyhow::Result<Answer> {
        let output = Command::from(self.command(line)).kill_on_drop(true).output();
        let output =
            timeout(PATIENCE, output).await.with_context(|| format!("hostler {line}: no answer"))??;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Says something that is to succeed; returns what it prints.
    ///
    /// # Errors
    /// If it does not, with what it says about that.
    pub async fn ok(&self, line: &str) -> anyhow::Result<String> {
        let answer = self.say(line).await?;
        ensure!(answer.code == Some(0), "hostler {line}: {answer:?}");
        Ok(answer.stdout)
    }

    /// The same with the answer as JSON; of several documents the last one.
    ///
    /// # Errors
    /// As [`Cli::ok`].
    pub async fn json(&self, line: &str) -> anyhow::Result<Value> {
        self.documents(line).await?.pop().with_context(|| format!("hostler {line}: no JSON"))
    }

    /// The same with all of the documents.
    ///
    /// # Errors
    /// As [`Cli::ok`].
    pub async fn documents(&self, line: &str) -> anyhow::Result<Vec<Value>> {
        let text = self.ok(&format!("--output json {line}")).await?;
        let documents = serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>();
        documents.with_context(|| format!("hostler {line}: something else than JSON: {text}"))
    }

    /// Says something that goes on, and follows what it prints: a line of JSON for each thing that happens.
    ///
    /// # Errors
    /// If it cannot be said.
    pub fn follow(&self, line: &str) -> anyhow::Result<Following> {
        let errors = tempfile::tempfile()?;
        let mut command = Command::from(self.command(&format!("--output json {line}")));
        command.stdout(Stdio::piped()).stderr(errors.try_clone()?).kill_on_drop(true);
        let asked_ms = now_ms();
        let mut child = command.spawn().context("cannot start hostler")?;
        let stdout = child.stdout.take().context("no output")?;
        let lines = BufReader::new(stdout).lines();
        Ok(Following { line: line.to_owned(), asked_ms, child, lines, seen: Vec::new(), errors })
    }

    /// Asks for a lease, waits until it is active, and returns it.
    ///
    /// # Errors
    /// As [`Cli::ok`].
    pub async fn lease(&self, request: &str) -> anyhow::Result<Value> {
        self.json(&format!("lease request {request} --image demo --wait")).await
    }
}

/// A call that goes on. Dropped, it is killed.
#[derive(Debug)]
pub struct Following {
    line: String,
    asked_ms: u64,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Everything so far.
    seen: Vec<Value>,
    errors: File,
}

impl Following {
    /// When it was said, in milliseconds: nothing that it prints is older, however late it is read.
    #[must_use]
    pub fn asked_ms(&self) -> u64 {
        self.asked_ms
    }

    /// What it prints next; none at its end.
    ///
    /// # Errors
    /// If nothing comes, or something else than JSON.
    pub async fn next(&mut self) -> anyhow::Result<Option<&Value>> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let Some(line) = line.with_context(|| format!("hostler {}: nothing more comes", self.line))?? else {
            return Ok(None);
        };
        self.seen.push(serde_json::from_str(&line).with_context(|| line.clone())?);
        Ok(self.seen.last())
    }

    /// The first thing, from what was not looked at yet on, that is as wanted.
    ///
    /// # Errors
    /// If it does not come.
    pub async fn until(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let found = timeout(PATIENCE, async {
            while let Some(value) = self.next().await? {
                if wanted(value) {
                    return Ok(value.clone());
                }
            }
            bail!("hostler {} ended before {what}: {}", self.line, self.complaints()?)
        });
        found.await.with_context(|| format!("hostler {}: waited in vain for {what}", self.line))?
    }

    /// Waits for its end. Returns its exit code and everything that it printed.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn end(mut self) -> anyhow::Result<(Option<i32>, Vec<Value>)> {
        while self.next().await?.is_some() {}
        let status =
            timeout(PATIENCE, self.child.wait()).await.context("it closes its output and does not end")??;
        if !status.success() {
            eprintln!("hostler {}: {status}: {}", self.line, self.complaints()?);
        }
        Ok((status.code(), self.seen))
    }

    fn complaints(&self) -> anyhow::Result<String> {
        let (mut text, mut errors) = (String::new(), &self.errors);
        errors.rewind()?;
        errors.read_to_string(&mut text)?;
        Ok(text)
    }
}
