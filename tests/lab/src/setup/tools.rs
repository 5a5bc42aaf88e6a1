//! Programs and firmware of this host, by the package that has them.

use crate::command::run;
use anyhow::{Context as _, bail};
use hostler_checkout::debian;
use std::path::Path;
use std::process::Command;

/// Packages, each with a file that shows that it is there: an absolute path, or a program.
const PACKAGES: [(&str, &str); 28] = [
    ("qemu-system-x86", "qemu-system-x86_64"),
    ("qemu-system-arm", "qemu-system-aarch64"),
    ("qemu-system-ppc", "qemu-system-ppc64"),
    ("qemu-utils", "qemu-img"),
    ("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd"),
    ("qemu-efi-aarch64", "/usr/share/AAVMF/AAVMF_CODE.fd"),
    ("ipxe", "/usr/lib/ipxe/undionly.kpxe"),
    ("ipxe-qemu", "/usr/lib/ipxe/qemu/pxe-virtio.rom"),
    ("ipmitool", "ipmitool"),
    ("openipmi", "ipmi_sim"),
    ("python3-pyghmi", "/usr/lib/python3/dist-packages/pyghmi/ipmi/bmc.py"),
    ("dnsmasq-base", "dnsmasq"),
    ("grub-common", "grub-mkimage"),
    ("grub-pc-bin", "/usr/lib/grub/i386-pc/boot.img"),
    ("grub-efi-amd64-bin", "/usr/lib/grub/x86_64-efi/chain.mod"),
    ("mtools", "mcopy"),
    ("dosfstools", "mkfs.vfat"),
    ("e2fsprogs", "mke2fs"),
    ("fdisk", "sfdisk"),
    ("kmod", "depmod"),
    ("cpio", "cpio"),
    ("zstd", "zstd"),
    ("gzip", "gzip"),
    ("iproute2", "ip"),
    ("nftables", "nft"),
    ("openssh-client", "ssh"),
    ("mmdebstrap", "mmdebstrap"),
    ("tcpdump", "tcpdump"),
];

/// Where programs are, besides `PATH`: that of a user who became root may lack these.
const SYSTEM: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Packages that are not there.
#[must_use]
pub fn missing() -> Vec<&'static str> {
    PACKAGES.iter().filter(|(_, file)| !is_there(file)).map(|(package, _)| *package).collect()
}

fn is_there(file: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    file.starts_with('/') && Path::new(file).exists()
        || SYSTEM.iter().any(|dir| Path::new(dir).join(file).exists())
        || std::env::split_paths(&path).any(|dir| dir.join(file).exists())
}

/// # Errors
/// If this user may not make a lab, or something is missing.
pub fn check() -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("a lab has network namespaces and devices of its own: it has to be made by root");
    }
    let missing = missing();
    if !missing.is_empty() {
        bail!("these packages are missing: {}; --setup installs them", missing.join(", "));
    }
    Ok(())
}

/// Installs what is missing.
///
/// # Errors
/// If this is not Debian or Ubuntu, the user is not root, or apt fails.
pub fn install() -> anyhow::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return check();
    }
    let mut packages: Vec<String> = missing.into_iter().map(str::to_owned).collect();
    if rustix::process::geteuid().is_root() {
        debian::update();
    }
    packages.extend(stranded()?);
    debian::install(&packages)?;
    check()
}

/// qemu-utils has to be of the release of the emulators. Where it was installed from an archive that is not used any
/// more, it is named with the version that can be had.
fn stranded() -> anyhow::Result<Option<String>> {
    const PACKAGE: &str = "qemu-utils";
    let installed = Command::new("dpkg-query").args(["-W", "-f=${Version}", PACKAGE]).output();
    let installed = installed.context("cannot start dpkg-query")?;
    let installed = String::from_utf8_lossy(&installed.stdout).into_owned();
    let offered = versions(PACKAGE)?;
    let stranded = !installed.is_empty() && !offered.contains(&installed);
    Ok(offered.first().filter(|_| stranded).map(|version| format!("{PACKAGE}={version}")))
}

/// The versions of a package that can be had, the newest first.
pub(super) fn versions(package: &str) -> anyhow::Result<Vec<String>> {
    let lines = run(Command::new("apt-cache").args(["madison", package]))?;
    Ok(lines.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect())
}
