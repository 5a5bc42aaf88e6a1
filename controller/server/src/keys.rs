//! Keys that only controllers have, and what is made with them: sealed BMC passwords, one-time tokens and invitations.

use anyhow::{Context as _, bail};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hostler_core::hardware::Mac;
use hostler_core::ids::{BootId, NodeId};
use hostler_core::node::Sealed;
use hostler_core::time::Timestamp;
use std::path::Path;
use zeroize::Zeroizing;

const KEY_LEN: usize = 32;

/// Seals BMC passwords at rest: AES-256-GCM under a key file.
#[derive(Debug)]
pub(crate) struct SealKey(RandomizedNonceKey);

impl SealKey {
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let key = read_key(path)?;
        let key =
            RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).ok().context("the seal key is unusable")?;
        Ok(Self(key))
    }

    /// Seals a secret. Two seals of one secret differ.
    pub(crate) fn seal(&self, secret: &str) -> anyhow::Result<Sealed> {
        let mut text = Zeroizing::new(secret.as_bytes().to_vec());
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::empty(), &mut *text)
            .ok()
            .context("a secret could not be sealed")?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&text);
        Ok(Sealed(BASE64.encode(sealed)))
    }

    /// Opens a seal.
    pub(crate) fn open(&self, sealed: &Sealed) -> anyhow::Result<Zeroizing<String>> {
        const WRONG: &str = "a sealed password does not open: was the seal key replaced?";
        let bytes = BASE64.decode(&sealed.0).context(WRONG)?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_LEN).context(WRONG)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok().context(WRONG)?;
        let mut text = Zeroizing::new(rest.to_vec());
        let plain = self.0.open_in_place(nonce, Aad::empty(), &mut text).ok().context(WRONG)?;
        Ok(Zeroizing::new(std::str::from_utf8(plain).context(WRONG)?.to_owned()))
    }
}

/// Makes and checks one-time tokens. Nothing secret is stored: the token is a MAC over what it is for, and renders
/// the same after a crash.
#[derive(Debug)]
pub(crate) struct TokenKey(hmac::Key);

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenClaims {
    pub(crate) boot: BootId,
    pub(crate) node: NodeId,
    pub(crate) mac: Mac,
}

/// Who is invited by a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvitationClaims<'a> {
    pub(crate) number: u32,
    pub(crate) name: &'a str,
    pub(crate) expires: Timestamp,
}

impl InvitationClaims<'_> {
    /// Longer than any token's, so that neither passes for the other.
    fn encode(&self) -> Vec<u8> {
        let (number, expires) = (self.number.to_be_bytes(), self.expires.0.to_be_bytes());
        [b"hostler invitation".as_slice(), &number, &expires, self.name.as_bytes()].concat()
    }
}

impl TokenKey {
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, read_key(path)?.as_slice())))
    }

    pub(crate) fn token(&self, claims: TokenClaims) -> String {
        let body = claims.encode();
        let tag = hmac::sign(&self.0, &body);
        BASE64.encode([&body, tag.as_ref()].concat())
    }

    /// Proves that an invitation is one of this controller's.
    pub(crate) fn prove(&self, invitation: &InvitationClaims<'_>) -> Vec<u8> {
        hmac::sign(&self.0, &invitation.encode()).as_ref().to_vec()
    }

    /// True if it is. Compared in constant time.
    pub(crate) fn proves(&self, invitation: &InvitationClaims<'_>, proof: &[u8]) -> bool {
        hmac::verify(&self.0, &invitation.encode(), proof).is_ok()
    }

    /// What an authentic token is for; `None` for anything else. Compared in constant time.
    pub(crate) fn check(&self, token: &str) -> Option<TokenClaims> {
        let bytes = BASE64.decode(token).ok()?;
        let (body, tag) = bytes.split_at_checked(TokenClaims::LEN)?;
        hmac::verify(&self.0, body, tag).ok()?;
        TokenClaims::decode(body)
    }
}

impl TokenClaims {
    const LEN: usize = 14;

    fn encode(self) -> [u8; Self::LEN] {
        let mut body = [0; Self::LEN];
        body[..4].copy_from_slice(&self.boot.0.to_be_bytes());
        body[4..8].copy_from_slice(&self.node.0.to_be_bytes());
        body[8..].copy_from_slice(&self.mac.0);
        body
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(body.get(at..at + 4)?.try_into().ok()?));
        let mac = Mac(body.get(8..Self::LEN)?.try_into().ok()?);
        Some(Self { boot: BootId(number(0)?), node: NodeId(number(4)?), mac })
    }
}

/// A new key for a key file.
pub(crate) fn generate() -> anyhow::Result<String> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    aws_lc_rs::rand::fill(key.as_mut()).ok().context("the system gave no random bytes")?;
    Ok(BASE64.encode(*key) + "\n")
}

fn read_key(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the key file {}", path.display()))?;
    let key = BASE64.decode(text.trim()).ok().map(Zeroizing::new);
    match key {
        Some(key) if key.len() == KEY_LEN => Ok(key),
        _ => bail!("{} is no key file: one line of base64 that `hostlerd init` wrote", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_file() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), generate().unwrap()).unwrap();
        file
    }

    #[test]
    fn a_sealed_secret_opens_with_its_key_only() {
        let (ours, other) = (key_file(), key_file());
        let key = SealKey::load(ours.path()).unwrap();
        let sealed = key.seal("correct horse").unwrap();
        assert!(!sealed.0.contains("horse"));
        assert_ne!(sealed, key.seal("correct horse").unwrap(), "a nonce of its own each time");
        assert_eq!(key.open(&sealed).unwrap().as_str(), "correct horse");
        assert!(SealKey::load(other.path()).unwrap().open(&sealed).is_err());
        assert!(key.open(&Sealed("AAAA".into())).is_err());
    }

    #[test]
    fn a_token_tells_what_it_is_for_and_nothing_can_be_changed_in_it() {
        let file = key_file();
        let key = TokenKey::load(file.path()).unwrap();
        let claims = TokenClaims { boot: BootId(7), node: NodeId(3), mac: Mac([2, 0, 0, 0, 0, 9]) };
        let token = key.token(claims);
        assert_eq!(token, TokenKey::load(file.path()).unwrap().token(claims), "the same after a restart");
        assert_eq!(key.check(&token), Some(claims));
        let bytes = BASE64.decode(&token).unwrap();
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 1;
            assert_eq!(key.check(&BASE64.encode(changed)), None, "byte {i}");
        }
        assert_eq!(key.check(""), None);
        assert_eq!(TokenKey::load(key_file().path()).unwrap().check(&token), None);
    }

    #[test]
    fn a_proof_is_of_one_invitation() {
        let (file, other) = (key_file(), key_file());
        let key = TokenKey::load(file.path()).unwrap();
        let claims = InvitationClaims { number: 1, name: "lab-b", expires: Timestamp(9) };
        let proof = key.prove(&claims);
        assert!(key.proves(&claims, &proof));
        let others = [
            InvitationClaims { number: 2, ..claims },
            InvitationClaims { name: "lab-c", ..claims },
            InvitationClaims { expires: Timestamp(10), ..claims },
        ];
        assert!(others.iter().all(|other| !key.proves(other, &proof)));
        assert!(!key.proves(&claims, &proof[1..]) && !key.proves(&claims, &[]));
        assert!(!TokenKey::load(other.path()).unwrap().proves(&claims, &proof));
    }
}
