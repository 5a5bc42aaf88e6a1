//! The network that the ramdisk is to use, as the kernel command line gives it.

use super::{ParamError, Words};
use std::net::Ipv4Addr;

/// How the machine is reached, and reaches the controller.
///
/// ```text
/// hostler.mac=52:54:00:12:34:56 hostler.address=192.0.2.17/24 hostler.gateway=192.0.2.1
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Of the interface to use, lower case: "52:54:00:12:34:56".
    pub mac: String,
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
        let mac = mac(words.get("mac")?)
            .ok_or(ParamError::Malformed { name: "mac", expected: "an address like 52:54:00:12:34:56" })?;
        Ok(Some(Self { mac, address, prefix, gateway }))
    }
}

fn mac(text: &str) -> Option<String> {
    let pairs: Vec<&str> = text.split(':').collect();
    let hexadecimal = |pair: &&str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    (pairs.len() == 6 && pairs.iter().all(hexadecimal)).then(|| text.to_ascii_lowercase())
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
            mac: "52:54:00:ab:cd:ef".into(),
            address: Ipv4Addr::new(192, 0, 2, 17),
            prefix: 24,
            gateway: None,
        };
        assert_eq!(parse(line), Ok(Some(expected.clone())));
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
