//! The management controller as the machine itself sees it, through IPMI.

use super::super::{line, names};
use std::path::Path;

/// A line for people, as the kernel's IPMI driver has learnt it; empty without a BMC or without a driver for its
/// interface.
pub(super) fn read(root: &Path) -> String {
    let devices = root.join("sys/bus/platform/devices");
    let Some(device) = names(&devices).into_iter().find(|name| name.starts_with("ipmi_bmc.")) else {
        return String::new();
    };
    let field = |file: &str| line(devices.join(&device).join(file));
    let named = |name: &str, file: &str| {
        let value = field(file);
        (!value.is_empty()).then(|| format!("{name} {value}"))
    };
    [
        named("IPMI", "ipmi_version"),
        named("firmware", "firmware_revision"),
        named("manufacturer", "manufacturer_id"),
        named("product", "product_id"),
        named("GUID", "guid"),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_bmc_in_one_line() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(root.path()), "");
        let device = root.path().join("sys/bus/platform/devices/ipmi_bmc.0");
        fs::create_dir_all(&device).unwrap();
        for (file, text) in [
            ("ipmi_version", "2.0\n"),
            ("firmware_revision", "9.8\n"),
            ("manufacturer_id", "0x001291\n"),
            ("product_id", "0x0f02\n"),
        ] {
            fs::write(device.join(file), text).unwrap();
        }
        assert_eq!(read(root.path()), "IPMI 2.0, firmware 9.8, manufacturer 0x001291, product 0x0f02");
    }
}
