//! The file that registers a room: what `hostler apply -f` takes. A test may change it before it is applied: a serial
//! that is not the machine's, controllers that are mixed up.

use super::plan::MachinePlan;
use crate::firmware::Kind;
use serde::Serialize;
use std::net::SocketAddr;

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Registration {
    /// In the order of the room.
    pub node: Vec<RegisteredNode>,
}

/// One `[[node]]`.
#[derive(Clone, Debug, Serialize)]
pub struct RegisteredNode {
    /// Unique.
    pub name: String,
    /// "`x86_64`", "aarch64" or "ppc64le".
    pub arch: &'static str,
    /// "bios", "uefi" or "openfirmware".
    pub firmware: &'static str,
    /// Which pool it goes to.
    pub pool: String,
    /// Of the interface that it boots from.
    pub mac: String,
    /// That DHCP is to give it.
    pub address: String,
    /// That its firmware is expected to tell; empty if nobody knows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub serial: String,
    /// That its firmware is expected to tell; empty if nobody knows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uuid: String,
    /// Where it stands; empty if nobody says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rack: String,
    /// Its controller.
    pub bmc: RegisteredBmc,
}

/// One `[node.bmc]`.
#[derive(Clone, Debug, Serialize)]
pub struct RegisteredBmc {
    /// "host:port".
    pub address: String,
    /// The account.
    pub user: String,
    /// Of the account.
    pub password: String,
    /// 3 or 17.
    pub cipher_suite: u8,
}

impl Registration {
    /// As the file has it.
    ///
    /// # Errors
    /// If a text cannot be written as TOML, which no text of these can.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

impl RegisteredNode {
    /// The truth about `machine`, whose controller answers at `bmc`.
    #[must_use]
    pub fn of(machine: &MachinePlan, bmc: SocketAddr) -> Self {
        Self {
            name: machine.name.clone(),
            arch: arch(machine.kind),
            firmware: match machine.kind {
                Kind::Bios => "bios",
                Kind::UefiX86 | Kind::UefiArm => "uefi",
                Kind::Slof => "openfirmware",
            },
            pool: "default".to_owned(),
            mac: mac_text(machine.mac),
            address: machine.address.to_string(),
            serial: machine.serial.clone(),
            uuid: machine.uuid.to_string(),
            rack: machine.name.split('-').next().unwrap_or_default().to_owned(),
            bmc: RegisteredBmc {
                address: bmc.to_string(),
                user: machine.user.clone(),
                password: machine.password.clone(),
                cipher_suite: machine.suite.id(),
            },
        }
    }
}

/// "52:54:00:12:34:56".
#[must_use]
pub fn mac_text([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// As `uname -m` prints it.
#[must_use]
pub const fn arch(kind: Kind) -> &'static str {
    match kind {
        Kind::Bios | Kind::UefiX86 => "x86_64",
        Kind::UefiArm => "aarch64",
        Kind::Slof => "ppc64le",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::plan::plan;

    #[test]
    fn the_file_is_what_an_administrator_would_write() {
        let machines = plan(4, 1, 16, 6230);
        let node = machines.iter().map(|machine| RegisteredNode::of(machine, machine.bmc.into())).collect();
        let file: toml::Table = Registration { node }.to_toml().unwrap().parse().unwrap();
        let nodes = file["node"].as_array().unwrap();
        assert_eq!(nodes.len(), 4);
        assert_eq!(nodes[0]["name"].as_str(), Some("r1-n01"));
        assert_eq!(nodes[0]["arch"].as_str(), Some("x86_64"));
        assert_eq!(nodes[0]["firmware"].as_str(), Some("bios"));
        assert_eq!(nodes[3]["arch"].as_str(), Some("ppc64le"));
        assert_eq!(nodes[3]["firmware"].as_str(), Some("openfirmware"));
        assert_eq!(nodes[1]["address"].as_str(), Some("127.16.0.2"));
        assert_eq!(nodes[1]["bmc"]["address"].as_str(), Some("127.17.0.2:6230"));
        assert!(matches!(nodes[1]["bmc"]["cipher_suite"].as_integer(), Some(3 | 17)));
    }
}
