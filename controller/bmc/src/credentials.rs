//! Who asks: user name, password, privilege level.

use crate::packet::MAX_USER_NAME;
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The longest password and the longest key Kg, in bytes.
const MAX_SECRET: usize = 20;

/// A name or a secret that IPMI cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {len} bytes, but IPMI allows 1 to {max} without a zero byte among them")]
pub struct InvalidCredential {
    what: &'static str,
    len: usize,
    max: usize,
}

fn check(what: &'static str, bytes: &[u8], max: usize) -> Result<(), InvalidCredential> {
    let fits = !bytes.is_empty() && bytes.len() <= max && !bytes.contains(&0);
    if fits { Ok(()) } else { Err(InvalidCredential { what, len: bytes.len(), max }) }
}

/// The name of a BMC user: 1 to 16 bytes. The anonymous user is not spoken for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserName(String);

impl UserName {
    /// A user of this name.
    ///
    /// # Errors
    /// If it is empty or too long, or a zero byte is in it.
    pub fn new(name: &str) -> Result<Self, InvalidCredential> {
        check("the user name", name.as_bytes(), MAX_USER_NAME)?;
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A password or a key Kg: 1 to 20 bytes. Wiped when dropped; prints as nothing.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; MAX_SECRET]);

impl Secret {
    /// A secret of these bytes.
    ///
    /// # Errors
    /// If there are none or too many, or a zero byte is among them: shorter secrets are filled with zeros, so it could
    /// not be told from another.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidCredential> {
        check("the secret", bytes, MAX_SECRET)?;
        let mut padded = [0; MAX_SECRET];
        padded[..bytes.len()].copy_from_slice(bytes);
        Ok(Self(padded))
    }

    /// Filled with zeros to the length that IPMI uses it in.
    pub(crate) const fn padded(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a session may do (section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// Read.
    User,
    /// Read, switch power and choose the boot device.
    Operator,
    /// Everything, cold reset of the controller among it.
    Administrator,
}

impl Privilege {
    /// The number that it is known by.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::User => 2,
            Self::Operator => 3,
            Self::Administrator => 4,
        }
    }

    /// The level with the number in the lower four bits; `None` for callback, OEM and unassigned ones.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code & 0x0f {
            2 => Some(Self::User),
            3 => Some(Self::Operator),
            4 => Some(Self::Administrator),
            _ => None,
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, UserName};

    #[test]
    fn secrets_that_ipmi_cannot_carry_are_refused() {
        assert!(Secret::new(b"").is_err());
        assert!(Secret::new(b"12345678901234567890").is_ok());
        assert!(Secret::new(b"123456789012345678901").is_err());
        assert!(Secret::new(b"a\0b").is_err());
    }

    #[test]
    fn user_names_that_ipmi_cannot_carry_are_refused() {
        assert!(UserName::new("").is_err());
        assert!(UserName::new("sixteen-bytes-ok").is_ok());
        assert!(UserName::new("seventeen-bytes--").is_err());
    }

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2").unwrap()), "Secret(..)");
    }
}
