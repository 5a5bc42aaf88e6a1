//! The Debian image: systemd, networkd, sshd, its own kernel and initramfs.

use super::tree::grub_config;
use crate::command::run_shown;
use crate::layout::write;
use crate::room::Arch;
use anyhow::Context as _;
use std::fs;
use std::path::Path;
use std::process::Command;

const PACKAGES: &str =
    "linux-image-amd64,initramfs-tools,systemd-sysv,udev,dbus,openssh-server,iproute2,kmod,zstd";

/// What no machine of a lab needs: documentation, and the drivers that make up most of a kernel.
const LEFT_OUT: [&str; 8] = [
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    "/lib/modules/*/kernel/sound/*",
    "/lib/modules/*/kernel/drivers/gpu/*",
    "/lib/modules/*/kernel/drivers/media/*",
    "/lib/modules/*/kernel/drivers/net/wireless/*",
];

const NETWORK: &str = "[Match]\nName=e*\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n";

/// Only what these machines have, not what any machine might: an emulated processor unpacks every byte slowly.
const INITRAMFS: &str = "MODULES=list\nCOMPRESS=zstd\n";
const MODULES: &str = "virtio_pci\nvirtio_blk\nvirtio_scsi\nsd_mod\nnvme\next4\ncrc32c_generic\n";

/// Makes the root file system in `tree`.
pub(super) fn fill(tree: &Path) -> anyhow::Result<()> {
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--quiet", "--mode=root", "--variant=minbase", "--architectures=amd64"]);
    mmdebstrap.arg(format!("--include={PACKAGES}"));
    mmdebstrap.arg("--aptopt=Acquire::Languages \"none\"");
    mmdebstrap.arg("--aptopt=APT::Install-Recommends \"false\"");
    mmdebstrap.args(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")));
    // Before the kernel is configured, which makes the initramfs.
    let conf = "\"$1/etc/initramfs-tools/conf.d\"";
    mmdebstrap.arg(format!(
        "--extract-hook=mkdir -p {conf} && printf '%s' '{INITRAMFS}' > {conf}/lab && \
         printf '%s' '{MODULES}' > \"$1/etc/initramfs-tools/modules\""
    ));
    mmdebstrap.arg("--customize-hook=chroot \"$1\" systemctl enable systemd-networkd ssh");
    run_shown(mmdebstrap.arg("bookworm").arg(tree))?;
    settle(tree)
}

/// Takes out what makes machines of one image alike, and lets them start.
fn settle(tree: &Path) -> anyhow::Result<()> {
    let ssh = tree.join("etc/ssh");
    for entry in fs::read_dir(&ssh).with_context(|| format!("cannot read {}", ssh.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("ssh_host_") {
            fs::remove_file(entry.path())?;
        }
    }
    let etc = tree.join("etc");
    for (name, text) in [
        ("machine-id", ""),
        ("hostname", "debian\n"),
        ("fstab", "LABEL=root / ext4 rw,noatime 0 1\n"),
        ("systemd/network/10-lab.network", NETWORK),
    ] {
        write(&etc.join(name), text)?;
    }
    let version = kernel_version(tree)?;
    let (kernel, initrd) = (format!("vmlinuz-{version}"), format!("initrd.img-{version}"));
    write(&tree.join("boot/grub/grub.cfg"), grub_config(&kernel, &initrd, Arch::X86_64.console()))
}

fn kernel_version(tree: &Path) -> anyhow::Result<String> {
    for entry in fs::read_dir(tree.join("boot"))? {
        if let Some(version) = entry?.file_name().to_string_lossy().strip_prefix("vmlinuz-") {
            return Ok(version.to_owned());
        }
    }
    anyhow::bail!("Debian has installed no kernel")
}
