//! A code as it travels from one administrator's screen to another: one word of base64url.

use super::JoinError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hostler_proto::controller::v1::JoinCode;
use prost::Message as _;

/// By which people and scanners for secrets know what it is.
const PREFIX: &str = "hostler-join-";

/// Bytes of a digest, and of a proof.
const DIGEST: usize = 32;

/// The word.
pub(crate) fn encode(code: &JoinCode) -> String {
    format!("{PREFIX}{}", BASE64.encode(code.encode_to_vec()))
}

/// Reads the word, which may have been broken into lines.
///
/// # Errors
/// If it is something else, or not all of it. It is not repeated in the error.
pub(super) fn decode(text: &str) -> Result<JoinCode, JoinError> {
    let word: String = text.split_whitespace().collect();
    let body = word.strip_prefix(PREFIX).ok_or(JoinError::NoCode)?;
    let bytes = BASE64.decode(body).map_err(|_| JoinError::Damaged)?;
    let code = JoinCode::decode(bytes.as_slice()).map_err(|_| JoinError::Damaged)?;
    let is_whole = code.ca_sha256.len() == DIGEST && code.proof.len() == DIGEST && !code.addresses.is_empty();
    if is_whole { Ok(code) } else { Err(JoinError::Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> JoinCode {
        JoinCode {
            number: 7,
            name: "lab-b".into(),
            expires_ms: 1_774_087_953_000,
            addresses: vec!["https://10.0.0.1:7443".into()],
            ca_sha256: vec![1; DIGEST],
            proof: vec![2; DIGEST],
        }
    }

    #[test]
    fn a_code_reads_back_also_if_it_was_broken_into_lines() {
        let word = encode(&code());
        assert!(word.len() < 250, "{} characters", word.len());
        assert_eq!(decode(&word).unwrap(), code());
        let (first, second) = word.split_at(60);
        assert_eq!(decode(&format!(" {first}\n{second}\r\n")).unwrap(), code());
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_told_apart() {
        let word = encode(&code());
        for text in ["", "lab-b", "--file", &word[1..]] {
            assert!(matches!(decode(text), Err(JoinError::NoCode)), "{text}");
        }
        for end in PREFIX.len()..word.len() {
            assert!(matches!(decode(&word[..end]), Err(JoinError::Damaged)), "{end} characters");
        }
        assert!(matches!(decode(&word.replace('A', "!")), Err(JoinError::Damaged)));
    }
}
