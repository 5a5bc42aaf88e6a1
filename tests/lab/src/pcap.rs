//! Packets of a capture in the classic pcap format (draft-ietf-opsawg-pcap).

use anyhow::{Context as _, bail};
use std::net::{Ipv4Addr, SocketAddrV4};

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
const ETHERNET_HEADER: usize = 14;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;

/// One Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packet<'a> {
    /// Unix time in seconds.
    pub at: f64,
    /// Bytes on the wire, of which the capture may have kept fewer.
    pub bytes: u32,
    /// What was kept, from the Ethernet header on.
    pub frame: &'a [u8],
}

/// What a UDP packet over IPv4 carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where it is from.
    pub from: SocketAddrV4,
    /// Where it goes.
    pub to: SocketAddrV4,
    /// Its payload.
    pub data: &'a [u8],
}

/// All packets. The last one may be cut short where the recorder was ended while it wrote; it is left out then.
///
/// # Errors
/// If the file is no capture of a little-endian host.
pub fn packets(pcap: &[u8]) -> anyhow::Result<Vec<Packet<'_>>> {
    let word = |at: usize| pcap.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b));
    if word(0) != Some(MAGIC_MICROSECONDS) {
        bail!("no pcap file with microseconds");
    }
    let (mut packets, mut at) = (Vec::new(), FILE_HEADER);
    while let (Some(s), Some(us), Some(kept), Some(bytes)) =
        (word(at), word(at + 4), word(at + 8), word(at + 12))
    {
        let begin = at + PACKET_HEADER;
        at = begin + usize::try_from(kept).context("a packet is too long")?;
        let Some(frame) = pcap.get(begin..at).filter(|frame| frame.len() >= ETHERNET_HEADER) else { break };
        packets.push(Packet { at: f64::from(s) + f64::from(us) / 1e6, bytes, frame });
    }
    Ok(packets)
}

impl<'a> Packet<'a> {
    /// The datagram in it, if it is a whole one over IPv4.
    #[must_use]
    pub fn datagram(&self) -> Option<Datagram<'a>> {
        let (ethernet, ip) = self.frame.split_at(ETHERNET_HEADER);
        let header = usize::from(ip.first()? & 0xf) * 4;
        let more = u16::from_be_bytes([*ip.get(6)?, *ip.get(7)?]) & 0x3fff;
        if ethernet[12..] != [0x08, 0x00] || *ip.get(9)? != UDP || more != 0 {
            return None;
        }
        let address = |at: usize| ip.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
        let udp = ip.get(header..)?;
        let word = |at: usize| udp.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        Some(Datagram {
            from: SocketAddrV4::new(address(12)?, word(0)?),
            to: SocketAddrV4::new(address(16)?, word(2)?),
            data: udp.get(UDP_HEADER..usize::from(word(4)?))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A capture of these frames.
    fn pcap(frames: &[&[u8]]) -> Vec<u8> {
        let mut pcap = MAGIC_MICROSECONDS.to_le_bytes().to_vec();
        pcap.resize(FILE_HEADER, 0);
        for frame in frames {
            let kept = u32::try_from(frame.len()).unwrap();
            pcap.extend([5_u32, 250_000, kept, 1500].map(u32::to_le_bytes).concat());
            pcap.extend_from_slice(frame);
        }
        pcap
    }

    /// An Ethernet frame with a UDP packet that carries `data`, from 10.0.0.1:68 to 10.0.0.2:67.
    fn frame(data: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; ETHERNET_HEADER];
        frame[12] = 8;
        let mut ip = [0; 20];
        (ip[0], ip[9]) = (0x45, UDP);
        ip[12..].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend(ip);
        let length = u8::try_from(data.len() + UDP_HEADER).unwrap();
        frame.extend([0, 68, 0, 67, 0, length, 0, 0]);
        frame.extend_from_slice(data);
        // Short frames are padded on the wire.
        frame.extend([0xee; 7]);
        frame
    }

    #[test]
    fn packets_are_read_up_to_the_one_that_is_cut_short() {
        let (first, second) = (frame(b"one"), frame(b""));
        let mut capture = pcap(&[&first, &second]);
        capture.extend([1, 2, 3]);
        let read = packets(&capture).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0], Packet { at: 5.25, bytes: 1500, frame: &first });
        let datagram = read[0].datagram().unwrap();
        assert_eq!((datagram.data, datagram.to.to_string().as_str()), (&b"one"[..], "10.0.0.2:67"));
        assert_eq!(read[1].datagram().unwrap().data, b"");
        assert!(packets(b"text").is_err());
    }

    #[test]
    fn what_is_no_whole_datagram_is_none() {
        let whole = frame(b"data");
        for length in ETHERNET_HEADER..whole.len() - 7 {
            assert_eq!(Packet { at: 0.0, bytes: 0, frame: &whole[..length] }.datagram(), None, "{length}");
        }
        for (at, value) in [(12, 0x86), (ETHERNET_HEADER + 9, 6), (ETHERNET_HEADER + 6, 0x20)] {
            let mut other = whole.clone();
            other[at] = value;
            assert_eq!(Packet { at: 0.0, bytes: 0, frame: &other }.datagram(), None, "byte {at}");
        }
    }
}
