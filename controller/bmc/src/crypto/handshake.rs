//! The proofs that the RAKP messages carry, and the key that comes of them (sections 13.31 and 13.32).

use super::code;
use crate::{CipherSuite, Secret};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// Everything that both sides said in a handshake and that their proofs cover.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// What they agreed on.
    pub suite: CipherSuite,
    /// What the console calls the session.
    pub console_id: u32,
    /// What the controller calls the session.
    pub bmc_id: u32,
    /// The console's share of the randomness.
    pub console_random: [u8; 16],
    /// The controller's share of the randomness.
    pub bmc_random: [u8; 16],
    /// Of the managed system, as message 2 has it.
    pub guid: [u8; 16],
    /// As message 1 has it, with the lookup bit.
    pub role: u8,
    /// As message 1 has it.
    pub user: Vec<u8>,
}

impl Transcript {
    /// The code of RAKP message 2.
    #[must_use]
    pub fn rakp2_code(&self, password: &Secret) -> Vec<u8> {
        self.rakp2_tag(password).as_ref().to_vec()
    }

    /// True if `given` is the code of RAKP message 2, that is, if the controller knows the same password.
    #[must_use]
    pub fn rakp2_matches(&self, password: &Secret, given: &[u8]) -> bool {
        code::matches(&self.rakp2_tag(password), self.suite.rakp_code_len(), given)
    }

    /// The code of RAKP message 3.
    #[must_use]
    pub fn rakp3_code(&self, password: &Secret) -> Vec<u8> {
        self.rakp3_tag(password).as_ref().to_vec()
    }

    /// True if `given` is the code of RAKP message 3, that is, if the console knows the password.
    #[must_use]
    pub fn rakp3_matches(&self, password: &Secret, given: &[u8]) -> bool {
        code::matches(&self.rakp3_tag(password), self.suite.rakp_code_len(), given)
    }

    /// The session integrity key. `key` is the controller's key Kg where it has one, else the password.
    #[must_use]
    pub fn session_integrity_key(&self, key: &Secret) -> SessionIntegrityKey {
        let tag = code::sign(
            &self.key(key.padded()),
            &[&self.console_random, &self.bmc_random, &[self.role], &self.user_len(), &self.user],
        );
        SessionIntegrityKey { suite: self.suite, bytes: Zeroizing::new(tag.as_ref().to_vec()) }
    }

    /// The code of RAKP message 4.
    #[must_use]
    pub fn rakp4_code(&self, sik: &SessionIntegrityKey) -> Vec<u8> {
        let tag = self.rakp4_tag(sik);
        tag.as_ref().iter().copied().take(self.suite.integrity_code_len()).collect()
    }

    /// True if `given` is the code of RAKP message 4, that is, if both have the same session integrity key.
    #[must_use]
    pub fn rakp4_matches(&self, sik: &SessionIntegrityKey, given: &[u8]) -> bool {
        code::matches(&self.rakp4_tag(sik), self.suite.integrity_code_len(), given)
    }

    fn rakp2_tag(&self, password: &Secret) -> hmac::Tag {
        code::sign(
            &self.key(password.padded()),
            &[
                &self.console_id.to_le_bytes(),
                &self.bmc_id.to_le_bytes(),
                &self.console_random,
                &self.bmc_random,
                &self.guid,
                &[self.role],
                &self.user_len(),
                &self.user,
            ],
        )
    }

    fn rakp3_tag(&self, password: &Secret) -> hmac::Tag {
        code::sign(
            &self.key(password.padded()),
            &[&self.bmc_random, &self.console_id.to_le_bytes(), &[self.role], &self.user_len(), &self.user],
        )
    }

    fn rakp4_tag(&self, sik: &SessionIntegrityKey) -> hmac::Tag {
        code::sign(&self.key(&sik.bytes), &[&self.console_random, &self.bmc_id.to_le_bytes(), &self.guid])
    }

    fn key(&self, bytes: &[u8]) -> hmac::Key {
        hmac::Key::new(self.suite.hmac(), bytes)
    }

    fn user_len(&self) -> [u8; 1] {
        [u8::try_from(self.user.len()).unwrap_or(u8::MAX)]
    }
}

/// The secret that both sides have after a handshake, and nobody else. Wiped when dropped.
pub struct SessionIntegrityKey {
    suite: CipherSuite,
    bytes: Zeroizing<Vec<u8>>,
}

impl SessionIntegrityKey {
    /// Keying material K1, K2 … : the code of twenty times the number (section 13.32).
    pub(super) fn material(&self, number: u8) -> Zeroizing<Vec<u8>> {
        let key = hmac::Key::new(self.suite.hmac(), &self.bytes);
        Zeroizing::new(code::sign(&key, &[&[number; 20]]).as_ref().to_vec())
    }

    pub(super) const fn suite(&self) -> CipherSuite {
        self.suite
    }
}

impl std::fmt::Debug for SessionIntegrityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionIntegrityKey(..)")
    }
}
