//! The root file system of an image: found, mounted, grown.

use super::disk::{self, Volume};
use super::error::InstallError;
use super::mount;
use super::tree::Tree;
use super::volume::Content;
use std::io;
use std::os::fd::AsFd as _;

pub(super) struct Root<'a> {
    pub(super) volume: &'a Volume,
    file_system: &'static str,
    /// Of a Btrfs file system.
    pub(super) subvolume: Option<&'static str>,
}

impl Root<'_> {
    fn options(&self) -> Vec<(&'static str, &'static str)> {
        self.subvolume.map(|name| ("subvol", name)).into_iter().collect()
    }
}

/// Where Fedora and openSUSE, and where Debian's and Arch's relatives have the root of a Btrfs file system.
const SUBVOLUMES: [&str; 2] = ["root", "@"];

pub(super) fn find_root(volumes: &[Volume]) -> Result<Root<'_>, InstallError> {
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

pub(super) fn mount_root(root: &Root<'_>) -> Result<Tree, InstallError> {
    let device = &root.volume.device;
    let mounted = mount::mount(device, root.file_system, true, &root.options());
    mounted.map(Tree::new).map_err(|source| InstallError::Mount {
        device: device.clone(),
        file_system: root.file_system,
        source,
    })
}

/// A system on a file system that stays small is better than none.
pub(super) fn grow_file_system(volume: &Volume, tree: &Tree) {
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
