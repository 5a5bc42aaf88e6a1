//! Parts of a root file system.

use crate::layout;
use anyhow::Context as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// Writes a program.
pub(super) fn script(path: &Path, text: &str) -> anyhow::Result<()> {
    layout::write(path, text)?;
    executable(path)
}

/// Makes a file one that can be run.
pub(super) fn executable(path: &Path) -> anyhow::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot change {}", path.display()))
}

/// Makes a symbolic link.
pub(super) fn link(target: &str, path: &Path) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        layout::make_dir(parent)?;
    }
    symlink(target, path).with_context(|| format!("cannot make {}", path.display()))
}

/// The configuration that the loader on the disk reads: no menu, one kernel.
pub(super) fn grub_config(kernel: &str, initrd: &str, console: &str) -> String {
    format!(
        "echo 'lab image: starts its kernel'\n\
         linux /boot/{kernel} root=LABEL=root rw console={console} panic=10\n\
         initrd /boot/{initrd}\n\
         boot\n"
    )
}
