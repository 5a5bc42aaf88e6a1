//! Cipher suites.

use crate::packet::Algorithms;
use aws_lc_rs::hmac;

/// How a session is authenticated, protected and encrypted (section 22.15.2). Those without authentication,
/// integrity or encryption, or with RC4 or MD5, are not spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CipherSuite {
    /// Suite 3: RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128. Every IPMI 2.0 controller has it.
    Aes128Sha1,
    /// Suite 17: RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Aes128Sha256,
}

impl CipherSuite {
    /// All of them, weakest first.
    pub const ALL: [Self; 2] = [Self::Aes128Sha1, Self::Aes128Sha256];

    /// The number that it is known by.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Aes128Sha1 => 3,
            Self::Aes128Sha256 => 17,
        }
    }

    /// The suite with this number; `None` if it is not spoken.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.id() == id)
    }

    /// What it is made of.
    #[must_use]
    pub const fn algorithms(self) -> Algorithms {
        match self {
            Self::Aes128Sha1 => Algorithms { authentication: 1, integrity: 1, confidentiality: 1 },
            Self::Aes128Sha256 => Algorithms { authentication: 3, integrity: 4, confidentiality: 1 },
        }
    }

    /// The suite that is made of exactly these; `None` if it is not spoken.
    #[must_use]
    pub fn from_algorithms(algorithms: Algorithms) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.algorithms() == algorithms)
    }

    pub(crate) const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Aes128Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Aes128Sha256 => hmac::HMAC_SHA256,
        }
    }

    /// Bytes of the codes of RAKP messages 2 and 3.
    pub(crate) const fn rakp_code_len(self) -> usize {
        match self {
            Self::Aes128Sha1 => 20,
            Self::Aes128Sha256 => 32,
        }
    }

    /// Bytes of the codes of RAKP message 4 and of every packet of a session.
    pub(crate) const fn integrity_code_len(self) -> usize {
        match self {
            Self::Aes128Sha1 => 12,
            Self::Aes128Sha256 => 16,
        }
    }
}

impl std::fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.id())
    }
}
