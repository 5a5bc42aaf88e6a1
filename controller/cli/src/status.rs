//! What a gRPC status means here: its exit code, whether to try again, and what to do next. Nowhere else is a status
//! code looked at.

use crate::exit::Exit;
use crate::text;
use hostler_proto::controller::v1::Elsewhere;
use hostler_proto::lease::v1::TextProblem;
use prost::Message as _;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use tonic::{Code, ConnectError, Status};

/// A status as it is told to people.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    code: Code,
    /// Not the controller said it: the connection failed.
    is_local: bool,
    fault: Option<TlsFault>,
    message: String,
    /// Where a text of the request is wrong, if that is so.
    problem: Option<Box<TextProblem>>,
}

/// The trailer that says where a text is wrong.
const PROBLEM: &str = "hostler-text-problem-bin";

/// The connection came up, but not the trust.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TlsFault {
    /// The controller turned our certificate down.
    CertificateRefused,
    /// We do not believe that it is the controller.
    ControllerUntrusted,
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        let (fault, message) = match tls_error(&status) {
            Some(error @ rustls::Error::AlertReceived(_)) => (
                Some(TlsFault::CertificateRefused),
                format!("the controller refused the certificate: {error}"),
            ),
            Some(error) => (Some(TlsFault::ControllerUntrusted), format!("no secure connection: {error}")),
            None if is_local(&status) => (None, innermost(&status)),
            None => (None, status.message().to_owned()),
        };
        let message =
            if message.is_empty() { status.code().description().to_owned() } else { text::clean(&message) };
        let problem = status.metadata().get_bin(PROBLEM).and_then(|value| value.to_bytes().ok());
        let problem = problem.and_then(|bytes| TextProblem::decode(bytes).ok()).map(Box::new);
        Self { code: status.code(), is_local: is_local(&status), fault, message, problem }
    }
}

impl Answer {
    /// Where a text of the request is wrong, if that is so.
    pub(crate) fn problem(&self) -> Option<&TextProblem> {
        self.problem.as_deref()
    }

    /// The exit code of a command that ends with this answer.
    pub(crate) fn exit(&self) -> Exit {
        match (&self.fault, self.code) {
            (Some(TlsFault::CertificateRefused), _) => Exit::Refused,
            (Some(TlsFault::ControllerUntrusted), _) => Exit::Infrastructure,
            (None, Code::Ok) => Exit::Ok,
            (None, Code::InvalidArgument | Code::OutOfRange) => Exit::Usage,
            (
                None,
                Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::FailedPrecondition
                | Code::ResourceExhausted
                | Code::Aborted
                | Code::Unimplemented,
            ) => Exit::Refused,
            (None, Code::DeadlineExceeded) => Exit::TimedOut,
            (None, Code::Unavailable | Code::Unknown | Code::Internal | Code::DataLoss | Code::Cancelled) => {
                Exit::Infrastructure
            }
        }
    }

    /// What a person can do about it.
    pub(crate) fn next(&self) -> Option<&'static str> {
        Some(match (&self.fault, self.code) {
            (Some(TlsFault::CertificateRefused), _) => {
                "the credential may have expired: an administrator gives out a new one with `hostler tenant add`"
            }
            (Some(TlsFault::ControllerUntrusted), _) => {
                "check `address` and `ca` in the credentials file: they belong to another controller, or to one that \
                 was set up anew"
            }
            (None, Code::PermissionDenied | Code::Unauthenticated) => {
                "name another credential with --credentials; commands that change nodes, images and tenants need an \
                 administrator's"
            }
            (None, Code::NotFound) => {
                "`list` instead of what you asked for shows what there is, as far as you may see it"
            }
            (None, Code::ResourceExhausted) => "give leases back with `hostler lease release`, or try later",
            (None, Code::Unimplemented) => {
                "the controller is of another version than this program: use matching ones"
            }
            (None, Code::Internal | Code::Unknown | Code::DataLoss) if !self.is_local => {
                "this is a fault of the controller: its log and `hostler events` say more"
            }
            (None, Code::Unavailable | Code::Cancelled) if self.is_local => {
                "see whether the controller runs, then try again"
            }
            (None, _) => return None,
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Answer {}

/// True if the same request may succeed soon: the controller restarts, or the connection broke.
pub(crate) fn is_transient(status: &Status) -> bool {
    if tls_error(status).is_some() {
        return false;
    }
    match status.code() {
        Code::Unavailable => true,
        // The same codes from the controller itself are final.
        Code::Unknown | Code::Internal | Code::Cancelled => is_local(status),
        _ => false,
    }
}

/// A stream that should have gone on has ended: the controller stops.
pub(crate) fn stream_ended() -> Status {
    Status::from_error("the controller ended the stream".into())
}

/// True if the request cannot have reached the controller, or only one that carries nothing out.
pub(crate) fn was_never_sent(status: &Status) -> bool {
    Elsewhere::of(status).is_some() || chain(status).any(|error| error.is::<ConnectError>())
}

/// A status that this side made up because the connection failed. One that the controller sent has no source.
pub(crate) fn is_local(status: &Status) -> bool {
    status.source().is_some()
}

fn tls_error(status: &Status) -> Option<rustls::Error> {
    chain(status).find_map(|error| {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        error.downcast_ref().or_else(|| inner?.downcast_ref()).cloned()
    })
}

/// "transport error: error trying to connect: tcp connect error: ..." says it all in its last part.
fn innermost(status: &Status) -> String {
    let text = chain(status).last().map_or_else(|| status.message().to_owned(), ToString::to_string);
    // How rustls says that a process was killed. The rest of its sentence would lead a reader to think of an attack.
    if text.contains("without sending TLS close_notify") { "the connection was cut".to_owned() } else { text }
}

fn chain(status: &Status) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(status.source(), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code, with its exit code and whether it is worth another try when the controller sent it.
    #[test]
    fn every_code_has_an_exit_code() {
        let table: String = (0..=16)
            .map(Code::from)
            .map(|code| {
                let status = Status::new(code, "");
                let again = if is_transient(&status) { " again" } else { "" };
                format!("{code:?} {:?}{again}\n", Answer::from(status).exit())
            })
            .collect();
        insta::assert_snapshot!(table, @r"
        Ok Ok
        Cancelled Infrastructure
        Unknown Infrastructure
        InvalidArgument Usage
        DeadlineExceeded TimedOut
        NotFound Refused
        AlreadyExists Refused
        PermissionDenied Refused
        ResourceExhausted Refused
        FailedPrecondition Refused
        Aborted Refused
        OutOfRange Usage
        Unimplemented Refused
        Internal Infrastructure
        Unavailable Infrastructure again
        DataLoss Infrastructure
        Unauthenticated Refused
        ");
    }

    #[test]
    fn a_broken_connection_is_tried_again_but_a_refused_certificate_is_not() {
        let broken = Status::from_error(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)));
        assert!(is_transient(&broken));

        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateExpired);
        let refused = Status::from_error(Box::new(io::Error::new(io::ErrorKind::InvalidData, alert)));
        assert!(!is_transient(&refused));
        assert_eq!(Answer::from(refused).exit(), Exit::Refused);
    }

    #[test]
    fn only_a_failed_connect_is_known_not_to_have_been_sent() {
        let connect = ConnectError(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert!(was_never_sent(&Status::from_error(Box::new(connect))));
        assert!(!was_never_sent(&Status::from_error(Box::new(io::Error::from(
            io::ErrorKind::ConnectionReset
        )))));
        assert!(!was_never_sent(&Status::unavailable("restarting")));
        assert!(was_never_sent(&Elsewhere::default().status("stands by")));
    }
}
