//! The answer to one packet.

use super::boot_file::{self, BootFile};
use super::relay;
use super::reply::{self, Addresses, Reply};
use super::request::{Kind, Malformed, Request, code};
use crate::settings::{BaseUrl, Settings};
use crate::source::{BootSource, Client};
use dhcproto::v4::MessageType;
use hostler_core::hardware::Mac;
use std::net::{Ipv4Addr, SocketAddrV4};

/// What is to be done about a packet.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Nothing.
    Malformed(Malformed),
    /// Nothing; but the machine is worth a note.
    Unknown(Mac),
    /// A registered machine.
    Known {
        /// It.
        client: Client,
        /// For people: the message, and what came of it.
        detail: String,
        /// What to send, if anything.
        reply: Option<Reply>,
    },
}

/// Judges `packet`, which came from `from`. Has no effect; `base` is where the URLs of this server begin.
#[must_use]
pub fn answer(
    packet: &[u8],
    from: SocketAddrV4,
    settings: &Settings,
    base: &BaseUrl,
    source: &dyn BootSource,
) -> Verdict {
    let request = match Request::decode(packet) {
        Ok(request) => request,
        Err(malformed) => return Verdict::Malformed(malformed),
    };
    let Some(client) = source.by_mac(request.mac) else { return Verdict::Unknown(request.mac) };
    let exchange = Exchange { request: &request, from, client: &client, settings, base };
    let (detail, reply) = exchange.judge();
    Verdict::Known { detail, reply, client }
}

struct Exchange<'a> {
    request: &'a Request,
    from: SocketAddrV4,
    client: &'a Client,
    settings: &'a Settings,
    base: &'a BaseUrl,
}

impl Exchange<'_> {
    fn judge(&self) -> (String, Option<Reply>) {
        match self.request.kind {
            Kind::Bootp => self.lease("BOOTP request", None),
            Kind::Dhcp(MessageType::Discover) => self.lease("DISCOVER", Some(MessageType::Offer)),
            Kind::Dhcp(MessageType::Request) => self.request(),
            Kind::Dhcp(MessageType::Inform) => self.inform(),
            // The address stays reserved, whatever the machine thinks of it.
            Kind::Dhcp(MessageType::Release) => ("RELEASE".to_owned(), None),
            Kind::Dhcp(MessageType::Decline) => {
                (format!("DECLINE: it found {} in use by another machine", self.client.address), None)
            }
            Kind::Dhcp(other) => (format!("{other:?} is not answered"), None),
        }
    }

    /// REQUEST (RFC 2131 section 4.3.2): selecting names a server; the other kinds name an address.
    fn request(&self) -> (String, Option<Reply>) {
        let chosen = self.request.address(code::SERVER_IDENTIFIER);
        if chosen.is_some_and(|server| server != self.settings.server && server != self.identity()) {
            return ("REQUEST to another server".to_owned(), None);
        }
        let ciaddr = Some(self.request.ciaddr).filter(|address| !address.is_unspecified());
        match self.request.address(code::REQUESTED_ADDRESS).or(ciaddr) {
            None => ("REQUEST for no address".to_owned(), None),
            Some(address) if address == self.client.address => self.lease("REQUEST", Some(MessageType::Ack)),
            Some(address) => {
                let detail = format!("REQUEST for {address}, which is not reserved for it -> NAK");
                (detail, self.send(reply::nak(self.request, self.identity()), true))
            }
        }
    }

    /// A machine that has its address asks for the rest.
    fn inform(&self) -> (String, Option<Reply>) {
        if self.request.ciaddr != self.client.address {
            return ("INFORM from an address that is not reserved for it".to_owned(), None);
        }
        let message = reply::inform(self.request, self.client, self.settings, self.identity());
        ("INFORM -> ACK".to_owned(), self.send(message, false))
    }

    fn lease(&self, question: &str, kind: Option<MessageType>) -> (String, Option<Reply>) {
        let boot = boot_file::choose(self.request, self.client, self.base);
        let addresses = Addresses { client: self.client, settings: self.settings, identity: self.identity() };
        let detail = format!("{question} -> {}{}", self.client.address, describe(&boot));
        (detail, self.send(reply::lease(self.request, kind, &addresses, &boot), false))
    }

    /// The address that the machine takes for this server's.
    fn identity(&self) -> Ipv4Addr {
        relay::server_identifier(self.request).unwrap_or(self.settings.server)
    }

    fn send(&self, packet: Option<Vec<u8>>, nak: bool) -> Option<Reply> {
        Some(Reply { packet: packet?, to: self.destination(nak) })
    }

    /// Where a reply goes (RFC 2131 section 4.1). A machine without address cannot answer ARP, so it gets a broadcast
    /// whether it asked for one or not.
    fn destination(&self, nak: bool) -> SocketAddrV4 {
        const SERVER_PORT: u16 = 67;
        const CLIENT_PORT: u16 = 68;
        let Request { giaddr, ciaddr, .. } = *self.request;
        if !giaddr.is_unspecified() {
            let own_port = relay::uses_source_port(self.request);
            SocketAddrV4::new(giaddr, if own_port { self.from.port() } else { SERVER_PORT })
        } else if nak || ciaddr.is_unspecified() {
            SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT)
        } else {
            SocketAddrV4::new(ciaddr, CLIENT_PORT)
        }
    }
}

fn describe(boot: &BootFile) -> String {
    match boot {
        BootFile::None { reason: None } => String::new(),
        BootFile::None { reason: Some(reason) } => format!(", nothing to boot: {reason}"),
        BootFile::Script { url } | BootFile::Http { url } => format!(", {url}"),
        BootFile::Tftp { name, .. } => format!(", {name}"),
    }
}
