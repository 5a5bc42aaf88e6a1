//! Replies.

use super::boot_file::BootFile;
use super::request::{Request, code};
use crate::settings::Settings;
use crate::source::Client;
use dhcproto::v4::{DhcpOption, Encodable as _, Message, MessageType, Opcode, OptionCode, UnknownOption};
use std::net::{Ipv4Addr, SocketAddrV4};

/// BOOTP packets have at least this length (RFC 1542 section 2.1); some ROMs drop shorter ones.
const SHORTEST: usize = 300;
/// The longest name that fits the field `file` with its final zero.
const LONGEST_FILE: usize = 127;
const END: u8 = 255;
/// PXE vendor option 6, discovery control, with bit 3: boot `file` and look for no boot servers (PXE 2.1 section 2.4).
const BOOT_THE_FILE: [u8; 4] = [6, 1, 8, END];
/// iPXE option 176 within 175: do not wait for a proxyDHCP offer.
const NO_PROXY_DHCP: [u8; 3] = [0xb0, 1, 1];

/// A packet to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its bytes.
    pub packet: Vec<u8>,
    /// Where it goes.
    pub to: SocketAddrV4,
}

/// What a reply says about addresses.
pub(super) struct Addresses<'a> {
    pub(super) client: &'a Client,
    pub(super) settings: &'a Settings,
    /// The server's address as the machine is to see it.
    pub(super) identity: Ipv4Addr,
}

/// An offer, an acknowledgement, or a BOOTP reply.
pub(super) fn lease(
    request: &Request,
    kind: Option<MessageType>,
    addresses: &Addresses<'_>,
    boot: &BootFile,
) -> Option<Vec<u8>> {
    let mut message = reply_to(request);
    message.set_yiaddr(addresses.client.address).set_ciaddr(request.ciaddr);
    if let Some(kind) = kind {
        let lease = u32::try_from(addresses.settings.lease.as_secs()).unwrap_or(u32::MAX);
        insert(&mut message, DhcpOption::MessageType(kind));
        insert(&mut message, DhcpOption::ServerIdentifier(addresses.identity));
        insert(&mut message, DhcpOption::AddressLeaseTime(lease));
    }
    describe_network(&mut message, addresses.client, addresses.settings);
    describe_boot(&mut message, request, addresses.settings.server, boot);
    encode(&message, request)
}

/// An acknowledgement without address or lease (RFC 2131 section 4.3.5).
pub(super) fn inform(
    request: &Request,
    client: &Client,
    settings: &Settings,
    identity: Ipv4Addr,
) -> Option<Vec<u8>> {
    let mut message = reply_to(request);
    message.set_ciaddr(request.ciaddr);
    insert(&mut message, DhcpOption::MessageType(MessageType::Ack));
    insert(&mut message, DhcpOption::ServerIdentifier(identity));
    describe_network(&mut message, client, settings);
    encode(&message, request)
}

/// A refusal. A relay broadcasts it, since the machine may listen to no address (RFC 2131 section 4.3.2).
pub(super) fn nak(request: &Request, identity: Ipv4Addr) -> Option<Vec<u8>> {
    let mut message = reply_to(request);
    message.set_flags(request.flags.set_broadcast());
    insert(&mut message, DhcpOption::MessageType(MessageType::Nak));
    insert(&mut message, DhcpOption::ServerIdentifier(identity));
    encode(&message, request)
}

fn reply_to(request: &Request) -> Message {
    let nowhere = Ipv4Addr::UNSPECIFIED;
    let mut message =
        Message::new_with_id(request.xid, nowhere, nowhere, nowhere, request.giaddr, &request.mac.0);
    message.set_opcode(Opcode::BootReply).set_flags(request.flags);
    message
}

fn describe_network(message: &mut Message, client: &Client, settings: &Settings) {
    insert(message, DhcpOption::SubnetMask(settings.netmask));
    if let Some(router) = settings.router {
        insert(message, DhcpOption::Router(vec![router]));
    }
    if !settings.dns.is_empty() {
        insert(message, DhcpOption::DomainNameServer(settings.dns.iter().take(3).copied().collect()));
    }
    if is_host_name(&client.name) {
        insert(message, DhcpOption::Hostname(client.name.clone()));
    }
}

/// Old ROMs and SLOF read `siaddr` and `file`, some UEFI firmware reads options 66 and 67: both are filled.
fn describe_boot(message: &mut Message, request: &Request, server: Ipv4Addr, boot: &BootFile) {
    let file = match boot {
        BootFile::None { .. } => return,
        BootFile::Script { url } | BootFile::Http { url } => url.as_str(),
        BootFile::Tftp { name, .. } => name,
    };
    message.set_siaddr(server);
    insert(message, DhcpOption::TFTPServerName(server.to_string().into_bytes()));
    insert(message, DhcpOption::BootfileName(file.as_bytes().to_vec()));
    if file.len() <= LONGEST_FILE {
        message.set_fname(file.as_bytes());
    }
    match boot {
        BootFile::Tftp { pxe: true, .. } => {
            insert(message, DhcpOption::ClassIdentifier(b"PXEClient".to_vec()));
            insert(message, DhcpOption::VendorExtensions(BOOT_THE_FILE.to_vec()));
        }
        BootFile::Http { .. } => insert(message, DhcpOption::ClassIdentifier(b"HTTPClient".to_vec())),
        BootFile::Script { .. } => echo(message, code::IPXE, &NO_PROXY_DHCP),
        BootFile::Tftp { pxe: false, .. } | BootFile::None { .. } => {}
    }
    for option in [code::CLIENT_ARCHITECTURE, code::NETWORK_INTERFACE] {
        if let Some(value) = request.option(option) {
            echo(message, option, value);
        }
    }
    // Type 0 and a UUID (RFC 4578 section 2.3); buggy ROMs leave it out or send something else.
    if let Some(value) = request.option(code::MACHINE_IDENTIFIER).filter(|value| value.len() == 17) {
        echo(message, code::MACHINE_IDENTIFIER, value);
    }
}

fn insert(message: &mut Message, option: DhcpOption) {
    message.opts_mut().insert(option);
}

/// Puts an option as plain bytes.
fn echo(message: &mut Message, code: u8, value: &[u8]) {
    insert(message, DhcpOption::Unknown(UnknownOption::new(OptionCode::from(code), value.to_vec())));
}

/// `None` only if the encoder fails, which it does for no message that is made here.
fn encode(message: &Message, request: &Request) -> Option<Vec<u8>> {
    let mut message = message.clone();
    // RFC 6842: servers return the client identifier.
    if let Some(value) = request.option(code::CLIENT_IDENTIFIER) {
        echo(&mut message, code::CLIENT_IDENTIFIER, value);
    }
    let mut packet = message.to_vec().ok()?;
    if packet.last() == Some(&END) {
        packet.pop();
    }
    // RFC 3046 section 2.2: the relay's option comes back as it was, as the last one.
    if let Some(value) = request.option(code::RELAY_AGENT_INFORMATION) {
        for piece in value.chunks(255) {
            packet.extend([code::RELAY_AGENT_INFORMATION, u8::try_from(piece.len()).unwrap_or(u8::MAX)]);
            packet.extend_from_slice(piece);
        }
    }
    packet.push(END);
    packet.resize(packet.len().max(SHORTEST), 0);
    Some(packet)
}

/// A label of RFC 1123, or several of them.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
