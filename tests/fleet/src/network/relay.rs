//! A DHCP relay agent, one per machine: what the top-of-rack switch does for a broadcast.

use super::CableSocket;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Offsets in a BOOTP packet (RFC 951).
const HOPS: usize = 3;
const GIADDR: usize = 24;
const OPTIONS: usize = 240;

const PAD: u8 = 0;
const END: u8 = 255;
const RELAY_AGENT_INFORMATION: u8 = 82;
const CIRCUIT_ID: u8 = 1;
/// Relay source port (RFC 8357): the relay is not on port 67, answer to where the request came from.
const SOURCE_PORT: u8 = 19;

/// Forwards broadcasts of one machine to DHCP servers and brings back the answers (RFC 1542, RFC 3046).
#[derive(Debug)]
pub struct Relay {
    socket: CableSocket,
    address: Ipv4Addr,
    servers: Vec<SocketAddrV4>,
    any_port: bool,
}

impl Relay {
    /// `any_port` asks for answers at the port of `socket` (RFC 8357).
    pub(super) fn new(
        socket: CableSocket,
        address: Ipv4Addr,
        servers: Vec<SocketAddrV4>,
        any_port: bool,
    ) -> Self {
        Self { socket, address, servers, any_port }
    }

    /// Forwards a client's broadcast.
    ///
    /// # Errors
    /// As of `sendto(2)`.
    pub async fn forward(&self, request: &[u8]) -> io::Result<()> {
        let packet = relayed(request, self.address, self.any_port);
        for server in &self.servers {
            self.socket.send_to(&packet, *server).await?;
        }
        Ok(())
    }

    /// The next answer of the server as the client sees it: without the relay's option.
    ///
    /// # Errors
    /// As of `recvfrom(2)`.
    pub async fn answer(&self) -> io::Result<Vec<u8>> {
        let mut buf = [0; 1500];
        // From whichever address: a server with several answers from the one nearest to the relay.
        let (length, _) = self.socket.recv_from(&mut buf).await?;
        Ok(stripped(&buf[..length]))
    }
}

/// `request` with the relay's address, one hop more and the relay's option as the last one.
fn relayed(request: &[u8], address: Ipv4Addr, any_port: bool) -> Vec<u8> {
    let mut packet = request.to_vec();
    let Some(end) = end_of_options(&packet) else { return packet };
    packet[HOPS] = packet[HOPS].saturating_add(1);
    packet[GIADDR..GIADDR + 4].copy_from_slice(&address.octets());
    let circuit = b"port1";
    let mut information = vec![CIRCUIT_ID, circuit.len() as u8];
    information.extend_from_slice(circuit);
    if any_port {
        information.extend_from_slice(&[SOURCE_PORT, 0]);
    }
    packet.truncate(end);
    packet.extend_from_slice(&[RELAY_AGENT_INFORMATION, information.len() as u8]);
    packet.extend_from_slice(&information);
    packet.push(END);
    packet
}

/// `answer` without option 82.
fn stripped(answer: &[u8]) -> Vec<u8> {
    let Some(end) = end_of_options(answer) else { return answer.to_vec() };
    let mut packet = answer[..OPTIONS].to_vec();
    let mut at = OPTIONS;
    while at < end {
        let next = option_end(answer, at);
        if answer[at] != RELAY_AGENT_INFORMATION {
            packet.extend_from_slice(&answer[at..next]);
        }
        at = next;
    }
    packet.push(END);
    packet
}

/// Where the options end; `None` if the packet is too short or its options are malformed.
fn end_of_options(packet: &[u8]) -> Option<usize> {
    let mut at = OPTIONS;
    loop {
        match *packet.get(at)? {
            END => return Some(at),
            _ => at = option_end(packet, at),
        }
    }
}

/// Where the option at `at` ends; beyond the packet if it is cut short.
fn option_end(packet: &[u8], at: usize) -> usize {
    match packet.get(at) {
        Some(&PAD) => at + 1,
        _ => at + 2 + packet.get(at + 1).map_or(0, |&length| usize::from(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(options: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; OPTIONS];
        packet.extend_from_slice(options);
        packet
    }

    #[test]
    fn the_client_sees_what_it_sent_but_for_the_relays_address_and_hop() {
        let request = packet(&[53, 1, 1, PAD, 55, 2, 1, 3, END]);
        let relayed = relayed(&request, Ipv4Addr::new(127, 9, 0, 1), true);
        assert_eq!(relayed[GIADDR..GIADDR + 4], [127, 9, 0, 1]);
        assert_eq!(relayed[HOPS], 1);
        assert!(relayed.ends_with(&[SOURCE_PORT, 0, END]));
        assert_eq!(stripped(&relayed)[OPTIONS..], request[OPTIONS..]);
    }

    proptest! {
        #[test]
        fn no_packet_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = stripped(&relayed(&bytes, Ipv4Addr::LOCALHOST, true));
        }
    }
}
