//! Partition tables in the kernel.

use rustix::ioctl::{NoArg, Opcode, ioctl, opcode};
use std::io;
use std::os::fd::AsFd;

/// `BLKRRPART` of `linux/fs.h`.
const REREAD: Opcode = opcode::none(0x12, 95);

/// Has the kernel read the partition table of a disk again (`BLKRRPART`).
///
/// # Errors
/// `EBUSY` while one of its partitions is in use; `EINVAL` for what has no partitions.
#[expect(unsafe_code, reason = "rustix has no safe form of BLKRRPART")]
pub fn reread_partitions(disk: impl AsFd) -> io::Result<()> {
    // SAFETY: the request takes no argument, so the kernel touches no memory of ours.
    unsafe { ioctl(disk, NoArg::<REREAD>::new()) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_no_partitions() {
        let error = reread_partitions(std::fs::File::open("/proc/self/exe").unwrap()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }
}
