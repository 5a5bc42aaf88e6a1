//! What a relay agent said about itself in option 82 (RFC 3046).

use super::request::{Request, code};
use std::net::Ipv4Addr;

/// Server Identifier Override (RFC 5107): clients are to send everything to the relay.
const SERVER_IDENTIFIER_OVERRIDE: u8 = 11;
/// Relay Agent Source Port (RFC 8357): answers go to the port that the request came from.
const SOURCE_PORT: u8 = 19;

/// True if the relay wants answers at the port that it sent from.
pub(super) fn uses_source_port(request: &Request) -> bool {
    suboption(request, SOURCE_PORT).is_some()
}

/// The address that the relay wants clients to take for the server's.
pub(super) fn server_identifier(request: &Request) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = suboption(request, SERVER_IDENTIFIER_OVERRIDE)?.try_into().ok()?;
    Some(octets.into())
}

fn suboption(request: &Request, wanted: u8) -> Option<&[u8]> {
    let mut rest = request.option(code::RELAY_AGENT_INFORMATION)?;
    while let &[found, length, ref tail @ ..] = rest {
        let (value, next) = tail.split_at_checked(usize::from(length))?;
        if found == wanted {
            return Some(value);
        }
        rest = next;
    }
    None
}
