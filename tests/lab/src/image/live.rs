//! The tiny system in a ramdisk: nothing of it is on a disk.

use super::tree::script;
use super::{initrd, tiny};
use crate::room::Arch;
use crate::setup::foreign::Foreign;
use std::path::Path;

/// What the kernel starts: drivers, then the system's own init.
const INIT: &str = r#"#!/bin/sh
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module; done
exec /sbin/init
"#;

/// Builds the ramdisk.
pub(super) fn build(foreign: &Foreign, arch: Arch, tree: &Path, output: &Path) -> anyhow::Result<()> {
    tiny::system(foreign, arch, tree)?;
    initrd::modules(foreign, arch, &tree.join("modules"))?;
    script(&tree.join("init"), INIT)?;
    initrd::archive(tree, output)
}
