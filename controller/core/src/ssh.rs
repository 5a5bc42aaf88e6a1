//! Public ssh keys, as text that others wrote.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Kinds of keys that may log in (RFC 4253 section 6.6, RFC 5656, RFC 8709, and OpenSSH's hardware keys).
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Bytes of one line: an RSA key of 16,384 bits has less than 3,000.
const MAX_LINE: usize = 8 * 1024;

/// Text that is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// Lines would become several keys, or options of sshd.
    #[error("a key is one line of at most {MAX_LINE} bytes")]
    Line,
    /// A private key, a certificate, options, or something else.
    #[error("a key begins with its kind ({known}), not with {0:?}", known = KINDS.join(", "))]
    Kind(String),
    /// What follows the kind is not what that kind has.
    #[error("after {0} comes the key itself in base64, as in a .pub file")]
    Blob(String),
}

/// The key as "KIND BASE64", without its comment: how both `authorized_keys` and `known_hosts` write it.
///
/// # Errors
/// What is wrong with it. A private key that was given by mistake is not repeated in the message.
pub fn public_key(text: &str) -> Result<String, NotAKey> {
    let text = text.trim();
    if text.len() > MAX_LINE || text.contains(char::is_control) {
        return Err(NotAKey::Line);
    }
    let mut words = text.split(' ').filter(|w| !w.is_empty());
    let kind = words.next().unwrap_or_default();
    if !KINDS.contains(&kind) {
        return Err(NotAKey::Kind(kind.chars().take(24).collect()));
    }
    let blob = words.next().unwrap_or_default();
    let names_its_kind = |bytes: &Vec<u8>| {
        let length = bytes.first_chunk().map(|b| u32::from_be_bytes(*b) as usize);
        length == Some(kind.len()) && bytes[4..].starts_with(kind.as_bytes()) && bytes.len() > 4 + kind.len()
    };
    match STANDARD.decode(blob).ok().filter(names_its_kind) {
        Some(_) => Ok(format!("{kind} {blob}")),
        None => Err(NotAKey::Blob(kind.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn keys_with_and_without_comments() {
        for text in [KEY.to_owned(), format!("  {KEY}  ci@jenkins\n"), format!("{KEY} a b c")] {
            assert_eq!(public_key(&text).as_deref(), Ok(KEY));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_in_words() {
        let two = format!("{KEY}\n{KEY}");
        let option = format!("command=\"x\" {KEY}");
        let other = KEY.replacen("ssh-ed25519", "ssh-rsa", 1);
        for (text, expected) in [
            (two.as_str(), "a key is one line"),
            (option.as_str(), "a key begins with its kind"),
            (other.as_str(), "after ssh-rsa comes the key itself"),
            ("ssh-ed25519 AAAA", "after ssh-ed25519 comes the key itself"),
            ("ssh-ed25519", "after ssh-ed25519 comes the key itself"),
            ("", "a key begins with its kind"),
        ] {
            let error = public_key(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let private = "-----BEGIN OPENSSH PRIVATE KEY----- c2VjcmV0IHNlY3JldCBzZWNyZXQ=";
        assert!(!public_key(private).unwrap_err().to_string().contains("c2Vj"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_an_answer_or_an_error(text: String, tail in "[A-Za-z0-9+/=]{0,64}") {
            let _ = public_key(&text);
            let _ = public_key(&format!("ssh-ed25519 {tail}"));
        }
    }
}
