//! The session header and trailer (sections 13.6 and 13.28).

use super::Malformed;
use super::reader::Reader;
use super::rmcp::{self, RMCP_HEADER};

/// Longer datagrams are not looked at. IPMI messages and RAKP messages are below 300 bytes, serial-over-LAN stays
/// below 600.
pub const MAX_DATAGRAM: usize = 1024;

const AUTH_TYPE_NONE: u8 = 0x00;
const AUTH_TYPE_RMCP_PLUS: u8 = 0x06;
const ENCRYPTED: u8 = 0x80;
const AUTHENTICATED: u8 = 0x40;
/// The only value that is assigned to "next header": it says that the payload was IPMI.
const NEXT_HEADER: u8 = 0x07;
/// From the authentication type to the payload length.
const HEADER_LEN: usize = 12;

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadType {
    /// 00h: an IPMI request or response.
    Ipmi,
    /// 10h.
    OpenSessionRequest,
    /// 11h.
    OpenSessionResponse,
    /// 12h.
    Rakp1,
    /// 13h.
    Rakp2,
    /// 14h.
    Rakp3,
    /// 15h.
    Rakp4,
    /// Serial over LAN (01h) and whatever else there is; below 40h.
    Other(u8),
}

impl PayloadType {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0x3f {
            0x00 => Self::Ipmi,
            0x10 => Self::OpenSessionRequest,
            0x11 => Self::OpenSessionResponse,
            0x12 => Self::Rakp1,
            0x13 => Self::Rakp2,
            0x14 => Self::Rakp3,
            0x15 => Self::Rakp4,
            other => Self::Other(other),
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Ipmi => 0x00,
            Self::OpenSessionRequest => 0x10,
            Self::OpenSessionResponse => 0x11,
            Self::Rakp1 => 0x12,
            Self::Rakp2 => 0x13,
            Self::Rakp3 => 0x14,
            Self::Rakp4 => 0x15,
            Self::Other(other) => other & 0x3f,
        }
    }
}

/// What a session header says besides how the payload is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub payload: PayloadType,
    /// The id that the receiver gave out; zero outside a session.
    pub session_id: u32,
    /// Counts the packets of one direction of a session from 1; zero outside a session.
    pub sequence: u32,
}

/// A datagram, as far as it can be read without keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// IPMI v1.5 format without authentication: only good outside sessions.
    V15 {
        /// An IPMI request or response.
        payload: &'a [u8],
    },
    /// RMCP+, neither authenticated nor encrypted: only good for the handshake.
    Plain {
        /// Its header.
        header: Header,
        /// As the header says.
        payload: &'a [u8],
    },
    /// RMCP+, authenticated or encrypted or both.
    Protected(Protected<'a>),
}

/// A packet that takes keys to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protected<'a> {
    /// Not to be believed before the authentication code was checked.
    pub header: Header,
    /// True if the payload has to be decrypted.
    pub encrypted: bool,
    /// True if there is an authentication code.
    pub authenticated: bool,
    /// As on the wire.
    pub payload: &'a [u8],
    /// Everything from the authentication type to the end of the datagram.
    body: &'a [u8],
}

impl<'a> Protected<'a> {
    /// Splits off an authentication code of `code_len` bytes: (what it covers, the code).
    ///
    /// # Errors
    /// If what lies between the payload and the code is not a trailer.
    pub fn signed(&self, code_len: usize) -> Result<(&'a [u8], &'a [u8]), Malformed> {
        let malformed = |problem| Malformed { packet: "session trailer", problem };
        let covered = self.body.len().checked_sub(code_len).ok_or_else(|| malformed("it ends too early"))?;
        let (covered, code) = self.body.split_at(covered);
        let payload_end = HEADER_LEN + self.payload.len();
        let [padding @ .., pad_len, next_header] = covered.get(payload_end..).unwrap_or_default() else {
            return Err(malformed("it ends too early"));
        };
        if *next_header != NEXT_HEADER {
            return Err(malformed("its next header is not 07h"));
        }
        if padding.len() != usize::from(*pad_len) {
            return Err(malformed("its padding is not as long as it says"));
        }
        Ok((covered, code))
    }
}

impl<'a> Packet<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// If it is not RMCP of class IPMI, is neither RMCP+ nor unauthenticated IPMI v1.5, or is shorter than it says.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let body = rmcp::strip(datagram)?;
        match body.first() {
            Some(&AUTH_TYPE_RMCP_PLUS) => decode_rmcp_plus(body),
            Some(&AUTH_TYPE_NONE) => decode_v15(body),
            Some(_) => Err(Malformed { packet: "session header", problem: "its authentication type is old" }),
            None => Err(Malformed { packet: "session header", problem: "it ends too early" }),
        }
    }
}

fn decode_v15(body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let mut reader = Reader::new("IPMI v1.5 session header", body);
    let (_auth_type, _sequence, _session_id) = (reader.u8()?, reader.u32()?, reader.u32()?);
    let len = usize::from(reader.u8()?);
    // What follows is the padding that section 13.6 asks for at certain lengths.
    Ok(Packet::V15 { payload: reader.take(len)? })
}

fn decode_rmcp_plus(body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let mut reader = Reader::new("RMCP+ session header", body);
    let (_auth_type, kind) = (reader.u8()?, reader.u8()?);
    let payload = PayloadType::from_bits(kind);
    if payload == PayloadType::Other(0x02) {
        return Err(reader.malformed("its payload is of an OEM's own type"));
    }
    let header = Header { payload, session_id: reader.u32()?, sequence: reader.u32()? };
    let len = usize::from(reader.u16()?);
    let payload = reader.take(len)?;
    let (encrypted, authenticated) = (kind & ENCRYPTED != 0, kind & AUTHENTICATED != 0);
    Ok(if encrypted || authenticated {
        Packet::Protected(Protected { header, encrypted, authenticated, payload, body })
    } else {
        Packet::Plain { header, payload }
    })
}

/// An IPMI v1.5 datagram without authentication, outside any session. At most 255 bytes of payload are sent.
#[must_use]
pub fn encode_v15(payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    let mut out = RMCP_HEADER.to_vec();
    out.push(AUTH_TYPE_NONE);
    out.extend([0; 8]);
    out.push(len);
    out.extend(&payload[..usize::from(len)]);
    out
}

/// An RMCP+ datagram that is neither authenticated nor encrypted, outside any session.
#[must_use]
pub fn encode_plain(payload_type: PayloadType, payload: &[u8]) -> Vec<u8> {
    encode(Header { payload: payload_type, session_id: 0, sequence: 0 }, 0, payload)
}

/// An authenticated and encrypted RMCP+ datagram without its trailer; `payload` is encrypted already.
#[must_use]
pub fn encode_protected_prefix(header: Header, payload: &[u8]) -> Vec<u8> {
    encode(header, ENCRYPTED | AUTHENTICATED, payload)
}

/// Adds the trailer up to its authentication code, so that the code covers a multiple of four bytes.
pub fn push_trailer_padding(datagram: &mut Vec<u8>) {
    let unpadded = datagram.len() - RMCP_HEADER.len() + 2;
    let padding = unpadded.next_multiple_of(4) - unpadded;
    datagram.extend([0xff].repeat(padding));
    datagram.extend([u8::try_from(padding).unwrap_or_default(), NEXT_HEADER]);
}

fn encode(header: Header, protection: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut out = RMCP_HEADER.to_vec();
    out.extend([AUTH_TYPE_RMCP_PLUS, protection | header.payload.bits()]);
    out.extend(header.session_id.to_le_bytes());
    out.extend(header.sequence.to_le_bytes());
    out.extend(len.to_le_bytes());
    out.extend(&payload[..usize::from(len)]);
    out
}
