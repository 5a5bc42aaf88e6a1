//! Admin commands to NVMe controllers (`linux/nvme_ioctl.h`).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::time::Duration;

/// `struct nvme_passthru_cmd`.
#[repr(C)]
#[derive(Default)]
struct PassthroughCommand {
    opcode: u8,
    flags: u8,
    reserved: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    address: u64,
    metadata_length: u32,
    data_length: u32,
    cdw10_to_15: [u32; 6],
    timeout_ms: u32,
    result: u32,
}

const _: () = assert!(size_of::<PassthroughCommand>() == 72, "as the kernel has it");

const NAMESPACE_ID: libc::Ioctl = libc::_IO('N' as u32, 0x40);
const ADMIN_COMMAND: libc::Ioctl = libc::_IOWR::<PassthroughCommand>('N' as u32, 0x41);

/// An admin command that transfers nothing, or something to the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdminCommand {
    /// What to do. The lowest two bits tell the direction of the data, which must not be to the device.
    pub opcode: u8,
    /// The namespace that it concerns.
    pub namespace: u32,
    /// Command dwords 10 to 15.
    pub cdw10_to_15: [u32; 6],
    /// When the kernel gives the command up. Zero is the kernel's own choice.
    pub timeout: Duration,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Status code type, status code and "do not retry"; zero is success.
    pub status: u16,
    /// Dword 0 of the completion.
    pub result: u32,
}

/// Which namespace of its controller a block device is.
///
/// # Errors
/// `ENOTTY` if it is no namespace.
pub fn namespace_id(device: impl AsFd) -> io::Result<u32> {
    let device = device.as_fd();
    #[expect(unsafe_code, reason = "no safe crate has this ioctl")]
    // SAFETY: the request takes no argument, and the descriptor stays open while it is borrowed.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), NAMESPACE_ID) };
    u32::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Has the controller of a namespace, or a controller itself, do a command. Blocks until it is done.
///
/// # Errors
/// If the command did not reach the device or timed out. What the device itself refuses is a status.
pub fn admin(device: impl AsFd, command: &AdminCommand, data: &mut [u8]) -> io::Result<Completion> {
    // NVMe base specification: 01b in the lowest bits is a transfer from the host.
    if command.opcode & 0b11 == 0b01 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command would send data to the device"));
    }
    let device = device.as_fd();
    let length = u32::try_from(data.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut raw = PassthroughCommand {
        opcode: command.opcode,
        nsid: command.namespace,
        address: if data.is_empty() { 0 } else { data.as_mut_ptr().expose_provenance() as u64 },
        data_length: length,
        cdw10_to_15: command.cdw10_to_15,
        timeout_ms: u32::try_from(command.timeout.as_millis()).unwrap_or(u32::MAX),
        ..PassthroughCommand::default()
    };
    #[expect(unsafe_code, reason = "no safe crate has this ioctl")]
    // SAFETY: `raw` has the layout that the request is made for and outlives the call, as does `data`, of which the
    // kernel writes at most `data_length` bytes. The descriptor stays open while it is borrowed.
    let status = unsafe { libc::ioctl(device.as_raw_fd(), ADMIN_COMMAND, &raw mut raw) };
    match u16::try_from(status) {
        Ok(status) => Ok(Completion { status, result: raw.result }),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_requests_are_those_of_the_kernel() {
        assert_eq!(ADMIN_COMMAND, 0xc048_4e41_u32 as libc::Ioctl);
    }

    #[test]
    fn a_file_is_no_namespace_and_does_no_command() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(namespace_id(&file).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
        let identify = AdminCommand { opcode: 0x06, ..AdminCommand::default() };
        assert_eq!(admin(&file, &identify, &mut []).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    }

    #[test]
    fn a_command_that_would_read_the_buffer_is_refused() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let create_queue = AdminCommand { opcode: 0x01, ..AdminCommand::default() };
        let error = admin(&file, &create_queue, &mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
