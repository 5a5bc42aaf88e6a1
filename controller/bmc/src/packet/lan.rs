//! IPMI requests and responses as they travel over a LAN (section 13.8).

use super::Malformed;
use super::reader::Reader;

/// The slave address of a management controller.
pub const BMC_ADDRESS: u8 = 0x20;
/// The software id of a remote console.
pub const CONSOLE_ADDRESS: u8 = 0x81;

/// A request from a console to a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanRequest {
    /// Six bits, even.
    pub netfn: u8,
    /// The logical unit that is asked: two bits.
    pub lun: u8,
    /// Chosen by the requester, six bits; the response repeats it.
    pub rq_seq: u8,
    /// The command.
    pub cmd: u8,
    /// Its parameters.
    pub data: Vec<u8>,
}

/// A response from a controller to a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanResponse {
    /// Six bits, odd: that of the request plus one.
    pub netfn: u8,
    /// The logical unit that answers: two bits.
    pub lun: u8,
    /// That of the request.
    pub rq_seq: u8,
    /// That of the request.
    pub cmd: u8,
    /// 00h for success.
    pub completion: u8,
    /// What follows the completion code.
    pub data: Vec<u8>,
}

impl LanRequest {
    /// As a payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let tail = [CONSOLE_ADDRESS, self.rq_seq << 2, self.cmd];
        encode([BMC_ADDRESS, self.netfn << 2 | self.lun & 0x03], tail, &[], &self.data)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// If it is too short, a checksum is wrong, it is not for the controller, or it is a response.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        const NAME: &str = "IPMI request";
        let ([to, netfn_lun], [_from, seq, cmd], data) = decode(NAME, payload)?;
        if to != BMC_ADDRESS {
            return Err(Malformed { packet: NAME, problem: "it is not for the management controller" });
        }
        let netfn = netfn_lun >> 2;
        if netfn % 2 != 0 {
            return Err(Malformed { packet: NAME, problem: "it is a response" });
        }
        Ok(Self { netfn, lun: netfn_lun & 0x03, rq_seq: seq >> 2, cmd, data: data.to_vec() })
    }
}

impl LanResponse {
    /// As a payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let tail = [BMC_ADDRESS, self.rq_seq << 2 | self.lun & 0x03, self.cmd];
        encode([CONSOLE_ADDRESS, self.netfn << 2], tail, &[self.completion], &self.data)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// If it is too short, a checksum is wrong, or it is a request.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        const NAME: &str = "IPMI response";
        let ([_to, netfn_lun], [_from, seq, cmd], data) = decode(NAME, payload)?;
        let netfn = netfn_lun >> 2;
        if netfn % 2 == 0 {
            return Err(Malformed { packet: NAME, problem: "it is a request" });
        }
        let [completion, data @ ..] = data else {
            return Err(Malformed { packet: NAME, problem: "it has no completion code" });
        };
        Ok(Self {
            netfn,
            lun: seq & 0x03,
            rq_seq: seq >> 2,
            cmd,
            completion: *completion,
            data: data.to_vec(),
        })
    }
}

/// Two bytes with their checksum, three bytes and the data with theirs.
fn encode(head: [u8; 2], tail: [u8; 3], completion: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = head.to_vec();
    out.push(checksum(&head));
    out.extend(tail);
    out.extend(completion);
    out.extend(data);
    out.push(checksum(&out[3..]));
    out
}

type Parts<'a> = ([u8; 2], [u8; 3], &'a [u8]);

fn decode<'a>(name: &'static str, payload: &'a [u8]) -> Result<Parts<'a>, Malformed> {
    let mut reader = Reader::new(name, payload);
    let head: [u8; 2] = reader.array()?;
    if reader.u8()? != checksum(&head) {
        return Err(reader.malformed("its first checksum is wrong"));
    }
    let [covered @ .., sum] = reader.rest() else { return Err(reader.malformed("it ends too early")) };
    if *sum != checksum(covered) {
        return Err(reader.malformed("its second checksum is wrong"));
    }
    let mut reader = Reader::new(name, covered);
    Ok((head, reader.array()?, reader.rest()))
}

/// What makes the sum of all bytes zero modulo 256.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_sub(*byte))
}
