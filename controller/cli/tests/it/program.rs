//! Starts the program and sees what comes out.

use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

/// A running `hostler`.
pub(crate) struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    /// What was not read before.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts `hostler` with a clean environment. A controller that is away for long fails a test instead of hanging it.
pub(crate) fn start(credentials: &Path, arguments: &[&str]) -> Program {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hostler"))
        .env_clear()
        .args(["--retry-for", "60s", "--credentials"])
        .arg(credentials)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let stderr = BufReader::new(child.stderr.take().unwrap());
    Program { child, stdout, stderr }
}

/// Runs `hostler` to its end.
pub(crate) fn run(credentials: &Path, arguments: &[&str]) -> Ended {
    start(credentials, arguments).end()
}

impl Program {
    pub(crate) fn next_stdout(&mut self) -> String {
        next_line(&mut self.stdout)
    }

    /// Reads the standard error up to a line that contains `text`.
    pub(crate) fn stderr_until(&mut self, text: &str) -> String {
        loop {
            let line = next_line(&mut self.stderr);
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn interrupt(&self) {
        let kill = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }

    pub(crate) fn end(mut self) -> Ended {
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            self.stderr.read_to_string(&mut text).map(|_| text)
        });
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code().expect("an exit code");
        Ended { code, stdout, stderr: stderr.join().unwrap().unwrap() }
    }
}

fn next_line(stream: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    assert_ne!(stream.read_line(&mut line).unwrap(), 0, "the program ended too early");
    line
}
