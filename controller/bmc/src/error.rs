//! What goes wrong between here and a management controller.

use crate::crypto::CryptoFailed;
use crate::packet::RakpStatus;
use crate::{CipherSuite, Privilege, UserName};
use ipmi_rs_core::connection::CompletionErrorCode;
use std::net::SocketAddr;
use std::time::Duration;

/// Why a session or a request failed. The variants are what a caller decides by.
///
/// After [`Error::Unanswered`] or [`Error::Protocol`] of a command that changes something, whether it was carried out
/// is unknown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No datagram could be sent at all.
    #[error("no UDP socket towards BMC {bmc} could be opened")]
    Socket {
        /// Which controller.
        bmc: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// Nothing came back, or nothing that belonged to the request.
    #[error(
        "BMC {bmc} did not answer {request}: {datagrams} datagrams sent in {waited:.1?}; check that it has power, that \
         the address is right and that UDP gets through"
    )]
    Unanswered {
        /// Which controller.
        bmc: SocketAddr,
        /// What was asked, for people.
        request: &'static str,
        /// How often.
        datagrams: u32,
        /// For how long.
        waited: Duration,
        /// What the operating system said about it, if anything.
        source: Option<std::io::Error>,
    },

    /// Whoever asked may not do so any more.
    #[error(
        "BMC {bmc} was not asked any more, since this controller may not command machines now: {request} was sent \
         {datagrams} times"
    )]
    NotPermitted {
        /// Which controller.
        bmc: SocketAddr,
        /// What was to be asked, for people.
        request: &'static str,
        /// How often it was sent before.
        datagrams: u32,
    },

    /// Wrong user, password or key. To try again with the same ones may lock the account.
    #[error("BMC {bmc} and user {user:?} do not agree on who they are: {reason}; check the credentials")]
    AuthenticationRefused {
        /// Which controller.
        bmc: SocketAddr,
        /// Which account.
        user: UserName,
        /// How it was noticed, for people.
        reason: AuthenticationFailure,
    },

    /// The account is not allowed the privilege level that was asked for.
    #[error(
        "BMC {bmc} does not give user {user:?} the privilege level {privilege}; raise it in the BMC's user settings"
    )]
    PrivilegeRefused {
        /// Which controller.
        bmc: SocketAddr,
        /// Which account.
        user: UserName,
        /// What was asked for.
        privilege: Privilege,
    },

    /// Every session that the controller can have is taken.
    #[error("BMC {bmc} has no free session; others hold them, or they time out within minutes")]
    NoFreeSession {
        /// Which controller.
        bmc: SocketAddr,
    },

    /// The controller does not speak the cipher suite, or wants to speak another one.
    #[error(
        "BMC {bmc} does not agree to cipher suite {suite}: {answer}; set the suite that it offers in the node's settings"
    )]
    SuiteNotOffered {
        /// Which controller.
        bmc: SocketAddr,
        /// What was asked for.
        suite: CipherSuite,
        /// What came back, for people.
        answer: String,
    },

    /// The controller understood the command and does not carry it out.
    #[error("BMC {bmc} refused {command} with completion code {code:#04x} ({})", describe(*code))]
    Refused {
        /// Which controller.
        bmc: SocketAddr,
        /// What was asked, for people.
        command: &'static str,
        /// Section 5.2; never zero.
        code: u8,
    },

    /// The controller said yes and did nothing.
    #[error("BMC {bmc} accepted {command}, but {seen}")]
    Ignored {
        /// Which controller.
        bmc: SocketAddr,
        /// What was asked, for people.
        command: &'static str,
        /// What was seen instead, for people.
        seen: &'static str,
    },

    /// The controller said something that makes no sense here.
    #[error("BMC {bmc} answered {request} with something else than the protocol allows: {problem}")]
    Protocol {
        /// Which controller.
        bmc: SocketAddr,
        /// What was asked, for people.
        request: &'static str,
        /// What is wrong with the answer.
        problem: String,
    },

    /// Not the controller's fault.
    #[error("the packets of the session with BMC {bmc} could not be protected")]
    Crypto {
        /// Which controller.
        bmc: SocketAddr,
        /// What failed.
        source: CryptoFailed,
    },
}

/// How it was noticed that two sides do not share their secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationFailure {
    /// The controller said so before any proof was exchanged.
    #[error("{0}")]
    Status(RakpStatus),
    /// RAKP message 2: the password here is not the one there.
    #[error("the password is not the one that the BMC knows")]
    Password,
    /// RAKP message 4: the password is right, the key Kg is not.
    #[error("the password is right, but the key Kg is not the one that the BMC knows")]
    Kg,
}

/// In words, for people.
fn describe(code: u8) -> &'static str {
    use CompletionErrorCode as C;
    match C::try_from(code) {
        Ok(C::NodeBusy) => "busy",
        Ok(C::InvalidCommand | C::InvalidCommandForLun) => "unknown command",
        Ok(C::ProcessingTimeout) => "it took too long",
        Ok(C::OutOfSpace) => "out of space",
        Ok(C::RequestDataTruncated | C::RequestDataLenInvalid | C::RequestDataLengthLimitExceeded) => {
            "wrong length of the request"
        }
        Ok(C::ParameterOutOfRange | C::InvalidDataFieldInRequest) => "invalid parameter",
        Ok(C::ResponseUnavailable { .. }) => "it is starting or being updated",
        Ok(C::DestinationUnavailable) => "the part concerned is not reachable",
        Ok(C::InsufficientPrivilege) => "insufficient privilege",
        Ok(C::CannotExecuteCommandInCurrentState) => "not possible in the present state",
        Ok(C::SubFunctionDisabled) => "disabled",
        Ok(C::CommandSpecific(0x80)) => "parameter not supported",
        _ => "see the IPMI specification, section 5.2",
    }
}
