//! Making what was written to a disk the system of this node.

use super::disk::{Target, Volume};
use super::error::InstallError;
use super::kernel::{self, console_arguments};
use super::root::{Root, find_root, grow_file_system, mount_root};
use super::tree::Tree;
use super::volume::Content;
use super::{boot, mount, system};
use crate::error::chain;
use crate::identity::DeployedIdentity;
use std::io;

/// What came of it.
#[derive(Debug)]
pub(in crate::linux) struct Prepared {
    pub(in crate::linux) ssh_host_keys: Vec<String>,
    /// Its kernel is loaded, so that the firmware need not be gone through.
    pub(in crate::linux) kernel_loaded: bool,
}

/// Blocks. Nothing stays mounted, whatever happens.
pub(in crate::linux) fn install(disk: &str, identity: &DeployedIdentity) -> Result<Prepared, InstallError> {
    let target = Target::open(disk).map_err(InstallError::Open)?;
    target.reread().map_err(InstallError::Partitions)?;
    if target.is_of_other_sectors().map_err(InstallError::Partitions)? {
        return Err(InstallError::OtherSectors);
    }
    let volumes = target.volumes().map_err(InstallError::Partitions)?;
    let root = find_root(&volumes)?;
    match target.grow(root.volume) {
        Ok(0) => {}
        Ok(bytes) => tracing::info!(device = %root.volume.device.display(), bytes, "grew the root partition"),
        Err(error) => tracing::warn!("the root partition stays as it is: {}", chain(&error)),
    }
    let tree = mount_root(&root)?;
    grow_file_system(root.volume, &tree);
    let agent = std::fs::read("/proc/self/exe").map_err(InstallError::Program)?;
    let ssh_host_keys = system::write(&tree, identity, &agent)?;
    tree.sync().map_err(InstallError::Sync)?;
    let kernel_loaded = load_kernel(&volumes, &root, &tree)?;
    Ok(Prepared { ssh_host_keys, kernel_loaded })
}

/// Whoever cannot be started without the firmware is started through it, so the only error here is a kernel that this
/// machine can never run.
fn load_kernel(volumes: &[Volume], root: &Root<'_>, tree: &Tree) -> Result<bool, InstallError> {
    let others = mount_others(volumes, root);
    // Where /boot is a file system of its own, the root has none of this.
    let trees: Vec<&Tree> = [tree].into_iter().chain(&others).collect();
    let found = trees.iter().find_map(|tree| Some((*tree, boot::configured(tree)?)));
    let found = found.or_else(|| {
        let arguments = default_arguments(root, &console_arguments());
        trees.iter().find_map(|tree| Some((*tree, boot::lying_about(tree, &arguments)?)))
    });
    let Some((tree, entry)) = found else {
        tracing::warn!("the image has no kernel that this version finds; it is started through the firmware");
        return Ok(false);
    };
    tracing::info!(
        kernel = entry.kernel,
        initrds = ?entry.initrds,
        arguments = entry.arguments,
        "found in {}",
        entry.source
    );
    match kernel::load(tree, &entry) {
        Ok(()) => Ok(true),
        Err(error @ kernel::LoadError::OtherArch { .. }) => Err(InstallError::Kernel(error)),
        Err(error) => {
            tracing::warn!("{}; the image is started through the firmware", chain(&error));
            Ok(false)
        }
    }
}

/// A file system of its own for /boot, and the EFI system partition, as far as there are any: in the order of the
/// disk, which has the latter first, but that has the kernels only if nothing else does.
fn mount_others(volumes: &[Volume], root: &Root<'_>) -> Vec<Tree> {
    let mut others: Vec<_> = volumes.iter().filter(|volume| *volume != root.volume).collect();
    others.sort_by_key(|volume| volume.content == Content::Fat);
    let mount = |volume: &Volume| {
        let mounted = mount::mount(&volume.device, volume.content.file_system()?, false, &[]);
        let warn = |error: &io::Error| {
            tracing::warn!(device = %volume.device.display(), "not looked at for a kernel: {error}");
        };
        mounted.inspect_err(warn).ok().map(Tree::new)
    };
    others.into_iter().filter_map(mount).collect()
}

fn default_arguments(root: &Root<'_>, consoles: &str) -> String {
    let uuid = root.volume.content.uuid().unwrap_or_default();
    let flags = root.subvolume.map(|name| format!(" rootflags=subvol={name}")).unwrap_or_default();
    format!("root=UUID={uuid} rw{flags}{consoles}")
}
