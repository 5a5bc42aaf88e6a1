//! The first exchange of a handshake: which algorithms, which session ids (sections 13.17 and 13.18).

use super::reader::Reader;
use super::{Malformed, RakpStatus};

/// Three algorithm numbers (section 13.28). What they mean, [`crate::CipherSuite`] knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithms {
    /// Of the RAKP messages.
    pub authentication: u8,
    /// Of the packets of the session.
    pub integrity: u8,
    /// Of the packets of the session.
    pub confidentiality: u8,
}

/// From the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSessionRequest {
    /// Repeated by the response.
    pub tag: u8,
    /// Four bits; zero asks for the highest that the algorithms allow.
    pub max_privilege: u8,
    /// What the console calls the session; not zero.
    pub console_id: u32,
    /// What the console proposes.
    pub algorithms: Algorithms,
}

/// From the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSessionResponse {
    /// That of the request.
    pub tag: u8,
    /// That of the request; zero where the controller left it out of a refusal.
    pub console_id: u32,
    /// The session, or why there is none.
    pub outcome: Result<OpenedSession, RakpStatus>,
}

/// What the controller agrees to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedSession {
    /// Four bits.
    pub max_privilege: u8,
    /// What the controller calls the session; not zero.
    pub bmc_id: u32,
    /// Not necessarily those that were proposed.
    pub algorithms: Algorithms,
}

impl OpenSessionRequest {
    /// As a payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.tag, self.max_privilege & 0x0f, 0, 0];
        out.extend(self.console_id.to_le_bytes());
        self.algorithms.encode(&mut out);
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// If it is too short or proposes no algorithms.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("open session request", payload);
        let [tag, privilege, _, _] = reader.array()?;
        Ok(Self {
            tag,
            max_privilege: privilege & 0x0f,
            console_id: reader.u32()?,
            algorithms: Algorithms::decode(&mut reader)?,
        })
    }
}

impl OpenSessionResponse {
    /// As a payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let status = self.outcome.err().map_or(0, RakpStatus::code);
        let privilege = self.outcome.map_or(0, |opened| opened.max_privilege & 0x0f);
        let mut out = vec![self.tag, status, privilege, 0];
        out.extend(self.console_id.to_le_bytes());
        if let Ok(opened) = self.outcome {
            out.extend(opened.bmc_id.to_le_bytes());
            opened.algorithms.encode(&mut out);
        }
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// If it is too short or names no algorithms though it does not refuse.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("open session response", payload);
        let (tag, status) = (reader.u8()?, reader.u8()?);
        if let Some(status) = RakpStatus::from_code(status) {
            // Some controllers end a refusal here.
            let console_id = reader.u16().and_then(|_| reader.u32()).unwrap_or_default();
            return Ok(Self { tag, console_id, outcome: Err(status) });
        }
        let [privilege, _] = reader.array()?;
        let console_id = reader.u32()?;
        let opened = OpenedSession {
            max_privilege: privilege & 0x0f,
            bmc_id: reader.u32()?,
            algorithms: Algorithms::decode(&mut reader)?,
        };
        Ok(Self { tag, console_id, outcome: Ok(opened) })
    }
}

impl Algorithms {
    fn encode(self, out: &mut Vec<u8>) {
        for (kind, number) in [(0, self.authentication), (1, self.integrity), (2, self.confidentiality)] {
            out.extend([kind, 0, 0, 8, number, 0, 0, 0]);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut numbers = [0; 3];
        for (kind, number) in (0..).zip(&mut numbers) {
            let [found, _, _, len, algorithm, _, _, _] = reader.array()?;
            // Length zero is a wildcard, "whatever you like best"; nothing here ever likes to leave that open.
            if found != kind || len != 8 {
                return Err(reader.malformed("it does not name one algorithm of each kind"));
            }
            *number = algorithm & 0x3f;
        }
        let [authentication, integrity, confidentiality] = numbers;
        Ok(Self { authentication, integrity, confidentiality })
    }
}
