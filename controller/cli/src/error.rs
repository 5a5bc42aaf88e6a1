//! Everything that can go wrong for a command, with its exit code and what to do next. Printed once, by `main`.

use crate::credentials;
use crate::diagnostic::Diagnostic;
use crate::exit::Exit;
use crate::interrupt::Signal;
use crate::model::lease::CloseReason;
use crate::render::time::span;
use crate::status::Answer;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A text that a person wrote makes no sense, at these places.
    #[error("{}", paragraphs(.0))]
    Input(Vec<Diagnostic>),
    /// The command line makes no sense in a way that its parser cannot see.
    #[error("{message}")]
    Usage {
        message: String,
        /// What to do instead.
        next: String,
    },
    #[error("could not read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("could not write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("could not write to the standard output")]
    Stdout(#[source] io::Error),
    #[error("could not start")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Credentials(#[from] credentials::Error),
    /// The controller answered, and the answer is final.
    #[error("could not {action}")]
    Answer { action: String, source: Answer },
    /// The controller did not answer for as long as we were willing to try.
    #[error("could not {action}: no answer from {address} for {}", span(*tried))]
    Unreachable { action: String, address: String, tried: Duration, source: Answer },
    /// The connection broke after the request was sent, and the request may not be repeated.
    #[error("could not {action}: the connection broke, and whether it was done is unknown")]
    OutcomeUnknown { action: String, source: Answer },
    #[error("lease {id} did not become active within {}", span(*after))]
    WaitedTooLong { id: u32, after: Duration },
    #[error("lease {id} ended: {why}")]
    LeaseEnded { id: u32, reason: CloseReason, why: String },
    #[error("lease {id} goes on without {node}: {why}")]
    MemberMissing { id: u32, node: String, why: String },
    /// What came does not fit what was promised.
    #[error("could not {action}: {problem}")]
    Protocol { action: String, problem: String },
    #[error("interrupted")]
    Interrupted {
        signal: Signal,
        /// How to go on, one command in each line.
        next: Vec<String>,
    },
}

impl Error {
    /// A file could not be written.
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Write { path, source }
    }

    /// The exit code of a command that ends with this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Input(_)
            | Self::Usage { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Credentials(_) => Exit::Usage,
            Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::BrokenPipe,
            Self::Answer { source, .. } => source.exit(),
            Self::WaitedTooLong { .. } => Exit::TimedOut,
            Self::LeaseEnded { reason, .. } => match reason {
                CloseReason::Expired | CloseReason::WaitedTooLong | CloseReason::Abandoned => Exit::TimedOut,
                CloseReason::Released | CloseReason::Image => Exit::Refused,
                CloseReason::Infrastructure | CloseReason::Unknown => Exit::Infrastructure,
            },
            Self::Stdout(_)
            | Self::Runtime(_)
            | Self::Unreachable { .. }
            | Self::OutcomeUnknown { .. }
            | Self::MemberMissing { .. }
            | Self::Protocol { .. } => Exit::Infrastructure,
            Self::Interrupted { signal, .. } => signal.exit(),
        }
    }

    /// What to do about it, one suggestion in each line.
    fn next(&self) -> Vec<String> {
        match self {
            Self::Usage { next, .. } => vec![next.clone()],
            Self::Credentials(error) => vec![error.next()],
            Self::Answer { source, .. } => source.next().map(str::to_owned).into_iter().collect(),
            Self::Unreachable { .. } => {
                vec!["see whether the controller runs and `address` in the credentials file is right; --retry-for sets \
                      how long to try"
                    .to_owned()]
            }
            Self::OutcomeUnknown { .. } => vec!["`hostler node show NAME` tells what happened".to_owned()],
            Self::WaitedTooLong { id, .. } => vec![
                format!("hostler lease wait {id}     # wait on; the request keeps its place"),
                format!("hostler lease release {id}  # give it up"),
            ],
            Self::LeaseEnded { reason: CloseReason::WaitedTooLong, .. } => {
                vec!["ask for less, for any architecture or pool, or with a larger --max-wait".to_owned()]
            }
            Self::LeaseEnded { reason: CloseReason::Abandoned, .. } => {
                vec![
                    "run `hostler lease keepalive ID &` in the job, or ask with a longer --keepalive or none"
                        .to_owned(),
                ]
            }
            Self::LeaseEnded { reason: CloseReason::Infrastructure, .. } => {
                vec!["ask for another lease; `hostler events --lease ID` tells what broke".to_owned()]
            }
            Self::LeaseEnded { reason: CloseReason::Image, .. } => {
                vec![
                    "add a working image under this name with `hostler image add`, or ask for another image"
                        .to_owned(),
                ]
            }
            Self::MemberMissing { id, node, .. } => vec![
                format!("hostler lease replace {id} {node}  # ask again for a machine in its place"),
                format!("hostler lease release {id}"),
            ],
            Self::Interrupted { next, .. } => next.clone(),
            _ => Vec::new(),
        }
    }

    /// The whole report: the error, each of its causes, what to do next. Empty if there is nobody to read it.
    pub(crate) fn report(&self) -> String {
        if self.exit() == Exit::BrokenPipe {
            return String::new();
        }
        let mut report = format!("error: {self}\n");
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            // Writing to a string cannot fail.
            let _ = writeln!(report, "  caused by: {error}");
            cause = error.source();
        }
        for next in self.next() {
            let _ = writeln!(report, "  next: {next}");
        }
        report
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Input(vec![diagnostic])
    }
}

fn paragraphs(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\nerror: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    #[test]
    fn a_refusal_is_a_chain_with_a_next_step() {
        let status = Status::permission_denied("only administrators may drain nodes");
        let error = Error::Answer { action: "drain node r1-n01".to_owned(), source: status.into() };
        insta::assert_snapshot!(error.report(), @r"
        error: could not drain node r1-n01
          caused by: only administrators may drain nodes
          next: name another credential with --credentials; commands that change nodes, images and tenants need an administrator's
        ");
    }

    #[test]
    fn several_input_errors_are_paragraphs() {
        let one = Diagnostic::at("a.toml", "x = 1", 0..1, "first");
        let two = Diagnostic::at("a.toml", "x = 1", 4..5, "second");
        insta::assert_snapshot!(Error::Input(vec![one, two]).report(), @r"
        error: first
          --> a.toml:1:1
           |
         1 | x = 1
           | ^

        error: second
          --> a.toml:1:5
           |
         1 | x = 1
           |     ^
        ");
    }

    #[test]
    fn an_interrupted_wait_says_how_to_go_on() {
        let next = vec!["hostler lease wait 7".to_owned(), "hostler lease release 7".to_owned()];
        let error = Error::Interrupted { signal: Signal::Interrupt, next };
        assert_eq!(error.exit(), Exit::Interrupted);
        insta::assert_snapshot!(error.report(), @r"
        error: interrupted
          next: hostler lease wait 7
          next: hostler lease release 7
        ");
    }

    #[test]
    fn a_closed_pipe_is_silent() {
        let error = Error::Stdout(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((error.exit(), error.report().as_str()), (Exit::BrokenPipe, ""));
    }
}
