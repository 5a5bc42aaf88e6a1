//! The network that the ramdisk is to use, as the kernel command line gives it.

use super::{ParamError, Words};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// How the machine is reached, and reaches the controller.
///
/// ```text
/// hostler.mac=52:54:00:12:34:56 hostler.address=192.0.2.17/24 hostler.gateway=192.0.2.1
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Of the interface to use, through which the machine was booted.
    pub mac: Mac,
    /// Its address.
    pub address: Ipv4Addr,
    /// Bits of the address that it has in common with its neighbours, at most 32.
    pub prefix: u8,
    /// The way to everybody else, if there is one.
    pub gateway: Option<Ipv4Addr>,
}

impl Network {
    /// Reads it; `None` if nothing is said of a network, so that the kernel's own configuration stays.
    pub(super) fn parse(words: &Words<'_>) -> Result<Option<Self>, ParamError> {
        if !["mac", "address", "gateway"].iter().any(|name| words.has(name)) {
            return Ok(None);
        }
        let address = words.get("address")?;
        let (address, prefix) = address
            .split_once('/')
            .and_then(|(address, prefix)| Some((address.parse().ok()?, prefix.parse().ok()?)))
            .filter(|(_, prefix)| *prefix <= 32)
            .ok_or(ParamError::Malformed { name: "address", expected: "an address like 192.0.2.17/24" })?;
        let gateway = match words.has("gateway") {
            true => Some(words.get("gateway")?.parse().map_err(|_| ParamError::Malformed {
                name: "gateway",
                expected: "an address like 192.0.2.1",
            })?),
            false => None,
        };
        let mac = words.get("mac")?.parse().map_err(|NotAMac| ParamError::Malformed {
            name: "mac",
            expected: "an address like 52:54:00:12:34:56",
        })?;
        Ok(Some(Self { mac, address, prefix, gateway }))
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

/// Text that is no Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not six pairs of hexadecimal digits with \":\" between them")]
pub struct NotAMac;

impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let octet = |pair: &str| {
            // `from_str_radix` would take a sign.
            let digits = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        };
        let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
        octets.and_then(|octets| octets.try_into().ok()).map(Self).ok_or(NotAMac)
    }
}

/// In lower case, as the kernel has it.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Network>, ParamError> {
        Network::parse(&Words::collect(line)?)
    }

    #[test]
    fn a_network_with_and_without_a_gateway() {
        let line = "hostler.mac=52:54:00:AB:CD:EF hostler.address=192.0.2.17/24";
        let mut expected = Network {
            mac: Mac([0x52, 0x54, 0, 0xab, 0xcd, 0xef]),
            address: Ipv4Addr::new(192, 0, 2, 17),
            prefix: 24,
            gateway: None,
        };
        assert_eq!(parse(line), Ok(Some(expected.clone())));
        assert_eq!(expected.mac.to_string(), "52:54:00:ab:cd:ef");
        expected.gateway = Some(Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(parse(&format!("{line} hostler.gateway=192.0.2.1")), Ok(Some(expected)));
        assert_eq!(parse("hostler.boot=7"), Ok(None));
    }

    #[test]
    fn half_a_network_is_an_error() {
        for (line, name) in [
            ("hostler.mac=52:54:00:12:34:56", "address"),
            ("hostler.address=192.0.2.1/24", "mac"),
            ("hostler.mac=52:54:00:12:34 hostler.address=192.0.2.1/24", "mac"),
            ("hostler.mac=52:54:00:12:34:56:78 hostler.address=192.0.2.1/24", "mac"),
            ("hostler.mac=52:54:0:12:34:56 hostler.address=192.0.2.1/24", "mac"),
            ("hostler.mac=+1:54:00:12:34:56 hostler.address=192.0.2.1/24", "mac"),
            ("hostler.mac=52:54:00:12:34:5x hostler.address=192.0.2.1/24", "mac"),
            ("hostler.mac=52:54:00:12:34:56 hostler.address=192.0.2.1", "address"),
            ("hostler.mac=52:54:00:12:34:56 hostler.address=192.0.2.1/33", "address"),
            ("hostler.mac=52:54:00:12:34:56 hostler.address=192.0.2.1/24 hostler.gateway=x", "gateway"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(&format!("hostler.{name}=")), "{line}: {error}");
        }
    }
}
