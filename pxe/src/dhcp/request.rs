//! A request as it came from the network.

use dhcproto::v4::{MessageType, borrowed};
use hostler_core::hardware::Mac;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// BOOTP's fixed part and the magic cookie (RFC 951, RFC 2131 section 2).
const SHORTEST: usize = 240;
const BOOT_REQUEST: u8 = 1;
const ETHERNET: u8 = 1;
const MAC_LENGTH: u8 = 6;

/// A packet that is no request of a machine with an Ethernet interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than the fixed part.
    #[error("it has fewer than {SHORTEST} bytes")]
    Short,
    /// A reply, or something else.
    #[error("it is not a request")]
    NotARequest,
    /// From another kind of interface.
    #[error("it is not from an Ethernet interface")]
    NotEthernet,
    /// Option 53 is not one byte.
    #[error("it has a message type that is not one byte")]
    MessageType,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Without option 53: BOOTP (RFC 951), which PowerVM firmware speaks.
    Bootp,
    /// DHCP.
    Dhcp(MessageType),
}

/// A request of a machine.
///
/// Options are kept as they are: the typed decoder of `dhcproto` asserts their lengths, and a server has to send some
/// of them back byte by byte.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) xid: u32,
    pub(super) flags: dhcproto::v4::Flags,
    pub(super) ciaddr: Ipv4Addr,
    pub(super) giaddr: Ipv4Addr,
    pub(super) mac: Mac,
    options: BTreeMap<u8, Vec<u8>>,
}

/// Option codes (RFC 2132, 3004, 3046, 4578; 175 is iPXE's own).
pub(super) mod code {
    pub(in crate::dhcp) const REQUESTED_ADDRESS: u8 = 50;
    pub(in crate::dhcp) const MESSAGE_TYPE: u8 = 53;
    pub(in crate::dhcp) const SERVER_IDENTIFIER: u8 = 54;
    pub(in crate::dhcp) const CLASS_IDENTIFIER: u8 = 60;
    pub(in crate::dhcp) const CLIENT_IDENTIFIER: u8 = 61;
    pub(in crate::dhcp) const USER_CLASS: u8 = 77;
    pub(in crate::dhcp) const RELAY_AGENT_INFORMATION: u8 = 82;
    pub(in crate::dhcp) const CLIENT_ARCHITECTURE: u8 = 93;
    pub(in crate::dhcp) const NETWORK_INTERFACE: u8 = 94;
    pub(in crate::dhcp) const MACHINE_IDENTIFIER: u8 = 97;
    pub(in crate::dhcp) const IPXE: u8 = 175;
}

impl Request {
    pub(super) fn decode(packet: &[u8]) -> Result<Self, Malformed> {
        match packet {
            [BOOT_REQUEST, ETHERNET, MAC_LENGTH, ..] if packet.len() >= SHORTEST => {}
            _ if packet.len() < SHORTEST => return Err(Malformed::Short),
            [BOOT_REQUEST, ..] => return Err(Malformed::NotEthernet),
            _ => return Err(Malformed::NotARequest),
        }
        let message = borrowed::Message::new(packet).map_err(|_| Malformed::Short)?;
        let mac = message.chaddr().try_into().map_err(|_| Malformed::NotEthernet)?;
        let mut options = BTreeMap::new();
        for option in message.opts() {
            options.entry(u8::from(option.code())).or_insert_with(|| option.data().to_vec());
        }
        let kind = match options.get(&code::MESSAGE_TYPE).map(Vec::as_slice) {
            None => Kind::Bootp,
            Some(&[kind]) => Kind::Dhcp(kind.into()),
            Some(_) => return Err(Malformed::MessageType),
        };
        Ok(Self {
            kind,
            xid: message.xid(),
            flags: message.flags(),
            ciaddr: message.ciaddr(),
            giaddr: message.giaddr(),
            mac: Mac(mac),
            options,
        })
    }

    /// The bytes of an option.
    pub(super) fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.get(&code).map(Vec::as_slice)
    }

    /// The address in an option.
    pub(super) fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.option(code)?.try_into().ok()?;
        Some(octets.into())
    }

    /// Client system architecture (RFC 4578 section 2.1): the first of the list.
    pub(super) fn architecture(&self) -> Option<u16> {
        let &[high, low, ..] = self.option(code::CLIENT_ARCHITECTURE)? else { return None };
        Some(u16::from_be_bytes([high, low]))
    }

    /// True if iPXE asks. Its user class is the bare word, not the list of RFC 3004.
    pub(super) fn is_ipxe(&self) -> bool {
        let names_ipxe = |class: &[u8]| class.windows(4).any(|word| word == b"iPXE");
        self.option(code::USER_CLASS).is_some_and(names_ipxe) || self.option(code::IPXE).is_some()
    }

    /// True if the vendor class begins with `class`.
    pub(super) fn is_of_class(&self, class: &str) -> bool {
        self.option(code::CLASS_IDENTIFIER).is_some_and(|found| found.starts_with(class.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn discover() -> Vec<u8> {
        let mut packet = vec![0; SHORTEST];
        packet[..3].copy_from_slice(&[BOOT_REQUEST, ETHERNET, MAC_LENGTH]);
        packet[236..].copy_from_slice(&dhcproto::v4::MAGIC);
        packet.extend_from_slice(&[53, 1, 1, 93, 2, 0, 7, 97, 0, 82, 2, 19, 0, 255]);
        packet
    }

    #[test]
    fn what_is_no_request_is_told_apart() {
        for (at, value, expected) in
            [(0, 2, Malformed::NotARequest), (1, 6, Malformed::NotEthernet), (2, 16, Malformed::NotEthernet)]
        {
            let mut packet = discover();
            packet[at] = value;
            assert_eq!(Request::decode(&packet).unwrap_err(), expected);
        }
        assert_eq!(Request::decode(&discover()[..239]).unwrap_err(), Malformed::Short);
        assert_eq!(Request::decode(&discover()).unwrap().architecture(), Some(7));
    }

    proptest! {
        #[test]
        fn invariant_8_no_packet_panics(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            let _ = Request::decode(&bytes);
        }

        /// Lengths that do not fit are where decoders break.
        #[test]
        fn no_mutated_packet_panics(
            options in proptest::collection::vec(any::<u8>(), 0..300),
            flips in proptest::collection::vec((0usize..540, any::<u8>()), 0..8),
        ) {
            let mut packet = discover();
            packet.pop();
            packet.extend(options);
            for (at, value) in flips {
                if let Some(byte) = packet.get_mut(at) {
                    *byte = value;
                }
            }
            if let Ok(request) = Request::decode(&packet) {
                let _ = (request.architecture(), request.is_ipxe(), request.address(code::REQUESTED_ADDRESS));
            }
        }
    }
}
