//! The kernel that the next restart begins with.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// `KEXEC_FILE_NO_INITRAMFS` of `linux/kexec.h`.
const NO_INITRAMFS: libc::c_ulong = 4;

/// Has the running kernel load another one with its ramdisk and command line (`kexec_file_load(2)`), for
/// `reboot(LINUX_REBOOT_CMD_KEXEC)`.
///
/// # Errors
/// `ENOSYS` where the running kernel was built without it; `EPERM` where it is locked down; `ENOEXEC` for a file that
/// is no kernel.
#[expect(unsafe_code, reason = "neither rustix nor the C library has kexec_file_load")]
pub fn load(kernel: BorrowedFd<'_>, initrd: Option<BorrowedFd<'_>>, command_line: &CStr) -> io::Result<()> {
    let length = command_line.to_bytes_with_nul().len();
    let (initrd, flags) = initrd.map_or((-1, NO_INITRAMFS), |initrd| (initrd.as_raw_fd(), 0));
    // SAFETY: the kernel reads `length` bytes at `command_line`, which is how many are there with the zero at its end,
    // and the two files, which are borrowed for as long as the call lasts. It writes to no memory of ours.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            kernel.as_raw_fd(),
            initrd,
            length,
            command_line.as_ptr(),
            flags,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use std::io::Write as _;
    use std::os::fd::AsFd as _;

    #[test]
    fn what_is_no_kernel_is_not_loaded() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[0xa5; 1 << 16]).unwrap();
        let error = load(file.as_fd(), None, c"quiet").unwrap_err();
        // What this system objects to first: that it lacks the call, that nobody may, or the file, for which the
        // architectures have two words.
        let expected = [Errno::NOSYS, Errno::PERM, Errno::NOEXEC, Errno::INVAL];
        assert!(Errno::from_io_error(&error).is_some_and(|found| expected.contains(&found)), "{error}");
    }
}
