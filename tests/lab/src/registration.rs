//! What an administrator knows of the machines and writes into a file for `hostler apply -f`.

use crate::bmc::{CIPHER_SUITE, PASSWORD, USER};
use crate::room::Identity;
use std::fmt::Write as _;

/// The file for `machines`: of what tells machines apart it has the address of the boot interface and the serial
/// number only, as on the label of a case.
#[must_use]
pub fn file(machines: &[Identity]) -> String {
    let mut text = String::from("# The machines of this lab, for `hostler apply -f`.\n");
    for machine in machines {
        let platform = machine.spec.platform;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            r#"
[[node]]
name = "{name}"
arch = "{arch}"
firmware = "{firmware}"
pool = "lab"
mac = "{mac}"
address = "{address}"
serial = "{serial}"
[node.bmc]
address = "{bmc}"
user = "{USER}"
password = "{PASSWORD}"
cipher_suite = {CIPHER_SUITE}
"#,
            name = machine.spec.name,
            arch = platform.arch().name(),
            firmware = platform.firmware(),
            mac = machine.mac(),
            address = machine.address(),
            serial = machine.serial(),
            bmc = machine.bmc_address(),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::RoomSpec;

    #[test]
    fn every_machine_is_in_the_file() {
        let room = RoomSpec::default();
        let file: toml::Table = file(&room.identities()).parse().unwrap();
        let nodes = file["node"].as_array().unwrap();
        let names: Vec<_> = nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["bios1", "uefi1", "arm1", "ppc1"]);
        assert_eq!(nodes[0]["bmc"]["address"].as_str(), Some("192.168.78.11"));
        assert_eq!(nodes[3]["serial"].as_str(), Some("77000000-0000-4000-8000-000000000004"));
    }
}
