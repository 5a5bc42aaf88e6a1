//! File systems that grow while they are mounted. The first argument is any file or directory in them.

use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use std::io;
use std::os::fd::AsFd;

/// `struct xfs_growfs_data` of `xfs_fs.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct XfsGrow {
    blocks: u64,
    inode_percent: u32,
    padding: u32,
}

/// `struct btrfs_ioctl_vol_args` of `linux/btrfs.h`.
#[repr(C)]
struct BtrfsVolume {
    fd: i64,
    name: [u8; 4088],
}

/// `EXT4_IOC_RESIZE_FS` of `linux/ext4.h`.
const EXT4_RESIZE: Opcode = opcode::write::<u64>(b'f', 16);
/// `XFS_IOC_FSGROWFSDATA` of `xfs_fs.h`.
const XFS_GROW: Opcode = opcode::write::<XfsGrow>(b'X', 110);
/// `BTRFS_IOC_RESIZE` of `linux/btrfs.h`.
const BTRFS_RESIZE: Opcode = opcode::write::<BtrfsVolume>(0x94, 3);

/// Grows an ext4 file system to this number of its blocks.
///
/// # Errors
/// What the file system says: not every one was made to grow while it is mounted.
#[expect(unsafe_code, reason = "rustix has no safe form of EXT4_IOC_RESIZE_FS")]
pub fn grow_ext4(inside: impl AsFd, blocks: u64) -> io::Result<()> {
    // SAFETY: the request reads one 64-bit number, which `Setter` keeps for as long as the call lasts.
    unsafe { ioctl(inside, Setter::<EXT4_RESIZE, u64>::new(blocks)) }?;
    Ok(())
}

/// Grows an XFS file system to this number of its blocks. `inode_percent` is what its superblock says, so that it
/// stays.
///
/// # Errors
/// What the file system says.
#[expect(unsafe_code, reason = "rustix has no safe form of XFS_IOC_FSGROWFSDATA")]
pub fn grow_xfs(inside: impl AsFd, blocks: u64, inode_percent: u8) -> io::Result<()> {
    let wanted = XfsGrow { blocks, inode_percent: inode_percent.into(), padding: 0 };
    // SAFETY: the request reads one `struct xfs_growfs_data`, which has the layout of `XfsGrow` and which `Setter`
    // keeps for as long as the call lasts.
    unsafe { ioctl(inside, Setter::<XFS_GROW, XfsGrow>::new(wanted)) }?;
    Ok(())
}

/// Grows the first device of a Btrfs file system to all the room that it has.
///
/// # Errors
/// What the file system says.
#[expect(unsafe_code, reason = "rustix has no safe form of BTRFS_IOC_RESIZE")]
pub fn grow_btrfs(inside: impl AsFd) -> io::Result<()> {
    let mut wanted = BtrfsVolume { fd: 0, name: [0; 4088] };
    wanted.name[..5].copy_from_slice(b"1:max");
    // SAFETY: the request reads one `struct btrfs_ioctl_vol_args`, which has the layout of `BtrfsVolume`, with a name
    // that ends with a zero, and which `Setter` keeps for as long as the call lasts.
    unsafe { ioctl(inside, Setter::<BTRFS_RESIZE, BtrfsVolume>::new(wanted)) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_the_kernels() {
        assert_eq!((size_of::<XfsGrow>(), size_of::<BtrfsVolume>()), (16, 4096));
    }

    #[test]
    fn what_is_no_such_file_system_says_so() {
        let proc = std::fs::File::open("/proc").unwrap();
        for result in [grow_ext4(&proc, 1), grow_xfs(&proc, 1, 25), grow_btrfs(&proc)] {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ENOTTY));
        }
    }
}
