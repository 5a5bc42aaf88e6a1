//! What a boot put on the wire.

use hostler_lab::pcap;

/// One Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    /// Unix time in seconds.
    pub(super) at: f64,
    /// Bytes on the wire.
    pub(super) bytes: u64,
    /// From the machine, not to it.
    pub(super) sent: bool,
}

/// The traffic of one machine over the IPv4 protocols that boot it: UDP and TCP.
///
/// # Errors
/// If the file is no capture of a little-endian host.
pub(super) fn frames(capture: &[u8], mac: [u8; 6]) -> anyhow::Result<Vec<Frame>> {
    let mut frames = Vec::new();
    for pcap::Packet { at, bytes, frame } in pcap::packets(capture)? {
        let (to, from) = (frame[..6] == mac, frame[6..12] == mac);
        if (to || from) && frame[12..14] == [0x08, 0x00] {
            frames.push(Frame { at, bytes: bytes.into(), sent: from });
        }
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn packet(to: [u8; 6], from: [u8; 6], kind: [u8; 2], bytes: u32) -> Vec<u8> {
        let frame = [&to[..], &from, &kind].concat();
        let kept = u32::try_from(frame.len()).unwrap();
        let head = [5_u32, 250_000, kept, bytes].map(u32::to_le_bytes).concat();
        [head, frame].concat()
    }

    #[test]
    fn only_the_machines_own_frames_count() {
        let mut pcap = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        pcap.resize(24, 0);
        let other = [2, 0, 0, 0, 0, 2];
        for packet in [
            packet([0xff; 6], MAC, [8, 0], 300),
            packet(MAC, other, [8, 0], 1500),
            packet(other, [3; 6], [8, 0], 60),
            packet(MAC, other, [0x86, 0xdd], 60),
        ] {
            pcap.extend(packet);
        }
        let frame = |bytes, sent| Frame { at: 5.25, bytes, sent };
        assert_eq!(frames(&pcap, MAC).unwrap(), [frame(300, true), frame(1500, false)]);
    }
}
