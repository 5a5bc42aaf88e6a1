//! TFTP packets.

/// What a client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Data { block: u16, bytes: &'a [u8] },
    Error { code: u16, message: String },
    OptionAck(Vec<(String, String)>),
}

impl<'a> Packet<'a> {
    /// `None` for what a client does not expect.
    pub(super) fn decode(packet: &'a [u8]) -> Option<Self> {
        let (opcode, rest) = packet.split_at_checked(2)?;
        match opcode {
            [0, 3] => {
                let (block, bytes) = rest.split_at_checked(2)?;
                Some(Self::Data { block: u16::from_be_bytes(block.try_into().ok()?), bytes })
            }
            [0, 5] => {
                let (code, message) = rest.split_at_checked(2)?;
                let message = message.split(|&b| b == 0).next().unwrap_or_default();
                let code = u16::from_be_bytes(code.try_into().ok()?);
                Some(Self::Error { code, message: String::from_utf8_lossy(message).into_owned() })
            }
            [0, 6] => Some(Self::OptionAck(options(rest)?)),
            _ => None,
        }
    }
}

fn options(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let strings = match bytes.strip_suffix(&[0]) {
        Some(strings) => strings,
        None if bytes.is_empty() => return Some(Vec::new()),
        None => return None,
    };
    let strings: Option<Vec<&str>> =
        strings.split(|&b| b == 0).map(|string| std::str::from_utf8(string).ok()).collect();
    let (pairs, []) = strings.as_deref()?.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[name, value]| (name.to_ascii_lowercase(), (*value).to_owned())).collect())
}

/// RRQ in octet mode.
pub(super) fn read_request(path: &str, options: &[(&str, u64)]) -> Vec<u8> {
    let mut packet = vec![0, 1];
    for word in [path, "octet"] {
        packet.extend_from_slice(word.as_bytes());
        packet.push(0);
    }
    for (name, value) in options {
        packet.extend_from_slice(name.as_bytes());
        packet.push(0);
        packet.extend_from_slice(value.to_string().as_bytes());
        packet.push(0);
    }
    packet
}

/// ACK.
pub(super) fn ack(block: u16) -> Vec<u8> {
    let [high, low] = block.to_be_bytes();
    vec![0, 4, high, low]
}

/// ERROR.
pub(super) fn error(code: u16, message: &str) -> Vec<u8> {
    let [high, low] = code.to_be_bytes();
    [&[0, 5, high, low], message.as_bytes(), &[0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_option_acknowledgement_is_a_list_of_pairs() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![pair("tsize", "850528"), pair("blksize", "1468")];
        assert_eq!(
            Packet::decode(b"\0\x06tsize\x00850528\0BLKSIZE\x001468\0"),
            Some(Packet::OptionAck(expected))
        );
        assert_eq!(Packet::decode(b"\0\x06tsize\0"), None);
        assert_eq!(Packet::decode(b"\0\x06tsize\x001"), None);
        assert_eq!(Packet::decode(b"\0\x06"), Some(Packet::OptionAck(vec![])));
    }

    proptest! {
        #[test]
        fn no_packet_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Packet::decode(&bytes);
        }
    }
}
