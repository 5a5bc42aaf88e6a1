//! What the exit code of `hostler` says. Scripts depend on these numbers; they do not change.

use std::process::ExitCode;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// The payload itself failed: a nonzero exit code or failed tests.
    Payload = 1,
    /// The command line or a file given to it makes no sense.
    Usage = 2,
    /// The controller said no: not allowed, impossible, or in conflict with what is.
    Refused = 3,
    /// A bound on time passed: the wait, the lease or the payload.
    TimedOut = 4,
    /// Machines or the controller failed. The caller did nothing wrong; another try may succeed.
    Infrastructure = 5,
    /// Ended by SIGINT (128 + 2).
    Interrupted = 130,
    /// Whoever read the output went away (128 + 13, SIGPIPE).
    BrokenPipe = 141,
    /// Ended by SIGTERM (128 + 15).
    Terminated = 143,
}

/// The part of `--help` that says all this.
pub(crate) const HELP: &str = "\
Exit codes:
    0  done
    1  the payload failed: nonzero exit code or failed tests
    2  wrong usage or bad input
    3  refused by the controller: permission, impossible request, conflict
    4  timed out: bound on waiting, end of the lease, time limit of the payload
    5  infrastructure failed: machines lost, controller not reachable; worth another try
  130  interrupted (Ctrl-C); 143 terminated; 141 the reader of the output went away

  When the nodes of a run end differently, 5 is said before 1 and 1 before 4.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_code() {
        use Exit::*;
        for exit in
            [Ok, Payload, Usage, Refused, TimedOut, Infrastructure, Interrupted, BrokenPipe, Terminated]
        {
            let code = (exit as u8).to_string();
            assert!(
                HELP.split(|c: char| !c.is_ascii_digit()).any(|word| word == code),
                "{code} is not in the help"
            );
        }
    }
}
