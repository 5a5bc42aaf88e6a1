//! What RMCP+ computes: proofs and keys of a handshake ([`Transcript`]), protection of a session's packets
//! ([`SessionKeys`]). Pure functions over bytes, for both ends.

mod aes;
mod code;
mod handshake;
mod session;

pub use handshake::{SessionIntegrityKey, Transcript};
pub use session::{SessionKeys, Unsealed};

/// `N` bytes that nobody can guess.
///
/// # Errors
/// If the operating system gives none.
pub fn random<const N: usize>() -> Result<[u8; N], CryptoFailed> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// The cryptography library refused; it does not say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cryptography library failed")]
pub struct CryptoFailed;

impl From<aws_lc_rs::error::Unspecified> for CryptoFailed {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}
