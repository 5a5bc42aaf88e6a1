//! DHCP packets, written from the RFCs alone: the server has its own code, so that the two cannot share a mistake.

use std::net::Ipv4Addr;

const MAGIC: [u8; 4] = [99, 130, 83, 99];
const FIXED: usize = 236;
const SHORTEST: usize = 300;
const PAD: u8 = 0;
const END: u8 = 255;

/// Message types (RFC 2132 section 9.6).
pub(super) const DISCOVER: u8 = 1;
pub(super) const OFFER: u8 = 2;
pub(super) const REQUEST: u8 = 3;
pub(super) const ACK: u8 = 5;
pub(super) const NAK: u8 = 6;

/// A packet of a client or for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) reply: bool,
    pub(super) xid: u32,
    pub(super) broadcast: bool,
    pub(super) yiaddr: [u8; 4],
    pub(super) siaddr: [u8; 4],
    pub(super) mac: [u8; 6],
    /// Without the zeros behind it.
    pub(super) file: Vec<u8>,
    pub(super) options: Vec<(u8, Vec<u8>)>,
}

impl Packet {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut packet = vec![0; FIXED];
        packet[0] = if self.reply { 2 } else { 1 };
        packet[1] = 1;
        packet[2] = 6;
        packet[4..8].copy_from_slice(&self.xid.to_be_bytes());
        packet[10] = if self.broadcast { 0x80 } else { 0 };
        packet[16..20].copy_from_slice(&self.yiaddr);
        packet[20..24].copy_from_slice(&self.siaddr);
        packet[28..34].copy_from_slice(&self.mac);
        let file = self.file.len().min(127);
        packet[108..108 + file].copy_from_slice(&self.file[..file]);
        packet.extend(MAGIC);
        for (code, value) in &self.options {
            for piece in value.chunks(255) {
                packet.extend([*code, piece.len() as u8]);
                packet.extend_from_slice(piece);
            }
        }
        packet.push(END);
        packet.resize(packet.len().max(SHORTEST), PAD);
        packet
    }

    /// `None` for what firmware drops: no BOOTP packet of an Ethernet interface, no cookie, or options without end.
    pub(super) fn decode(packet: &[u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_at_checked(FIXED)?;
        let options = decode_options(rest.strip_prefix(&MAGIC)?)?;
        if !(matches!(fixed[0], 1 | 2) && fixed[1..3] == [1, 6]) {
            return None;
        }
        let file = &fixed[108..236];
        let file = file.split(|&b| b == 0).next().unwrap_or_default();
        Some(Self {
            reply: fixed[0] == 2,
            xid: u32::from_be_bytes(fixed[4..8].try_into().ok()?),
            broadcast: fixed[10] & 0x80 != 0,
            yiaddr: fixed[16..20].try_into().ok()?,
            siaddr: fixed[20..24].try_into().ok()?,
            mac: fixed[28..34].try_into().ok()?,
            file: file.to_vec(),
            options,
        })
    }

    pub(super) fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(found, _)| *found == code).map(|(_, value)| value.as_slice())
    }

    pub(super) fn kind(&self) -> Option<u8> {
        match self.option(53)? {
            &[kind] => Some(kind),
            _ => None,
        }
    }

    pub(super) fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.option(code)?.try_into().ok()?;
        Some(octets.into())
    }
}

fn decode_options(mut rest: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
    loop {
        match *rest {
            [END, ..] => return Some(options),
            [PAD, ref tail @ ..] => rest = tail,
            [code, length, ref tail @ ..] => {
                let (value, next) = tail.split_at_checked(usize::from(length))?;
                match options.iter_mut().find(|(found, _)| *found == code) {
                    // RFC 3396: the pieces of a long option.
                    Some((_, whole)) => whole.extend_from_slice(value),
                    None => options.push((code, value.to_vec())),
                }
                rest = next;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let packet = Packet {
            reply: true,
            xid: 0x0102_0304,
            broadcast: true,
            yiaddr: [127, 1, 2, 3],
            siaddr: [127, 0, 0, 1],
            mac: [2, 0, 0, 0, 0, 1],
            file: b"loader.efi".to_vec(),
            options: vec![(53, vec![OFFER]), (175, vec![7; 300])],
        };
        assert_eq!(Packet::decode(&packet.encode()), Some(packet));
    }

    proptest! {
        #[test]
        fn no_packet_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Packet::decode(&bytes);
        }
    }
}
