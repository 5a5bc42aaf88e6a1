//! DISCOVER, OFFER, REQUEST, ACK (RFC 2131 section 3.1).

use super::super::error::FirmwareError;
use super::super::machine::{Console, Machine};
use super::packet::{ACK, DISCOVER, NAK, OFFER, Packet, REQUEST};
use super::profile::Profile;
use crate::network::{Nic, Relay};
use std::net::Ipv4Addr;
use std::time::Duration;

/// What a machine learned by DHCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its address.
    pub address: Ipv4Addr,
    /// Of the DHCP server.
    pub dhcp_server: Ipv4Addr,
    /// Of the TFTP server.
    pub next_server: Ipv4Addr,
    /// The path or URL to load; empty if there is none.
    pub file: String,
    /// The options of the acknowledgement by code.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Lease {
    /// The value of an option.
    #[must_use]
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(found, _)| *found == code).map(|(_, value)| value.as_slice())
    }
}

/// Gets an address as `profile` does.
///
/// # Errors
/// No answer, a refusal, or an answer that would lead this kind of client astray.
pub async fn lease(
    profile: Profile,
    machine: &Machine,
    nic: &Nic,
    console: &Console<'_>,
) -> Result<Lease, FirmwareError> {
    let client = Client { profile, machine, nic, relay: nic.relay()?, xid: random_xid()? };
    let offer = client.discover().await?;
    let ack = client.request(&offer).await?;
    let lease = client.learn(&ack)?;
    console(&format!("DHCP: {} from {}, boot file {:?}", lease.address, lease.dhcp_server, lease.file));
    Ok(lease)
}

struct Client<'a> {
    profile: Profile,
    machine: &'a Machine,
    nic: &'a Nic,
    relay: Relay,
    xid: u32,
}

impl Client<'_> {
    async fn discover(&self) -> Result<Packet, FirmwareError> {
        let discover = self.packet(DISCOVER, &[]);
        let offers = |packet: &Packet| {
            packet.kind() == Some(OFFER) && packet.yiaddr != [0; 4] && packet.address(54).is_some()
        };
        let discovers = self.machine.timing.dhcp.len();
        self.ask(&discover, offers).await?.ok_or(FirmwareError::NoOffer { discovers })
    }

    async fn request(&self, offer: &Packet) -> Result<Packet, FirmwareError> {
        let address = Ipv4Addr::from(offer.yiaddr);
        let server = offer.option(54).unwrap_or_default();
        let request = self.packet(REQUEST, &[(50, offer.yiaddr.to_vec()), (54, server.to_vec())]);
        let settles = |packet: &Packet| matches!(packet.kind(), Some(ACK | NAK));
        match self.ask(&request, settles).await? {
            None => Err(FirmwareError::NoAck { address }),
            Some(nak) if nak.kind() == Some(NAK) => Err(FirmwareError::Nak { address }),
            Some(ack) => Ok(ack),
        }
    }

    fn packet(&self, kind: u8, addresses: &[(u8, Vec<u8>)]) -> Packet {
        let mac = self.nic.mac();
        let mut options = vec![(53, vec![kind])];
        options.extend_from_slice(addresses);
        options.extend(self.profile.options(kind, self.machine, mac));
        Packet { xid: self.xid, broadcast: true, mac, options, ..Packet::default() }
    }

    /// Sends `question` until an answer is `wanted`, with the pauses of this firmware.
    async fn ask(
        &self,
        question: &Packet,
        wanted: impl Fn(&Packet) -> bool,
    ) -> Result<Option<Packet>, FirmwareError> {
        let packet = question.encode();
        for pause in self.machine.timing.dhcp {
            self.relay.forward(&packet).await?;
            if let Some(answer) = self.wait(pause, &wanted).await? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    async fn wait(
        &self,
        pause: Duration,
        wanted: impl Fn(&Packet) -> bool,
    ) -> Result<Option<Packet>, FirmwareError> {
        let answer = async {
            loop {
                let bytes = self.relay.answer().await?;
                let ours = |p: &Packet| p.reply && p.xid == self.xid && p.mac == self.nic.mac();
                if let Some(packet) = Packet::decode(&bytes).filter(|p| ours(p) && wanted(p)) {
                    return Ok(packet);
                }
            }
        };
        tokio::time::timeout(pause, answer).await.ok().transpose()
    }

    fn learn(&self, ack: &Packet) -> Result<Lease, FirmwareError> {
        let (given, expected) = (Ipv4Addr::from(ack.yiaddr), self.nic.cable().address());
        if given != expected {
            return Err(FirmwareError::WrongAddress { given, expected });
        }
        if looks_for_boot_servers(ack) {
            return Err(FirmwareError::BootServerDiscovery);
        }
        let dhcp_server = ack.address(54).unwrap_or(Ipv4Addr::UNSPECIFIED);
        Ok(Lease {
            address: given,
            dhcp_server,
            next_server: self.next_server(ack).unwrap_or(dhcp_server),
            file: self.boot_file(ack),
            options: ack.options.clone(),
        })
    }

    fn next_server(&self, ack: &Packet) -> Option<Ipv4Addr> {
        let named = ack.option(66).and_then(|name| text(name).parse().ok());
        let field = Some(Ipv4Addr::from(ack.siaddr)).filter(|address| !address.is_unspecified());
        if self.profile.prefers_options() { named.or(field) } else { field }
    }

    fn boot_file(&self, ack: &Packet) -> String {
        let (option, field) = (ack.option(67).map(text).unwrap_or_default(), text(&ack.file));
        let (first, second) = if self.profile.prefers_options() { (option, field) } else { (field, option) };
        if first.is_empty() { second } else { first }
    }
}

/// An answer to a PXE client, without the word that there are no boot servers to look for (PXE 2.1 section 2.4:
/// vendor option 6 with bit 3).
fn looks_for_boot_servers(ack: &Packet) -> bool {
    let for_pxe = ack.option(60).is_some_and(|class| class.starts_with(b"PXEClient"));
    let mut vendor = ack.option(43).unwrap_or_default();
    let mut boots_the_file = false;
    while let &[code, length, ref tail @ ..] = vendor {
        let Some((value, next)) = tail.split_at_checked(usize::from(length)) else { break };
        boots_the_file |= code == 6 && value.first().is_some_and(|flags| flags & 8 != 0);
        vendor = next;
    }
    for_pxe && !boots_the_file
}

/// Some servers end strings with a zero.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

fn random_xid() -> Result<u32, std::io::Error> {
    let mut bytes = [0; 4];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| std::io::Error::other("no randomness"))?;
    Ok(u32::from_be_bytes(bytes))
}
