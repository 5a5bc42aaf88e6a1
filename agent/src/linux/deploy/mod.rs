//! Making what was written to a disk the system of this node, and loading its kernel.
//!
//! * [`table`], [`disk`]: the partition of the root file system takes the rest of the disk.
//! * [`volume`], [`mount`]: which partition that is, and its file system.
//! * [`tree`]: how the files of an image are reached, which may be hostile.
//! * [`system`], [`ssh`], [`selinux`]: what a node's system has of its own.
//! * [`diskless`]: the same for a system that is in memory only, with [`cpio`].
//! * [`boot`], [`kernel`]: what the image's boot loader would start, and starting that without it; [`arch`] tells for
//!   which machines a kernel is.

mod arch;
mod boot;
mod cpio;
mod disk;
pub(super) mod diskless;
mod kernel;
mod mount;
mod selinux;
mod ssh;
mod system;
mod table;
mod tree;
mod volume;

use super::machine_arch;
use crate::error::chain;
use crate::identity::DeployedIdentity;
use disk::{Target, Volume};
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use tree::Tree;
use volume::Content;

/// Why the image did not become a system.
#[derive(Debug, thiserror::Error)]
pub(super) enum InstallError {
    #[error("cannot open the disk")]
    Open(#[source] io::Error),
    #[error("cannot read the partition table")]
    Partitions(#[source] io::Error),
    #[error(
        "the image has a partition table for sectors of 512 bytes, which means nothing on this disk with larger ones"
    )]
    OtherSectors,
    #[error("no partition of the image has a root file system: {0}")]
    NoRoot(String),
    #[error("this version cannot deploy images whose root is on {0}")]
    Unsupported(&'static str),
    #[error("cannot mount the root file system, {file_system} on {}", .device.display())]
    Mount {
        device: PathBuf,
        file_system: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the agent's own program")]
    Program(#[source] io::Error),
    #[error(transparent)]
    Write(#[from] system::WriteError),
    #[error("cannot store what was written to the root file system")]
    Sync(#[source] io::Error),
    #[error("cannot put what this node has of its own behind the ramdisk of the image")]
    Archive(#[source] io::Error),
    #[error(transparent)]
    Kernel(kernel::LoadError),
}

impl InstallError {
    /// [`io::ErrorKind::InvalidData`] if the image itself is what no machine like this one can start from.
    pub(super) const fn kind(&self) -> io::ErrorKind {
        match self {
            Self::OtherSectors | Self::NoRoot(_) | Self::Unsupported(_) | Self::Kernel(_) => {
                io::ErrorKind::InvalidData
            }
            _ => io::ErrorKind::Other,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) ssh_host_keys: Vec<String>,
    /// Its kernel is loaded, so that the firmware need not be gone through.
    pub(super) kernel_loaded: bool,
}

/// Blocks. Nothing stays mounted, whatever happens.
pub(super) fn install(disk: &str, identity: &DeployedIdentity) -> Result<Prepared, InstallError> {
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

struct Root<'a> {
    volume: &'a Volume,
    file_system: &'static str,
    /// Of a Btrfs file system.
    subvolume: Option<&'static str>,
}

impl Root<'_> {
    fn options(&self) -> Vec<(&'static str, &'static str)> {
        self.subvolume.map(|name| ("subvol", name)).into_iter().collect()
    }
}

/// Where Fedora and openSUSE, and where Debian's and Arch's relatives have the root of a Btrfs file system.
const SUBVOLUMES: [&str; 2] = ["root", "@"];

fn find_root(volumes: &[Volume]) -> Result<Root<'_>, InstallError> {
    let mut seen = Vec::new();
    for volume in volumes {
        let name = volume.device.file_name().unwrap_or_default().to_string_lossy();
        let found = match volume.content.file_system() {
            Some(file_system) => match look_for_root(volume, file_system) {
                Ok(Some(root)) => return Ok(root),
                Ok(None) => "has other files".to_owned(),
                Err(error) => format!("cannot be mounted: {error}"),
            },
            None => "no file system".to_owned(),
        };
        seen.push(format!("{name} ({}): {found}", volume.content.name()));
    }
    let refused = volumes.iter().find(|v| matches!(v.content, Content::Lvm | Content::Luks));
    match refused {
        Some(volume) => Err(InstallError::Unsupported(volume.content.name())),
        None => Err(InstallError::NoRoot(seen.join("; "))),
    }
}

fn look_for_root<'a>(volume: &'a Volume, file_system: &'static str) -> io::Result<Option<Root<'a>>> {
    let tree = Tree::new(mount::mount(&volume.device, file_system, false, &[])?);
    if is_root(&tree, "") {
        return Ok(Some(Root { volume, file_system, subvolume: None }));
    }
    let subvolume = SUBVOLUMES
        .into_iter()
        .filter(|_| matches!(volume.content, Content::Btrfs { .. }))
        .find(|name| is_root(&tree, &format!("{name}/")));
    Ok(subvolume.map(|name| Root { volume, file_system, subvolume: Some(name) }))
}

fn is_root(tree: &Tree, below: &str) -> bool {
    let has = |name: &str| tree.has_dir(&format!("{below}{name}"));
    has("etc") && (has("usr") || has("sbin"))
}

fn mount_root(root: &Root<'_>) -> Result<Tree, InstallError> {
    let device = &root.volume.device;
    let mounted = mount::mount(device, root.file_system, true, &root.options());
    mounted.map(Tree::new).map_err(|source| InstallError::Mount {
        device: device.clone(),
        file_system: root.file_system,
        source,
    })
}

/// A system on a file system that stays small is better than none.
fn grow_file_system(volume: &Volume, tree: &Tree) {
    let grow = || {
        let size = disk::size(&volume.device)?;
        match volume.content {
            Content::Ext4 { block, .. } => hostler_sys::fs::grow_ext4(tree.root(), size / block),
            Content::Xfs { block, inode_percent, .. } => {
                hostler_sys::fs::grow_xfs(tree.root(), size / block, inode_percent)
            }
            Content::Btrfs { .. } => hostler_sys::fs::grow_btrfs(tree.root().as_fd()),
            Content::Fat | Content::Lvm | Content::Luks | Content::Unknown => Ok(()),
        }
    };
    if let Err(error) = grow() {
        tracing::warn!(device = %volume.device.display(), "the root file system stays as it is: {error}");
    }
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

/// The consoles that this kernel was started with are those that somebody looks at.
fn console_arguments() -> String {
    let line = super::line("/proc/cmdline");
    let consoles = line.split_ascii_whitespace().filter(|word| word.starts_with("console="));
    consoles.map(|word| format!(" {word}")).collect()
}
