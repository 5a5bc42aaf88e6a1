//! What `/sys` and `/proc` say of the machine, apart from its disks.

mod bmc;
mod identity;
mod processor;

use super::{line, names};
use crate::machine::{Inventory, Load, Nic};
use identity::Identity;
use std::fs;
use std::path::Path;

/// `ARPHRD_ETHER` of `if_arp.h`.
const ETHERNET: &str = "1";

/// `root` is "/" but in tests.
pub(super) fn read(root: &Path) -> Inventory {
    let Identity { serial, uuid, manufacturer, product } = identity::read(root);
    let processor = processor::read(root);
    Inventory {
        serial,
        uuid,
        manufacturer,
        product,
        cpus: processor.logical,
        cpu_cores: processor.cores,
        cpu_sockets: processor.sockets,
        cpu_model: processor.model,
        memory_bytes: memory(root, "MemTotal"),
        nics: nics(root),
        firmware: firmware(root).to_owned(),
        bmc: bmc::read(root),
    }
}

fn firmware(root: &Path) -> &'static str {
    if root.join("sys/firmware/efi").exists() {
        "uefi"
    } else if root.join("proc/device-tree/rtas").exists() {
        // A device tree alone says little, since small Arm boards have one as well; RTAS comes with Open Firmware.
        "openfirmware"
    } else if root.join("sys/class/dmi/id").exists() {
        "bios"
    } else {
        ""
    }
}

/// `root` is "/" but in tests.
pub(super) fn load(root: &Path) -> Load {
    let first = |file: &str| line(root.join(file)).split(' ').next().unwrap_or_default().to_owned();
    let uptime = first("proc/uptime");
    Load {
        load1: first("proc/loadavg").parse().unwrap_or_default(),
        memory_available_bytes: memory(root, "MemAvailable"),
        uptime_s: uptime.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default(),
    }
}

fn memory(root: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = value.and_then(|value| value.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default().saturating_mul(1024)
}

/// Interfaces of devices; bridges, bonds and the loopback are none.
fn nics(root: &Path) -> Vec<Nic> {
    let net = root.join("sys/class/net");
    let ours = |name: &String| {
        net.join(name).join("device").exists() && line(net.join(name).join("type")) == ETHERNET
    };
    let nic = |name: String| Nic {
        mac: line(net.join(&name).join("address")),
        link: line(net.join(&name).join("carrier")) == "1",
        // -1 where there is no link.
        speed_mbps: line(net.join(&name).join("speed")).parse().unwrap_or_default(),
        name,
    };
    names(&net).into_iter().filter(ours).map(nic).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_dmi() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("sys/class/dmi/id/product_serial", "SN1\n"),
            ("sys/class/dmi/id/product_uuid", "4C4C4544-0000-1000-8000-000000000000\n"),
            ("sys/class/dmi/id/sys_vendor", "Maker\n"),
            ("sys/class/dmi/id/product_name", "Model 7\n"),
            ("sys/devices/system/cpu/online", "0-7\n"),
            ("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    600 kB\n"),
            ("proc/loadavg", "0.25 0.10 0.05 1/99 1234\n"),
            ("proc/uptime", "77.31 10.00\n"),
            ("sys/class/net/eth0/address", "52:54:00:00:00:01\n"),
            ("sys/class/net/eth0/type", "1\n"),
            ("sys/class/net/eth0/carrier", "1\n"),
            ("sys/class/net/eth0/speed", "1000\n"),
            ("sys/class/net/eth0/device/vendor", "x\n"),
            ("sys/class/net/eth1/address", "52:54:00:00:00:02\n"),
            ("sys/class/net/eth1/type", "1\n"),
            ("sys/class/net/eth1/speed", "-1\n"),
            ("sys/class/net/eth1/device/vendor", "x\n"),
            ("sys/class/net/lo/type", "772\n"),
            ("sys/class/net/br0/type", "1\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let nic = |name: &str, last: u8, link, speed_mbps| Nic {
            name: name.to_owned(),
            mac: format!("52:54:00:00:00:{last:02x}"),
            link,
            speed_mbps,
        };
        let expected = Inventory {
            serial: "SN1".into(),
            uuid: "4c4c4544-0000-1000-8000-000000000000".into(),
            manufacturer: "Maker".into(),
            product: "Model 7".into(),
            cpus: 8,
            cpu_cores: 0,
            cpu_sockets: 0,
            cpu_model: String::new(),
            memory_bytes: 1_024_000,
            nics: vec![nic("eth0", 1, true, 1000), nic("eth1", 2, false, 0)],
            firmware: "bios".into(),
            bmc: String::new(),
        };
        assert_eq!(read(root.path()), expected);
        let load = load(root.path());
        assert_eq!((load.memory_available_bytes, load.uptime_s), (614_400, 77));
        assert!((load.load1 - 0.25).abs() < f64::EPSILON);
    }

    #[test]
    fn firmware_is_known_by_what_it_leaves_behind() {
        for (paths, expected) in [
            (&["sys/class/dmi/id"][..], "bios"),
            (&["sys/class/dmi/id", "sys/firmware/efi", "proc/device-tree"], "uefi"),
            (&["proc/device-tree/rtas"], "openfirmware"),
            (&["proc/device-tree"], ""),
            (&[], ""),
        ] {
            let root = tempfile::tempdir().unwrap();
            paths.iter().for_each(|path| fs::create_dir_all(root.path().join(path)).unwrap());
            assert_eq!(firmware(root.path()), expected, "{paths:?}");
        }
    }

    #[test]
    fn a_machine_that_says_nothing() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(root.path()), Inventory::default());
        assert_eq!(load(root.path()), Load::default());
    }
}
