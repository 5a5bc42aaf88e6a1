//! The packets of RMCP+ as plain data: what is on the wire, nothing of keys, sockets or time.
//!
//! Every `decode` takes whatever the network delivered and returns a value or [`Malformed`]; none panics and none
//! allocates more than it was given. Every `encode` is the inverse of its `decode`. Both ends use them: the client of
//! this crate and the simulated controllers of the tests.
//!
//! ```text
//! RMCP header    rmcp      06 00 ff 07
//! session        frame     authentication type, payload type, session id, sequence number, length
//!   payload      open      open session request and response
//!                rakp      RAKP messages 1 to 4
//!                lan       IPMI request and response
//! trailer        frame     padding, next header, authentication code
//! ```
//!
//! Numbers are little-endian unless said otherwise. Sections are those of the IPMI v2.0 specification, revision 1.1.

mod frame;
mod lan;
mod open;
mod rakp;
mod reader;
mod rmcp;
mod status;
mod window;

pub use frame::{
    Header, MAX_DATAGRAM, Packet, PayloadType, Protected, encode_plain, encode_protected_prefix, encode_v15,
    push_trailer_padding,
};
pub use lan::{BMC_ADDRESS, CONSOLE_ADDRESS, LanRequest, LanResponse};
pub use open::{Algorithms, OpenSessionRequest, OpenSessionResponse, OpenedSession};
pub use rakp::{
    MAX_USER_NAME, NAME_ONLY_LOOKUP, Rakp1, Rakp2, Rakp2Accepted, Rakp3, Rakp3Accepted, Rakp4, Rakp4Accepted,
};
pub use rmcp::RMCP_HEADER;
pub use status::RakpStatus;
pub use window::Window;

/// Bytes that are not the packet they were taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {packet}: {problem}")]
pub struct Malformed {
    /// What they were taken for.
    pub packet: &'static str,
    /// What is wrong with them.
    pub problem: &'static str,
}
