//! What the kernel command line tells the agent in the ramdisk.

mod network;

pub(crate) use network::Mac;
pub use network::Network;

use crate::identity::Secret;
use crate::url::{ControllerUrl, HttpUrl, UrlError};
use std::collections::BTreeMap;

/// The agent's part of the kernel command line.
///
/// ```text
/// hostler.controller=https://192.0.2.1:4433 hostler.ca=http://192.0.2.1:8080/ca.pem hostler.ca_sha256=HEX
/// hostler.controllers=https://192.0.2.1:4433,https://192.0.2.2:4433
/// hostler.boot=ID hostler.node=NAME hostler.token=TOKEN hostler.time_ms=UNIX_MS
/// ```
///
/// and those of [`Network`].
#[derive(Clone, Debug)]
pub struct BootParams {
    /// Where to enrol and to open the session.
    pub controller: ControllerUrl,
    /// Of other controllers that may lead.
    pub controllers: Vec<ControllerUrl>,
    /// Where the certificate of the controller's CA is (PEM). Fetched in the clear, so it counts only with the
    /// digest that follows.
    pub ca: HttpUrl,
    /// SHA-256 of that file.
    pub ca_sha256: [u8; 32],
    /// The boot that this machine was started for, for the log and the console.
    pub boot: String,
    /// Name of the node.
    pub node: String,
    /// To be traded for a certificate, once.
    pub token: Secret,
    /// Unix time in milliseconds by the controller's clock, when the command line was written.
    pub time_ms: u64,
    /// What a machine that begins with nothing has to set up; a simulated one needs none.
    pub network: Option<Network>,
}

/// What is wrong with a command line. The token is never part of the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// It is not there.
    #[error("the kernel command line has no hostler.{0}=")]
    Missing(&'static str),
    /// It is there more than once, so that it is not clear which one counts.
    #[error("the kernel command line has hostler.{0}= twice")]
    Twice(String),
    /// It is not an address.
    #[error("the kernel command line's hostler.{name}= makes no sense")]
    Address {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        #[source]
        source: UrlError,
    },
    /// It is not of the right form.
    #[error("the kernel command line's hostler.{name}= is not {expected}")]
    Malformed {
        /// Which one.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl BootParams {
    /// Reads them from a whole command line; words that do not begin with `hostler.` belong to others, and a
    /// `hostler.` word that this version does not know is left to later ones.
    ///
    /// # Errors
    /// Says which parameter is missing or what is wrong with it.
    pub fn parse(command_line: &str) -> Result<Self, ParamError> {
        let words = Words::collect(command_line)?;
        Ok(Self {
            controller: words.address("controller")?,
            controllers: words.addresses("controllers")?,
            ca: words.address("ca")?,
            ca_sha256: digest(words.get("ca_sha256")?)
                .ok_or(ParamError::Malformed { name: "ca_sha256", expected: "64 hexadecimal digits" })?,
            boot: words.name("boot")?,
            node: words.name("node")?,
            token: Secret::from(words.get("token")?.to_owned()),
            time_ms: words.get("time_ms")?.parse().map_err(|_| ParamError::Malformed {
                name: "time_ms",
                expected: "a number of milliseconds",
            })?,
            network: Network::parse(&words)?,
        })
    }
}

struct Words<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Words<'a> {
    fn collect(command_line: &'a str) -> Result<Self, ParamError> {
        let mut words = BTreeMap::new();
        for word in command_line.split_ascii_whitespace() {
            // The kernel hands on quotes around a value.
            let word = word.trim_matches('"');
            if let Some((name, value)) = word.strip_prefix("hostler.").and_then(|word| word.split_once('='))
                && words.insert(name, value.trim_matches('"')).is_some()
            {
                return Err(ParamError::Twice(name.chars().take(32).collect()));
            }
        }
        Ok(Self(words))
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn get(&self, name: &'static str) -> Result<&'a str, ParamError> {
        self.0.get(name).copied().filter(|value| !value.is_empty()).ok_or(ParamError::Missing(name))
    }

    fn address<T: std::str::FromStr<Err = UrlError>>(&self, name: &'static str) -> Result<T, ParamError> {
        self.get(name)?.parse().map_err(|source| ParamError::Address { name, source })
    }

    /// Any number of them with commas between, or none at all.
    fn addresses(&self, name: &'static str) -> Result<Vec<ControllerUrl>, ParamError> {
        let words = self.0.get(name).copied().unwrap_or_default().split(',').filter(|word| !word.is_empty());
        words.map(|word| word.parse().map_err(|source| ParamError::Address { name, source })).collect()
    }

    fn name(&self, name: &'static str) -> Result<String, ParamError> {
        let value = self.get(name)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if value.len() <= 63 && value.bytes().all(plain) {
            Ok(value.to_owned())
        } else {
            Err(ParamError::Malformed { name, expected: "a name of letters, digits, \"-\", \".\" and \"_\"" })
        }
    }
}

/// 64 hexadecimal digits as bytes.
pub(crate) fn digest(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CA_SHA256: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

    fn line(replace: &[(&str, &str)]) -> String {
        let mut words = vec![
            ("controller", "https://127.0.0.1:4433"),
            ("ca", "http://127.0.0.1:8080/ca.pem"),
            ("ca_sha256", CA_SHA256),
            ("boot", "17"),
            ("node", "r1-n03"),
            ("token", "T0ken"),
            ("time_ms", "1700000000000"),
        ];
        for (name, value) in replace {
            words.retain(|(n, _)| n != name);
            words.push((name, value));
        }
        let words: Vec<_> = words.iter().map(|(n, v)| format!("hostler.{n}={v}")).collect();
        format!("BOOT_IMAGE=vmlinuz console=ttyS0 {} quiet\n", words.join(" "))
    }

    #[test]
    fn a_whole_line() {
        let params = BootParams::parse(&line(&[("unknown", "x")])).unwrap();
        assert_eq!(params.controller.to_string(), "https://127.0.0.1:4433");
        assert_eq!(params.ca.path(), "/ca.pem");
        assert_eq!(params.ca_sha256[..3], [0x00, 0x11, 0x22]);
        assert_eq!((params.boot.as_str(), params.node.as_str()), ("17", "r1-n03"));
        assert_eq!((params.token.expose(), params.time_ms), ("T0ken", 1_700_000_000_000));
    }

    #[test]
    fn there_may_be_several_controllers() {
        let of = |value| {
            BootParams::parse(&line(&[("controllers", value)])).map(|params| params.controllers.len())
        };
        assert_eq!(of(""), Ok(0));
        assert_eq!(of("https://192.0.2.1:1"), Ok(1));
        assert_eq!(of("https://192.0.2.1:1,https://[2001:db8::1]:1"), Ok(2));
        assert!(of("https://192.0.2.1:1,lab").unwrap_err().to_string().contains("hostler.controllers="));
    }

    #[test]
    fn invariant_9_the_token_is_not_printed() {
        assert!(!format!("{:?}", BootParams::parse(&line(&[])).unwrap()).contains("T0ken"));
        let twice = BootParams::parse(&format!("{} hostler.token=T0ken", line(&[]))).unwrap_err();
        assert!(!format!("{twice:?} {twice}").contains("T0ken"));
    }

    #[test]
    fn errors_name_the_parameter() {
        for (name, value, expected) in [
            ("token", "", "the kernel command line has no hostler.token="),
            ("controller", "https://lab:1", "the kernel command line's hostler.controller= makes no sense"),
            ("ca_sha256", "12", "the kernel command line's hostler.ca_sha256= is not 64 hexadecimal digits"),
            ("time_ms", "-1", "the kernel command line's hostler.time_ms= is not a number of milliseconds"),
            (
                "node",
                "a/b",
                "the kernel command line's hostler.node= is not a name of letters, digits, \"-\", \".\" and \"_\"",
            ),
        ] {
            assert_eq!(BootParams::parse(&line(&[(name, value)])).unwrap_err().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_answer_or_an_error(text: String) {
            let _ = BootParams::parse(&text);
            let _ = BootParams::parse(&line(&[("ca_sha256", &text), ("node", &text), ("controller", &text)]));
        }
    }
}
