//! The arguments of `hostler run`, and what they ask for.

use super::super::lease::request::seconds;
use crate::error::Error;
use clap::Args;
use hostler_proto::lease::v1::StartRunRequest;
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

const EXAMPLES: &str = "\
Examples:
  hostler run 7 -- make check
  hostler run 7 --role server --timeout 10m --junit 'reports/*.xml' --results out -- ./test.sh
  hostler run 7 --script test.sh --env LEVEL=3           # runs a local script with sh
  hostler run 7 --script test.py -- python3 -            # or with something else
  hostler run 7 --role server --raw -- cat /etc/os-release
  hostler run 7 --detach -- make bench
  hostler run --attach 5 --results out
  hostler run --stop 5

No shell is added: for pipes and variables, run `sh -c`. With --results, each node's output goes to
DIR/NODE/output.log and its JUnit files to DIR/NODE/files/. Goes on by itself when the controller restarts.
Ends with 1 if the payload failed or a test did, 4 if it ran out of time, 5 if a machine was lost.";

/// The controller takes no longer script.
const MAX_SCRIPT: u64 = 4 << 20;

/// Arguments of `hostler run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The lease on whose machines to run
    #[arg(value_name = "LEASE", required_unless_present_any = ["attach", "stop"])]
    lease: Option<u32>,
    /// Run only on the machines of this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Kill it after this [default: the rest of the lease]
    #[arg(long, value_name = "DURATION", value_parser = crate::moment::span)]
    timeout: Option<Duration>,
    /// Collect JUnit files that match this pattern, relative to the working directory; may be repeated
    #[arg(long, value_name = "PATTERN")]
    junit: Vec<String>,
    /// Add to the environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// A local file for the payload's standard input (- for ours); without a command, `sh` runs it
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Name of this run; a repeated one is the same run [default: a random one]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    show: Show,
    /// Follow a run that was started before, from its beginning
    #[arg(long, value_name = "RUN", conflicts_with_all = ["lease", "command", "stop", "detach"])]
    attach: Option<u32>,
    /// End a run
    #[arg(long, value_name = "RUN", conflicts_with_all = ["lease", "command"])]
    stop: Option<u32>,
    /// Program and arguments
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<String>,
}

/// What becomes of the output.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Store output and collected files in this directory
    #[arg(long, value_name = "DIR")]
    pub(super) results: Option<PathBuf>,
    /// Print the output as it comes, without the names of the nodes
    #[arg(long)]
    pub(super) raw: bool,
    /// Do not wait for the end; prints the number of the run
    #[arg(long, conflicts_with_all = ["results", "raw"])]
    pub(super) detach: bool,
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum What {
    Start(Box<StartRunRequest>),
    Attach(u32),
    Stop(u32),
}

impl Arguments {
    /// # Errors
    /// [`Error::Usage`], [`Error::Read`].
    pub(super) fn resolve(self) -> Result<(What, Show), Error> {
        let what = match (self.attach, self.stop, self.lease) {
            (Some(id), ..) => What::Attach(id),
            (None, Some(id), _) => What::Stop(id),
            (None, None, lease) => {
                let stdin = self.script.as_deref().map(script).transpose()?;
                What::Start(Box::new(StartRunRequest {
                    idempotency_key: self.idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string()),
                    lease_id: lease.unwrap_or_default(),
                    role: self.role.unwrap_or_default(),
                    command: command(self.command, stdin.is_some())?,
                    environment: environment(&self.env)?,
                    timeout_s: seconds(self.timeout),
                    junit: self.junit,
                    stdin: stdin.unwrap_or_default(),
                }))
            }
        };
        Ok((what, self.show))
    }
}

fn command(command: Vec<String>, has_script: bool) -> Result<Vec<String>, Error> {
    match (command.is_empty(), has_script) {
        (false, _) => Ok(command),
        (true, true) => Ok(vec!["sh".to_owned(), "-s".to_owned()]),
        (true, false) => Err(Error::Usage {
            message: "there is no command to run".to_owned(),
            next: "write it after `--`: hostler run 7 -- make check".to_owned(),
        }),
    }
}

fn environment(pairs: &[String]) -> Result<HashMap<String, String>, Error> {
    let pair = |pair: &String| {
        let (name, value) = pair.split_once('=').unwrap_or_default();
        let problem = match name {
            "" => format!("--env {pair:?} is not of the form NAME=VALUE"),
            _ if name.starts_with("HOSTLER_") => {
                format!("--env {name}: names that begin with HOSTLER_ are taken")
            }
            _ => return Ok((name.to_owned(), value.to_owned())),
        };
        Err(Error::Usage { message: problem, next: "for example --env LEVEL=3".to_owned() })
    };
    pairs.iter().map(pair).collect()
}

fn script(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let mut script = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_SCRIPT + 1).read_to_end(&mut script)
    } else {
        std::fs::File::open(path).map_err(unreadable)?.take(MAX_SCRIPT + 1).read_to_end(&mut script)
    };
    if read.map_err(unreadable)? as u64 > MAX_SCRIPT {
        return Err(Error::Usage {
            message: format!("{} is longer than 4 MiB", path.display()),
            next: "let a short script fetch the rest".to_owned(),
        });
    }
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;

    fn resolve(line: &str) -> Result<What, Error> {
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Run(arguments) = cli.command else { panic!("another command") };
        arguments.resolve().map(|(what, _)| what)
    }

    #[test]
    fn a_whole_command_line() {
        let line = "hostler run 7 --role server --timeout 90s --junit *.xml --env A=b=c --env D= -- make -j2 --keep-going";
        let What::Start(request) = resolve(line).unwrap() else { panic!("no start") };
        assert_eq!((request.lease_id, request.role.as_str(), request.timeout_s), (7, "server", 90));
        assert_eq!(request.command, ["make", "-j2", "--keep-going"]);
        assert_eq!((request.environment["A"].as_str(), request.environment["D"].as_str()), ("b=c", ""));
    }

    #[test]
    fn a_script_is_run_by_a_shell_unless_told_otherwise() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "echo hello\n").unwrap();
        let line = format!("hostler run 7 --script {}", file.path().display());
        for (line, command) in
            [(line.clone(), vec!["sh", "-s"]), (format!("{line} -- python3 -"), vec!["python3", "-"])]
        {
            let What::Start(request) = resolve(&line).unwrap() else { panic!("no start") };
            assert_eq!(
                (request.command, request.stdin.as_slice()),
                (command.into_iter().map(str::to_owned).collect(), b"echo hello\n".as_slice())
            );
        }
    }

    #[test]
    fn what_makes_no_sense() {
        for line in [
            "hostler run 7",
            "hostler run 7 --env A -- x",
            "hostler run 7 --env =b -- x",
            "hostler run 7 --env HOSTLER_X=1 -- x",
        ] {
            assert!(matches!(resolve(line), Err(Error::Usage { .. })), "{line}");
        }
        for line in ["hostler run", "hostler run 7 --attach 5", "hostler run --attach 5 -- make"] {
            assert!(Cli::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }
}
