//! Protection of the packets of a session: encrypted, then authenticated (section 13.6).

use super::aes::AesKey;
use super::{CryptoFailed, SessionIntegrityKey, code};
use crate::CipherSuite;
use crate::packet::{Header, Malformed, Protected, encode_protected_prefix, push_trailer_padding};
use aws_lc_rs::hmac;

/// The keys of one session. Wiped when dropped.
pub struct SessionKeys {
    suite: CipherSuite,
    integrity: hmac::Key,
    confidentiality: AesKey,
}

/// Why a packet is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    /// It lacks what the session agreed on.
    #[error("it is not both encrypted and authenticated")]
    Unprotected,
    /// Changed on the way, or not from the peer.
    #[error("its authentication code is wrong")]
    Forged,
    /// The peer encrypts wrongly.
    #[error("its payload cannot be decrypted")]
    Undecryptable,
    /// No trailer.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl SessionKeys {
    /// The keys that follow from `sik`.
    ///
    /// # Errors
    /// If the cryptography library refuses them.
    pub fn new(sik: &SessionIntegrityKey) -> Result<Self, CryptoFailed> {
        let (k1, k2) = (sik.material(1), sik.material(2));
        let suite = sik.suite();
        Ok(Self {
            suite,
            integrity: hmac::Key::new(suite.hmac(), &k1),
            confidentiality: AesKey::new(k2.get(..16).ok_or(CryptoFailed)?)?,
        })
    }

    /// The datagram that carries `payload`.
    ///
    /// # Errors
    /// If the cryptography library refuses.
    pub fn seal(&self, header: Header, payload: &[u8]) -> Result<Vec<u8>, CryptoFailed> {
        let mut datagram = encode_protected_prefix(header, &self.confidentiality.encrypt(payload)?);
        push_trailer_padding(&mut datagram);
        let covered = datagram.get(4..).ok_or(CryptoFailed)?;
        let tag = code::sign(&self.integrity, &[covered]);
        datagram.extend(tag.as_ref().iter().take(self.suite.integrity_code_len()));
        Ok(datagram)
    }

    /// The payload of `packet`, once its authentication code was checked.
    ///
    /// # Errors
    /// If it is not believed.
    pub fn unseal(&self, packet: &Protected<'_>) -> Result<Vec<u8>, Unsealed> {
        if !(packet.encrypted && packet.authenticated) {
            return Err(Unsealed::Unprotected);
        }
        let code_len = self.suite.integrity_code_len();
        let (covered, given) = packet.signed(code_len)?;
        if !code::matches(&code::sign(&self.integrity, &[covered]), code_len, given) {
            return Err(Unsealed::Forged);
        }
        self.confidentiality.decrypt(packet.payload).ok_or(Unsealed::Undecryptable)
    }
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKeys(..)")
    }
}
