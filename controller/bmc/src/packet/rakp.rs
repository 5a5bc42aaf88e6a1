//! RAKP messages 1 to 4 (sections 13.20 to 13.23): each side proves that it knows the password.

use super::reader::Reader;
use super::{Malformed, RakpStatus};

/// The longest user name, in bytes.
pub const MAX_USER_NAME: usize = 16;

/// Set in [`Rakp1::role`]: look the user up by name alone, not by name and privilege level together.
pub const NAME_ONLY_LOOKUP: u8 = 0x10;

/// From the console: who wants in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp1 {
    /// Repeated by message 2.
    pub tag: u8,
    /// What the controller calls the session.
    pub bmc_id: u32,
    /// Fresh for each handshake.
    pub console_random: [u8; 16],
    /// The privilege level in the lower four bits, and [`NAME_ONLY_LOOKUP`].
    pub role: u8,
    /// At most [`MAX_USER_NAME`] bytes.
    pub user: Vec<u8>,
}

/// From the controller: its share of the randomness, and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp2 {
    /// That of message 1.
    pub tag: u8,
    /// What the console calls the session; zero where the controller left it out of a refusal.
    pub console_id: u32,
    /// The proof, or why there is none.
    pub outcome: Result<Rakp2Accepted, RakpStatus>,
}

/// What message 2 holds unless it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp2Accepted {
    /// Fresh for each handshake.
    pub bmc_random: [u8; 16],
    /// Of the managed system.
    pub guid: [u8; 16],
    /// 20 bytes with HMAC-SHA1, 32 with HMAC-SHA256.
    pub code: Vec<u8>,
}

/// From the console: its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp3 {
    /// Repeated by message 4.
    pub tag: u8,
    /// What the controller calls the session.
    pub bmc_id: u32,
    /// The proof, or why the console gives up.
    pub outcome: Result<Rakp3Accepted, RakpStatus>,
}

/// What message 3 holds unless it gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp3Accepted {
    /// 20 bytes with HMAC-SHA1, 32 with HMAC-SHA256.
    pub code: Vec<u8>,
}

/// From the controller: the session is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp4 {
    /// That of message 3.
    pub tag: u8,
    /// What the console calls the session; zero where the controller left it out of a refusal.
    pub console_id: u32,
    /// The proof that both have the same keys, or why there is no session.
    pub outcome: Result<Rakp4Accepted, RakpStatus>,
}

/// What message 4 holds unless it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rakp4Accepted {
    /// 12 bytes with HMAC-SHA1, 16 with HMAC-SHA256.
    pub code: Vec<u8>,
}

impl Rakp1 {
    /// As a payload. Only the first [`MAX_USER_NAME`] bytes of the name are sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let user = &self.user[..self.user.len().min(MAX_USER_NAME)];
        let mut out = vec![self.tag, 0, 0, 0];
        out.extend(self.bmc_id.to_le_bytes());
        out.extend(self.console_random);
        out.extend([self.role, 0, 0, u8::try_from(user.len()).unwrap_or_default()]);
        out.extend(user);
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// If it is too short or the name too long.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("RAKP message 1", payload);
        let [tag, _, _, _] = reader.array()?;
        let bmc_id = reader.u32()?;
        let console_random = reader.array()?;
        let [role, _, _, len] = reader.array()?;
        if usize::from(len) > MAX_USER_NAME {
            return Err(reader.malformed("its user name is longer than 16 bytes"));
        }
        Ok(Self { tag, bmc_id, console_random, role, user: reader.take(usize::from(len))?.to_vec() })
    }
}

impl Rakp2 {
    /// As a payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = head(self.tag, self.outcome.as_ref().err().copied(), self.console_id);
        if let Ok(accepted) = &self.outcome {
            out.extend(accepted.bmc_random);
            out.extend(accepted.guid);
            out.extend(&accepted.code);
        }
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// If it is too short and does not refuse.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (tag, status, console_id, mut reader) = take_head("RAKP message 2", payload)?;
        let outcome = match status {
            Some(status) => Err(status),
            None => Ok(Rakp2Accepted {
                bmc_random: reader.array()?,
                guid: reader.array()?,
                code: reader.rest().to_vec(),
            }),
        };
        Ok(Self { tag, console_id, outcome })
    }
}

impl Rakp3 {
    /// As a payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = head(self.tag, self.outcome.as_ref().err().copied(), self.bmc_id);
        if let Ok(accepted) = &self.outcome {
            out.extend(&accepted.code);
        }
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// If it is too short and does not give up.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (tag, status, bmc_id, reader) = take_head("RAKP message 3", payload)?;
        let outcome = status.map_or_else(|| Ok(Rakp3Accepted { code: reader.rest().to_vec() }), Err);
        Ok(Self { tag, bmc_id, outcome })
    }
}

impl Rakp4 {
    /// As a payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = head(self.tag, self.outcome.as_ref().err().copied(), self.console_id);
        if let Ok(accepted) = &self.outcome {
            out.extend(&accepted.code);
        }
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// If it is too short and does not refuse.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (tag, status, console_id, reader) = take_head("RAKP message 4", payload)?;
        let outcome = status.map_or_else(|| Ok(Rakp4Accepted { code: reader.rest().to_vec() }), Err);
        Ok(Self { tag, console_id, outcome })
    }
}

/// Messages 2 to 4 begin alike: tag, status, two reserved bytes, the session id of the receiver.
fn head(tag: u8, status: Option<RakpStatus>, session_id: u32) -> Vec<u8> {
    let mut out = vec![tag, status.map_or(0, RakpStatus::code), 0, 0];
    out.extend(session_id.to_le_bytes());
    out
}

type Head<'a> = (u8, Option<RakpStatus>, u32, Reader<'a>);

fn take_head<'a>(name: &'static str, payload: &'a [u8]) -> Result<Head<'a>, Malformed> {
    let mut reader = Reader::new(name, payload);
    let (tag, status) = (reader.u8()?, RakpStatus::from_code(reader.u8()?));
    let session_id = reader.u16().and_then(|_| reader.u32());
    // Some controllers end a refusal before the session id.
    let session_id = if status.is_some() { session_id.unwrap_or_default() } else { session_id? };
    Ok((tag, status, session_id, reader))
}
