//! The disks in `/sys/block`, and which of them are not this machine's alone.

use super::{line, names};
use crate::disk::DiskInfo;
use std::fs;
use std::io;
use std::path::Path;

/// Made by the kernel of nothing or of other disks.
const VIRTUAL: [&str; 8] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nullb"];

/// Disks of other machines.
const NETWORK: [&str; 3] = ["nbd", "rbd", "drbd"];

/// What the path of a device below `/sys/devices` has in it if the disk is reached through iSCSI or Fibre Channel.
const NETWORK_PATHS: [&str; 3] = ["/session", "/rport-", "/nvme-fabrics/"];

/// Linux counts in these, whatever the disk does.
const SECTOR: u64 = 512;

/// Every disk below `root`, which is "/" but in tests.
pub(super) fn list(root: &Path) -> io::Result<Vec<DiskInfo>> {
    let block = root.join("sys/block");
    // Without the directory there may be disks that are not seen.
    fs::read_dir(&block)?;
    let mut disks: Vec<Found> =
        names(&block).iter().filter(|name| is_disk(&block, name)).map(|name| find(&block, name)).collect();
    mark_several_paths(&mut disks);
    Ok(disks.into_iter().map(|found| found.info).collect())
}

/// A disk, and what tells it from others in the same device.
struct Found {
    info: DiskInfo,
    /// World-wide name of the namespace or logical unit; empty if there is nothing of the kind.
    unit: String,
}

fn find(block: &Path, name: &str) -> Found {
    Found { info: info(block, name), unit: unit(&block.join(name)) }
}

fn is_disk(block: &Path, name: &str) -> bool {
    // The boot and RPMB partitions of an eMMC are not storage for anybody.
    let special = name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
    let virtual_disk = VIRTUAL.iter().any(|prefix| name.starts_with(prefix));
    // The paths of an NVMe namespace that has several are hidden; the namespace itself is not.
    let hidden = line(block.join(name).join("hidden")) == "1";
    !special && !virtual_disk && !hidden && size(block, name) > 0
}

fn size(block: &Path, name: &str) -> u64 {
    line(block.join(name).join("size")).parse::<u64>().unwrap_or_default().saturating_mul(SECTOR)
}

fn info(block: &Path, name: &str) -> DiskInfo {
    let disk = block.join(name);
    DiskInfo {
        path: format!("/dev/{name}"),
        serial: plain(&serial(&disk)),
        model: plain(&line(disk.join("device/model"))),
        size_bytes: size(block, name),
        rotational: line(disk.join("queue/rotational")) == "1",
        remote: is_remote(&disk, name),
    }
}

fn serial(disk: &Path) -> String {
    let plain = ["device/serial", "serial"].map(|file| line(disk.join(file)));
    let scsi = unit_serial(&fs::read(disk.join("device/vpd_pg80")).unwrap_or_default());
    let world_wide = ["wwid", "device/wwid"].map(|file| line(disk.join(file)));
    plain.into_iter().chain([scsi]).chain(world_wide).find(|serial| !serial.is_empty()).unwrap_or_default()
}

/// The text as the controller keeps it and sends it back to name the disk by it.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Namespaces of one NVMe controller have its serial number in common, the two actuators of a SAS disk that of the
/// disk. The kernel's `wwid` is the best name that the device has for one of them, and the same by every path; before
/// Linux 4.8 there are only its parts.
fn unit(disk: &Path) -> String {
    let names = ["wwid", "device/wwid", "uuid", "nguid", "eui", "nsid"].map(|file| line(disk.join(file)));
    // Some devices fill with zeros what they have no name for.
    let tells = |name: &String| name.bytes().any(|b| !matches!(b, b'0' | b'-' | b' '));
    names.into_iter().find(tells).unwrap_or_default()
}

/// The Unit Serial Number page: four bytes of header, then text (SPC-4 section 7.8.19).
fn unit_serial(page: &[u8]) -> String {
    String::from_utf8_lossy(page.get(4..).unwrap_or_default()).trim_matches([' ', '\0']).to_owned()
}

fn is_remote(disk: &Path, name: &str) -> bool {
    let device = fs::canonicalize(disk).unwrap_or_default();
    let device = device.to_string_lossy();
    NETWORK.iter().any(|prefix| name.starts_with(prefix))
        || NETWORK_PATHS.iter().any(|part| device.contains(part))
        || is_remote_nvme(&disk.join("device"))
        || is_multipath(disk)
}

/// The device of a namespace is its controller, or a subsystem with one controller for each path.
fn is_remote_nvme(device: &Path) -> bool {
    let own = line(device.join("transport"));
    let controllers = names(device).into_iter().filter(|name| name.starts_with("nvme"));
    let mut transports: Vec<String> =
        controllers.map(|name| line(device.join(name).join("transport"))).collect();
    transports.push(own);
    transports.retain(|transport| !transport.is_empty());
    transports.len() > 1 || transports.iter().any(|transport| transport != "pcie")
}

/// True if the device mapper has made it a path of something.
fn is_multipath(disk: &Path) -> bool {
    let holders = disk.join("holders");
    names(&holders).iter().any(|holder| line(holders.join(holder).join("dm/uuid")).starts_with("mpath-"))
}

/// Two disks of one serial number are two paths to one disk, unless they have different names besides.
fn mark_several_paths(disks: &mut [Found]) {
    let same = |a: &Found, b: &Found| {
        let unknown = a.unit.is_empty() || b.unit.is_empty();
        !a.info.serial.is_empty() && a.info.serial == b.info.serial && (unknown || a.unit == b.unit)
    };
    let several: Vec<bool> =
        disks.iter().map(|disk| disks.iter().filter(|other| same(disk, other)).count() > 1).collect();
    for (disk, several) in disks.iter_mut().zip(several) {
        disk.info.remote |= several;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(tree.path("sys/block")).unwrap();
            tree
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn file(&self, path: &str, text: impl AsRef<[u8]>) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// A disk of 1 MiB whose device is at `device` below /sys/devices.
        fn disk(&self, name: &str, device: &str) -> String {
            let real = format!("sys/devices/{device}/block/{name}");
            self.file(&format!("{real}/size"), "2048\n");
            symlink(self.path(&real), self.path(&format!("sys/block/{name}"))).unwrap();
            real
        }
    }

    #[test]
    fn local_disks_with_their_serial_numbers() {
        let tree = Tree::new();
        let nvme = tree.disk("nvme0n1", "pci0/nvme/nvme0");
        tree.file(&format!("{nvme}/device/serial"), "S4EV      \n");
        tree.file(&format!("{nvme}/device/model"), "Fast 1\n");
        tree.file(&format!("{nvme}/device/transport"), "pcie\n");
        tree.file(&format!("{nvme}/queue/rotational"), "0\n");
        let sda = tree.disk("sda", "pci0/ata1/host0");
        tree.file(&format!("{sda}/device/vpd_pg80"), b"\0\x80\0\x08  WD-1234\0");
        tree.file(&format!("{sda}/queue/rotational"), "1\n");
        let vda = tree.disk("vda", "pci0/virtio1");
        tree.file(&format!("{vda}/serial"), "disk\x010");
        for name in ["loop0", "ram1", "zram0", "dm-0", "md127", "sr0", "mmcblk0boot0", "mmcblk0rpmb"] {
            tree.disk(name, &format!("virtual/{name}"));
        }
        let empty = tree.disk("sdb", "pci0/usb1");
        tree.file(&format!("{empty}/size"), "0\n");
        let disks = list(tree.0.path()).unwrap();
        let found: Vec<_> =
            disks.iter().map(|d| (d.path.as_str(), d.serial.as_str(), d.rotational, d.remote)).collect();
        assert_eq!(
            found,
            [
                ("/dev/nvme0n1", "S4EV", false, false),
                ("/dev/sda", "WD-1234", true, false),
                ("/dev/vda", "disk 0", false, false)
            ]
        );
        assert_eq!((disks[0].model.as_str(), disks[0].size_bytes), ("Fast 1", 1 << 20));
    }

    #[test]
    fn disks_of_others_and_disks_with_several_paths_are_remote() {
        let tree = Tree::new();
        tree.disk("sda", "platform/host3/session1/target3:0:0");
        tree.disk("sdb", "pci0/host4/rport-4:0-1/target4:0:0");
        tree.disk("nbd0", "virtual/nbd0");
        for (name, serial) in [("sdc", "SAME"), ("sdd", "SAME"), ("sde", "OTHER")] {
            let disk = tree.disk(name, &format!("pci0/{name}"));
            tree.file(&format!("{disk}/device/serial"), serial);
        }
        let fabric = tree.disk("nvme1n1", "virtual/nvme-subsystem/nvme-subsys1");
        tree.file(&format!("{fabric}/device/nvme1/transport"), "tcp\n");
        let dual = tree.disk("nvme2n1", "virtual/nvme-subsystem/nvme-subsys2");
        tree.file(&format!("{dual}/device/nvme2/transport"), "pcie\n");
        tree.file(&format!("{dual}/device/nvme3/transport"), "pcie\n");
        let single = tree.disk("nvme4n1", "virtual/nvme-subsystem/nvme-subsys4");
        tree.file(&format!("{single}/device/nvme4/transport"), "pcie\n");
        let mapped = tree.disk("sdf", "pci0/sdf");
        tree.file(&format!("{mapped}/holders/dm-3/dm/uuid"), "mpath-3600\n");
        let found: Vec<_> =
            list(tree.0.path()).unwrap().into_iter().map(|d| (d.path[5..].to_owned(), d.remote)).collect();
        let expected = [
            ("nbd0", true),
            ("nvme1n1", true),
            ("nvme2n1", true),
            ("nvme4n1", false),
            ("sda", true),
            ("sdb", true),
            ("sdc", true),
            ("sdd", true),
            ("sde", false),
            ("sdf", true),
        ];
        assert_eq!(found, expected.map(|(name, remote)| (name.to_owned(), remote)));
    }

    /// Files of sysfs as Linux 6.1 has them.
    #[test]
    fn namespaces_and_logical_units_of_one_device_are_disks_and_not_paths() {
        let tree = Tree::new();
        for (name, device, files) in [
            (
                "nvme0n1",
                "pci0/nvme/nvme0",
                &[("device/serial", "S4EV"), ("wwid", "eui.0025388b71b2e1a1")][..],
            ),
            ("nvme0n2", "pci0/nvme/nvme0", &[("device/serial", "S4EV"), ("wwid", "eui.0025388b71b2e1a2")]),
            // Without a name of their own the kernel makes one of serial and namespace number.
            (
                "nvme1n1",
                "pci1/nvme/nvme1",
                &[("device/serial", "A"), ("wwid", "nvme.1b36-41-51454d55-00000001")],
            ),
            (
                "nvme1n2",
                "pci1/nvme/nvme1",
                &[("device/serial", "A"), ("wwid", "nvme.1b36-41-51454d55-00000002")],
            ),
            // An old kernel.
            ("nvme2n1", "pci2/nvme/nvme2", &[("device/serial", "B"), ("eui", "00 00 00 00"), ("nsid", "1")]),
            ("nvme2n2", "pci2/nvme/nvme2", &[("device/serial", "B"), ("eui", "00 00 00 00"), ("nsid", "2")]),
            // Two ports of one controller.
            ("nvme3n1", "pci3/nvme/nvme3", &[("device/serial", "C"), ("wwid", "eui.0025388b71b2e1a3")]),
            ("nvme4n1", "pci4/nvme/nvme4", &[("device/serial", "C"), ("wwid", "eui.0025388b71b2e1a3")]),
            // Two actuators, then two ports of a disk with one.
            (
                "sda",
                "pci5/target0:0:0/0:0:0:0",
                &[("serial", "ZR5"), ("device/wwid", "naa.6000c500d9d5f6df")],
            ),
            (
                "sdb",
                "pci5/target0:0:0/0:0:0:1",
                &[("serial", "ZR5"), ("device/wwid", "naa.6000c500d9d5f6e0")],
            ),
            (
                "sdc",
                "pci5/target0:0:1/0:0:1:0",
                &[("serial", "ZR6"), ("device/wwid", "naa.5000c500d9d5f6e7")],
            ),
            (
                "sdd",
                "pci5/target0:0:2/0:0:2:0",
                &[("serial", "ZR6"), ("device/wwid", "naa.5000c500d9d5f6e7")],
            ),
            // Whose name could be read by one path only.
            (
                "sde",
                "pci5/target0:0:3/0:0:3:0",
                &[("serial", "ZR7"), ("device/wwid", "naa.5000c500d9d5f6ff")],
            ),
            ("sdf", "pci5/target0:0:4/0:0:4:0", &[("serial", "ZR7")]),
        ] {
            let disk = tree.disk(name, device);
            for (file, text) in files {
                tree.file(&format!("{disk}/{file}"), format!("{text}\n"));
            }
        }
        let disks = list(tree.0.path()).unwrap();
        let remote: Vec<_> = disks.iter().filter(|disk| disk.remote).map(|disk| &disk.path[5..]).collect();
        assert_eq!(remote, ["nvme3n1", "nvme4n1", "sdc", "sdd", "sde", "sdf"]);
    }

    #[test]
    fn without_sysfs_there_is_an_error_and_not_an_empty_list() {
        assert!(list(tempfile::tempdir().unwrap().path()).is_err());
    }
}
