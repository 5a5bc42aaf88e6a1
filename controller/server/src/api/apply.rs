//! Registered machines from the wire to the core, with their BMC's passwords sealed on the way.

use super::status::internal;
use crate::controller::Controller;
use hostler_core::hardware::{Arch, Firmware};
use hostler_core::node::{BmcSpec, NodeSpec, Sealed, Start};
use hostler_proto::node::v1 as wire;
use std::fmt::Display;
use tonic::Status;

/// A port that is not given.
const IPMI_PORT: u16 = 623;

/// A machine and its BMC.
///
/// # Errors
/// INVALID_ARGUMENT, with node and field.
pub(super) fn node(controller: &Controller, given: wire::NodeSpec) -> Result<(NodeSpec, BmcSpec), Status> {
    let name = given.name.clone();
    let bmc = given.bmc.ok_or_else(|| invalid(&name, "bmc", "every node has one"))?;
    let optional = |text: String| (!text.is_empty()).then_some(text);
    let spec = NodeSpec {
        arch: given.arch.parse::<Arch>().map_err(|e| invalid(&name, "arch", e))?,
        firmware: given.firmware.parse::<Firmware>().map_err(|e| invalid(&name, "firmware", e))?,
        pool: if given.pool.is_empty() { "default".into() } else { given.pool },
        mac: given.mac.parse().map_err(|e| invalid(&name, "mac", e))?,
        address: given
            .address
            .parse()
            .map_err(|e| invalid(&name, "address", format!("{e}: {:?}", given.address)))?,
        serial: optional(given.serial),
        uuid: match optional(given.uuid) {
            None => None,
            Some(uuid) => Some(
                uuid.parse::<uuid::Uuid>().map_err(|e| invalid(&name, "uuid", e))?.hyphenated().to_string(),
            ),
        },
        keep_disks: given.keep_disks.into_iter().collect(),
        start: match given.start.as_str() {
            "" | "kexec" => Start::Kexec,
            "restart" => Start::Restart,
            other => return Err(invalid(&name, "start", format!("\"kexec\" or \"restart\", not {other:?}"))),
        },
        rack: optional(given.rack),
        switch: optional(given.switch),
        labels: given.labels.into_iter().collect(),
        name: given.name,
    };
    Ok((spec, bmc_spec(controller, &name, bmc)?))
}

fn bmc_spec(controller: &Controller, node: &str, given: wire::BmcSpec) -> Result<BmcSpec, Status> {
    let address = with_port(&given.address).ok_or_else(|| {
        invalid(node, "bmc.address", format!("{:?} is neither HOST nor HOST:PORT", given.address))
    })?;
    if given.user.len() > 16 || !given.user.is_ascii() {
        return Err(invalid(node, "bmc.user", "IPMI user names have at most 16 ASCII characters"));
    }
    if given.password.len() > 20 {
        return Err(invalid(node, "bmc.password", "IPMI 2.0 passwords have at most 20 bytes"));
    }
    let password = seal(controller, node, &address, &given.password)?;
    let suite = if given.cipher_suite == 0 { 17 } else { given.cipher_suite };
    Ok(BmcSpec {
        address,
        user: given.user,
        password,
        cipher_suite: u8::try_from(suite).map_err(|_| invalid(node, "bmc.cipher_suite", "3 or 17"))?,
        shared: given.shared,
    })
}

/// The seal that is stored already, if the password is the same: applying a file twice changes nothing.
fn seal(controller: &Controller, node: &str, address: &str, password: &str) -> Result<Sealed, Status> {
    let stored = controller
        .published
        .read(|w| w.bmcs.values().find(|b| b.spec.address == address).map(|b| b.spec.password.clone()));
    match stored {
        Some(sealed) if password.is_empty() => Ok(sealed),
        None if password.is_empty() => Err(invalid(node, "bmc.password", "a new BMC needs one")),
        Some(sealed) if controller.seal.open(&sealed).is_ok_and(|known| *known == password) => Ok(sealed),
        _ => controller.seal.seal(password).map_err(|e| internal("a password", &e)),
    }
}

fn with_port(address: &str) -> Option<String> {
    if let Ok(ip) = address.parse::<std::net::IpAddr>() {
        return Some(std::net::SocketAddr::new(ip, IPMI_PORT).to_string());
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().filter(|p| *p > 0)?),
        None => (address, IPMI_PORT),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
    (!host.is_empty() && host.len() <= 253 && host.chars().all(plain)).then(|| format!("{host}:{port}"))
}

fn invalid(node: &str, field: &str, problem: impl Display) -> Status {
    Status::invalid_argument(format!("node {node:?}: {field}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn addresses_get_the_port_of_ipmi() {
        for (given, expected) in [
            ("10.0.0.1", Some("10.0.0.1:623")),
            ("10.0.0.1:6230", Some("10.0.0.1:6230")),
            ("bmc-1.lab", Some("bmc-1.lab:623")),
            ("bmc-1.lab:624", Some("bmc-1.lab:624")),
            ("fd00::1", Some("[fd00::1]:623")),
            ("[fd00::1]:99", Some("[fd00::1]:99")),
            ("", None),
            ("bmc:0", None),
            ("bmc:port", None),
            ("b m c", None),
        ] {
            assert_eq!(with_port(given).as_deref(), expected, "{given}");
        }
    }
}
