//! Which machine this is, by its firmware's tables.

use super::line;
use std::path::Path;

/// What a vendor's factory forgot to fill in. It is the same on many machines, and so says nothing of this one.
const PLACEHOLDERS: [&str; 12] = [
    "not specified",
    "none",
    "n/a",
    "unknown",
    "empty",
    "default string",
    "system serial number",
    "system product name",
    "system manufacturer",
    "to be filled by o.e.m.",
    "0123456789",
    "03000200-0400-0500-0006-000700080009",
];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) serial: String,
    pub(super) uuid: String,
    pub(super) manufacturer: String,
    pub(super) product: String,
}

/// Machines with Open Firmware have no DMI, but a device tree.
pub(super) fn read(root: &Path) -> Identity {
    let dmi = root.join("sys/class/dmi/id");
    let tree = root.join("proc/device-tree");
    let first = |file: &str, nodes: &[&str]| {
        let texts = [line(dmi.join(file))].into_iter().chain(nodes.iter().map(|node| line(tree.join(node))));
        texts.map(meaningful).find(|text| !text.is_empty()).unwrap_or_default()
    };
    // A partition of PowerVM has the one, a guest of QEMU the other.
    let uuid = first("product_uuid", &["ibm,partition-uuid", "vm,uuid"]).to_ascii_lowercase();
    let serial = first("product_serial", &["system-id"]);
    Identity {
        // QEMU's pseries machines repeat the UUID here; it is what such a machine tells whoever asks for its serial.
        serial,
        uuid,
        manufacturer: first("sys_vendor", &["vendor"]),
        product: first("product_name", &["model"]),
    }
}

fn meaningful(text: String) -> String {
    // A UUID of nothing but zeroes or ones is none, either.
    let repeated =
        |byte: char| text.len() > 3 && text.chars().all(|c| c == '-' || c.eq_ignore_ascii_case(&byte));
    let placeholder = PLACEHOLDERS.iter().any(|known| text.eq_ignore_ascii_case(known));
    if placeholder || repeated('0') || repeated('f') { String::new() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn identity(files: &[(&str, &[u8])]) -> [String; 4] {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let Identity { serial, uuid, manufacturer, product } = read(root.path());
        [serial, uuid, manufacturer, product]
    }

    #[test]
    fn a_guest_of_qemu_on_power_has_a_uuid_and_no_serial_number() {
        let uuid = b"77000000-0000-4000-8000-000000000001\0";
        let found = identity(&[
            ("proc/device-tree/vm,uuid", uuid),
            ("proc/device-tree/system-id", uuid),
            ("proc/device-tree/model", b"IBM pSeries (emulated by qemu)\0"),
        ]);
        let uuid = "77000000-0000-4000-8000-000000000001";
        assert_eq!(found, [uuid, uuid, "", "IBM pSeries (emulated by qemu)"]);
    }

    #[test]
    fn a_partition_of_powervm_has_both() {
        let found = identity(&[
            ("proc/device-tree/system-id", b"IBM,0212345AB\0"),
            ("proc/device-tree/ibm,partition-uuid", b"1B2C3D4E-0000-4000-8000-000000000001\0"),
        ]);
        assert_eq!(found[..2], ["IBM,0212345AB", "1b2c3d4e-0000-4000-8000-000000000001"]);
    }

    #[test]
    fn what_a_factory_left_open_is_nothing() {
        let found = identity(&[
            ("sys/class/dmi/id/product_serial", b"To be filled by O.E.M.\n"),
            ("sys/class/dmi/id/product_uuid", b"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n"),
            ("sys/class/dmi/id/sys_vendor", b"Maker\n"),
            ("sys/class/dmi/id/product_name", b"Default string\n"),
        ]);
        assert_eq!(found, ["", "", "Maker", ""]);
    }
}
