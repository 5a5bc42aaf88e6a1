//! Block devices.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// `BLKRRPART` of `linux/fs.h`.
const REREAD_PARTITION_TABLE: libc::Ioctl = libc::_IO(0x12, 95);

/// Has the kernel forget the partitions of a disk and look for those that are there now.
///
/// # Errors
/// `EBUSY` if a partition is in use, `ENOTTY` or `EINVAL` if this is no whole disk.
pub fn reread_partition_table(device: impl AsFd) -> io::Result<()> {
    let device = device.as_fd();
    #[expect(unsafe_code, reason = "no safe crate has this ioctl")]
    // SAFETY: the request takes no argument, and the descriptor stays open while it is borrowed.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), REREAD_PARTITION_TABLE) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_no_partition_table() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(reread_partition_table(&file).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    }
}
