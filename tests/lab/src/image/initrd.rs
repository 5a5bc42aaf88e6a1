//! A small initial ramdisk that finds the root file system by its label and starts it.

use super::tree::{executable, link, script};
use crate::command::run;
use crate::layout::{copy, make_dir};
use crate::room::Arch;
use crate::setup::foreign::Foreign;
use anyhow::{Context as _, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

/// Disks, file system, network cards. `crc32c_generic` is no dependency by symbols, but ext4 asks for it when it
/// mounts.
const MODULES: [&str; 10] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "sd_mod",
    "nvme",
    "crc32c_generic",
    "ext4",
    "virtio_net",
    "ibmveth",
    "virtio_rng",
];

const INIT: &str = r#"#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules/order); do insmod /modules/$module; done
# Disks appear when their drivers have found them.
while ! root=$(findfs LABEL=root 2>/dev/null); do sleep 0.1; done
mount -t ext4 $root /root && umount /proc /sys && exec switch_root /root /sbin/init
echo "lab image: cannot start $root"
sleep 30
reboot -f
"#;

/// Builds it in `work`, for the kernel of the cache.
pub(super) fn build(foreign: &Foreign, arch: Arch, work: &Path, output: &Path) -> anyhow::Result<()> {
    let tree = work.join("initrd");
    for dir in ["bin", "proc", "sys", "dev", "root"] {
        make_dir(&tree.join(dir))?;
    }
    copy(&foreign.busybox(arch), &tree.join("bin/busybox"))?;
    executable(&tree.join("bin/busybox"))?;
    link("busybox", &tree.join("bin/sh"))?;
    script(&tree.join("init"), INIT)?;
    modules(foreign, arch, &tree.join("modules"))?;
    archive(&tree, output)
}

/// Copies the modules and what they depend on, and notes the order to load them in.
pub(super) fn modules(foreign: &Foreign, arch: Arch, to: &Path) -> anyhow::Result<()> {
    let (_, version) = foreign.kernel(arch)?;
    let from = foreign.kernel_root(arch).join("lib/modules").join(version);
    let index = fs::read_to_string(from.join("modules.dep")).context("the kernel has no modules.dep")?;
    let mut names = String::new();
    for path in load_order(&index, &MODULES) {
        let name = path.rsplit('/').next().unwrap_or(&path);
        names += name.trim_end_matches(".xz");
        names.push('\n');
        copy(&from.join(&path), &to.join(name))?;
        match name.rsplit('.').next() {
            Some("xz") => run(Command::new("xz").args(["-d", "-f"]).arg(to.join(name))).map(|_| ())?,
            Some("ko") => {}
            _ => bail!("{name} is compressed in a way that is not known here"),
        }
    }
    crate::layout::write(&to.join("order"), names)
}

/// The files of `wanted` and all that they need, each after what it needs, by the `index` of depmod(8). Those that the
/// index does not have are part of the kernel, or of no use to this architecture.
fn load_order(index: &str, wanted: &[&str]) -> Vec<String> {
    let name = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file.split(".ko").next().unwrap_or(file).replace('-', "_")
    };
    let lines = index.lines().filter_map(|line| line.split_once(':'));
    let files: BTreeMap<_, _> = lines.map(|(path, needs)| (name(path), (path, needs))).collect();
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    for (path, needs) in wanted.iter().filter_map(|wanted| files.get(*wanted)) {
        // depmod lists the last to be loaded first.
        for file in needs.split_whitespace().rev().chain([*path]) {
            if seen.insert(file) {
                order.push(file.to_owned());
            }
        }
    }
    order
}

/// Packs `tree` in the kernel's format.
pub(super) fn archive(tree: &Path, output: &Path) -> anyhow::Result<()> {
    let names = run(Command::new("find").arg(".").current_dir(tree))?;
    let (list, plain) = (tree.with_extension("list"), tree.with_extension("cpio"));
    fs::write(&list, names)?;
    let mut cpio = Command::new("cpio");
    cpio.args(["--quiet", "-o", "-H", "newc", "-F"]).arg(&plain).current_dir(tree);
    // Not through `run`, whose programs read nothing.
    let status = cpio.stdin(File::open(&list)?).status().context("cannot start cpio")?;
    anyhow::ensure!(status.success(), "cpio ended with {status}");
    run(Command::new("gzip").args(["-6", "-f"]).arg(&plain))?;
    fs::rename(tree.with_extension("cpio.gz"), output)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_loaded_first_and_once() {
        let index = "kernel/virtio_net.ko: kernel/net-failover.ko kernel/failover.ko\n\
                     kernel/net-failover.ko: kernel/failover.ko\n\
                     kernel/failover.ko:\n\
                     kernel/ext4.ko.xz: kernel/jbd2.ko.xz\n";
        let order = load_order(index, &["net_failover", "virtio_net", "ext4", "nvme"]);
        let names: Vec<_> = order.iter().map(|path| path.trim_start_matches("kernel/")).collect();
        assert_eq!(names, ["failover.ko", "net-failover.ko", "virtio_net.ko", "jbd2.ko.xz", "ext4.ko.xz"]);
    }
}
