//! What each field may say. The controller checks the same again; here the error has a line number.

use crate::diagnostic::did_you_mean;
use crate::member::ARCHITECTURES;
use std::net::Ipv4Addr;
use uuid::Uuid;

/// Firmware, and the architectures that exist with it.
const FIRMWARE: [(&str, &[&str]); 3] =
    [("bios", &["x86_64"]), ("uefi", &["x86_64", "aarch64"]), ("openfirmware", &["ppc64le"])];
/// The port of RMCP, which a BMC's address without a port means (IPMI v2.0 section 13.1.2).
const RMCP_PORT: u16 = 623;
const MAX_NAME: usize = 63;
/// Bytes of a rack, a switch or the value of a label.
const MAX_TEXT: usize = 128;

/// Why a value is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

pub(super) fn name(name: &str) -> Result<(), Problem> {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_legal) {
        Ok(())
    } else {
        Err(Problem::new("no node name")
            .hint("1 to 63 lower-case letters, digits, `-` and `.`, for example r1-n01"))
    }
}

pub(super) fn arch(arch: &str) -> Result<(), Problem> {
    one_of("architecture", arch, &ARCHITECTURES)
}

pub(super) fn firmware(firmware: &str, arch: &str) -> Result<(), Problem> {
    one_of("firmware", firmware, &FIRMWARE.map(|(name, _)| name))?;
    let exists = FIRMWARE.iter().any(|(name, archs)| *name == firmware && archs.contains(&arch));
    if exists || !ARCHITECTURES.contains(&arch) {
        return Ok(());
    }
    let possible = FIRMWARE.iter().filter(|(_, archs)| archs.contains(&arch)).map(|(name, _)| *name);
    Err(Problem::new(format!("{arch} machines have no {firmware} firmware"))
        .hint(format!("one of {}", possible.collect::<Vec<_>>().join(", "))))
}

/// The address in lower case with colons.
pub(super) fn mac(mac: &str) -> Result<String, Problem> {
    let pairs: Vec<_> = mac.split([':', '-']).collect();
    let is_pair = |pair: &&str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    if pairs.len() == 6 && pairs.iter().all(is_pair) {
        Ok(pairs.join(":").to_ascii_lowercase())
    } else {
        Err(Problem::new("no Ethernet address").hint("six pairs of hexadecimal digits: 52:54:00:12:34:56"))
    }
}

pub(super) fn address(address: &str) -> Result<(), Problem> {
    address
        .parse::<Ipv4Addr>()
        .map(|_| ())
        .map_err(|_| Problem::new("no IPv4 address").hint("for example 10.0.0.17"))
}

pub(super) fn uuid(uuid: &str) -> Result<(), Problem> {
    Uuid::parse_str(uuid)
        .map(|_| ())
        .map_err(|_| Problem::new("no UUID").hint("as `cat /sys/class/dmi/id/product_uuid` prints it"))
}

/// The address with its port.
pub(super) fn bmc_address(address: &str) -> Result<String, Problem> {
    let problem = || Problem::new("no BMC address").hint("host or host:port; without a port it is 623");
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| problem())?),
        None => (address, RMCP_PORT),
    };
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if port == 0 || host.is_empty() || !host.chars().all(is_legal) {
        return Err(problem());
    }
    Ok(format!("{}:{port}", host.to_ascii_lowercase()))
}

pub(super) fn start(start: &str) -> Result<(), Problem> {
    one_of("way to start a deployed system", start, &["kexec", "restart"])
}

/// What people say of a machine.
pub(super) fn text(text: &str) -> Result<(), Problem> {
    let is_short = (1..=MAX_TEXT).contains(&text.len());
    if is_short && !text.contains(char::is_control) && text.trim() == text {
        Ok(())
    } else {
        Err(Problem::new("no text to ask for")
            .hint("1 to 128 bytes, without spaces around it or control characters"))
    }
}

pub(super) fn label(name: &str) -> Result<(), Problem> {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_legal) {
        Ok(())
    } else {
        Err(Problem::new("no name of a label").hint("1 to 63 lower-case letters, digits, `-`, `_` and `.`"))
    }
}

pub(super) fn cipher_suite(suite: u32) -> Result<(), Problem> {
    match suite {
        3 | 17 => Ok(()),
        _ => Err(Problem::new(format!("cipher suite {suite} is not supported"))
            .hint("17 (SHA-256), or 3 (SHA-1) for old BMCs")),
    }
}

fn one_of(what: &str, found: &str, known: &[&str]) -> Result<(), Problem> {
    if known.contains(&found) {
        return Ok(());
    }
    let hint =
        did_you_mean(found, known.iter().copied()).unwrap_or_else(|| format!("one of {}", known.join(", ")));
    Err(Problem::new(format!("unknown {what} `{found}`")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_normalised() {
        assert_eq!(mac("52-54-00-AB-CD-EF").unwrap(), "52:54:00:ab:cd:ef");
        for bad in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "52:54:00:12:34:5g",
            "525:4:00:12:34:56",
            "+1:54:00:12:34:56",
        ] {
            assert!(mac(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bmc_addresses_get_a_port() {
        assert_eq!(bmc_address("10.0.0.1").unwrap(), "10.0.0.1:623");
        assert_eq!(bmc_address("BMC-7.lab:6230").unwrap(), "bmc-7.lab:6230");
        for bad in ["", ":623", "a:0", "a:x", "a b", "http://a"] {
            assert!(bmc_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn firmware_goes_with_the_architecture() {
        assert!(firmware("uefi", "aarch64").is_ok());
        let problem = firmware("bios", "aarch64").unwrap_err();
        assert_eq!(
            (problem.message.as_str(), problem.hint.as_deref()),
            ("aarch64 machines have no bios firmware", Some("one of uefi"))
        );
    }

    #[test]
    fn names() {
        assert!(name("r1-n01.lab").is_ok());
        for bad in ["", "R1", "a_b", "a b", "ä", &"a".repeat(64)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
