//! AES-CBC-128 as section 13.29 wants it: initialization vector, then the payload padded with 1, 2, 3 … and the
//! number of padding bytes.

use super::CryptoFailed;
use aws_lc_rs::cipher::{AES_128, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

const BLOCK: usize = 16;

/// The key of one session, for both directions.
pub(super) struct AesKey {
    encrypting: EncryptingKey,
    decrypting: DecryptingKey,
}

impl AesKey {
    pub(super) fn new(key: &[u8]) -> Result<Self, CryptoFailed> {
        Ok(Self {
            encrypting: EncryptingKey::cbc(UnboundCipherKey::new(&AES_128, key)?)?,
            decrypting: DecryptingKey::cbc(UnboundCipherKey::new(&AES_128, key)?)?,
        })
    }

    pub(super) fn encrypt(&self, payload: &[u8]) -> Result<Vec<u8>, CryptoFailed> {
        let mut blocks = payload.to_vec();
        let padding = (blocks.len() + 1).next_multiple_of(BLOCK) - blocks.len() - 1;
        // At most 15 of them, so they fit a byte each.
        let padding = u8::try_from(padding).map_err(|_| CryptoFailed)?;
        blocks.extend(1..=padding);
        blocks.push(padding);
        let context = self.encrypting.encrypt(&mut blocks)?;
        let DecryptionContext::Iv128(iv) = context else { return Err(CryptoFailed) };
        Ok([iv.as_ref().as_slice(), &blocks].concat())
    }

    /// `None` if it is no such ciphertext.
    pub(super) fn decrypt(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        let (iv, blocks) = ciphertext.split_first_chunk::<BLOCK>()?;
        let mut blocks = blocks.to_vec();
        self.decrypting.decrypt(&mut blocks, DecryptionContext::Iv128(FixedLength::from(iv))).ok()?;
        // The values of the padding are not looked at: the authentication code covers them, and controllers that fill
        // it with anything else exist. So do those that add a whole block of it.
        let padding = usize::from(blocks.pop()?);
        let len = blocks.len().checked_sub(padding)?;
        blocks.truncate(len);
        (padding <= BLOCK).then_some(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::AesKey;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_encrypted_is_decrypted(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let key = AesKey::new(&[7; 16]).unwrap();
            let ciphertext = key.encrypt(&payload).unwrap();
            prop_assert_eq!(ciphertext.len() % 16, 0);
            prop_assert_eq!(key.decrypt(&ciphertext), Some(payload));
        }

        #[test]
        fn rubbish_is_not_decrypted_to_more_than_it_was(rubbish in prop::collection::vec(any::<u8>(), 0..100)) {
            let plain = AesKey::new(&[7; 16]).unwrap().decrypt(&rubbish);
            prop_assert!(plain.is_none_or(|plain| plain.len() < rubbish.len()));
        }
    }
}
