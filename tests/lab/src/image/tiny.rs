//! The tiny image: a kernel, busybox as the first process, DHCP, and the agent if one was deployed.

use super::initrd;
use super::tree::{executable, grub_config, link, script};
use crate::layout::{copy, make_dir, write};
use crate::room::Arch;
use crate::setup::foreign::Foreign;
use std::path::Path;

/// A line of this on the console says that the system is up.
const START: &str = r#"#!/bin/sh
/bin/busybox --install -s /bin 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
hostname -F /etc/hostname
ifconfig lo up
for path in /sys/class/net/*/device; do
    interface=$(basename ${path%/device})
    ifconfig $interface up
    # Goes into the background if nobody answers at first, and renews later.
    udhcpc -i $interface -s /etc/udhcpc.sh -t 5 -T 2 -b >/dev/null
done
echo "lab image: $(hostname) is up"
"#;

const UDHCPC: &str = r#"#!/bin/sh
case $1 in
bound | renew)
    ifconfig $interface $ip netmask $subnet
    [ -z "$router" ] || route add default gw $router
    ;;
esac
"#;

/// Started again by busybox whenever it ends. Without an identity there is nobody to be.
const AGENT: &str = r#"#!/bin/sh
identity=/var/lib/hostler-agent/identity.json
[ ! -s $identity ] || /usr/lib/hostler/hostler-agent deployed --identity $identity
sleep 2
"#;

const INITTAB: &str = "::sysinit:/etc/start\n\
                       ::respawn:/etc/agent\n\
                       ::askfirst:/bin/sh\n\
                       ::ctrlaltdel:/bin/reboot\n";

const RELEASE: &str = "NAME=\"Hostler lab\"\nID=hostler-lab\nPRETTY_NAME=\"Hostler lab, tiny image\"\n";

/// Makes the root file system in `tree`.
pub(super) fn fill(foreign: &Foreign, arch: Arch, work: &Path, tree: &Path) -> anyhow::Result<()> {
    system(foreign, arch, tree)?;
    let (kernel, _) = foreign.kernel(arch)?;
    copy(&kernel, &tree.join("boot/vmlinuz"))?;
    initrd::build(foreign, arch, work, &tree.join("boot/initrd.img"))?;
    write(&tree.join("boot/grub/grub.cfg"), grub_config("vmlinuz", "initrd.img", arch.console()))
}

/// Everything of it that does not depend on what it is started from.
pub(super) fn system(foreign: &Foreign, arch: Arch, tree: &Path) -> anyhow::Result<()> {
    for dir in ["boot", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr/bin", "usr/lib", "var/lib"] {
        make_dir(&tree.join(dir))?;
    }
    for (target, name) in [("usr/bin", "bin"), ("usr/bin", "sbin"), ("usr/lib", "lib")] {
        link(target, &tree.join(name))?;
    }
    let busybox = tree.join("usr/bin/busybox");
    copy(&foreign.busybox(arch), &busybox)?;
    executable(&busybox)?;
    link("busybox", &tree.join("usr/bin/sh"))?;
    link("busybox", &tree.join("usr/bin/init"))?;
    let etc = tree.join("etc");
    for (name, text) in [("start", START), ("agent", AGENT), ("udhcpc.sh", UDHCPC)] {
        script(&etc.join(name), text)?;
    }
    for (name, text) in [
        ("inittab", INITTAB),
        ("os-release", RELEASE),
        ("hostname", "tiny\n"),
        ("hosts", "127.0.0.1 localhost\n"),
        ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("group", "root:x:0:\n"),
    ] {
        write(&etc.join(name), text)?;
    }
    Ok(())
}
