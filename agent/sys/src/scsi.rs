//! Commands to SCSI devices, and to ATA devices behind a translation (`scsi/sg.h`, version 3).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::ptr;
use std::time::Duration;

/// `struct sg_io_hdr`.
#[repr(C)]
struct Header {
    interface_id: libc::c_int,
    direction: libc::c_int,
    command_length: u8,
    sense_room: u8,
    iovec_count: u16,
    data_length: u32,
    data: *mut u8,
    command: *const u8,
    sense: *mut u8,
    timeout_ms: u32,
    flags: u32,
    pack_id: libc::c_int,
    user: *mut u8,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_length: u8,
    host_status: u16,
    driver_status: u16,
    residual: libc::c_int,
    duration_ms: u32,
    info: u32,
}

/// The same number on every architecture.
const SG_IO: libc::Ioctl = 0x2285;

const NO_DATA: libc::c_int = -1;
const TO_DEVICE: libc::c_int = -2;
const FROM_DEVICE: libc::c_int = -3;

/// Set in `driver_status` when there is sense data; the rest of it tells of errors.
const DRIVER_SENSE: u16 = 0x08;

/// How long sense data is at most (SPC-4 section 4.5).
const SENSE: usize = 252;

/// What a command transfers.
#[derive(Debug)]
pub enum Data<'a> {
    /// Nothing.
    None,
    /// From the device.
    Read(&'a mut [u8]),
    /// To the device.
    Write(&'a [u8]),
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The SCSI status; zero is GOOD, 2 is CHECK CONDITION.
    pub status: u8,
    /// Says more about the status; may be empty.
    pub sense: Vec<u8>,
    /// How many bytes were transferred.
    pub transferred: usize,
}

/// Has a device do a command. Blocks until it is done.
///
/// # Errors
/// If the command did not reach the device, or it did not answer in time. What the device itself refuses is a status.
pub fn execute(
    device: impl AsFd,
    command: &[u8],
    data: Data<'_>,
    timeout: Duration,
) -> io::Result<Completion> {
    let device = device.as_fd();
    let (direction, data, length) = match data {
        Data::None => (NO_DATA, ptr::null_mut(), 0),
        Data::Read(buffer) => (FROM_DEVICE, buffer.as_mut_ptr(), buffer.len()),
        Data::Write(buffer) => (TO_DEVICE, buffer.as_ptr().cast_mut(), buffer.len()),
    };
    let mut sense = [0; SENSE];
    let mut header = Header {
        interface_id: libc::c_int::from(b'S'),
        direction,
        command_length: u8::try_from(command.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        sense_room: SENSE as u8,
        iovec_count: 0,
        data_length: u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?,
        data,
        command: command.as_ptr(),
        sense: sense.as_mut_ptr(),
        timeout_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        flags: 0,
        pack_id: 0,
        user: ptr::null_mut(),
        status: 0,
        masked_status: 0,
        message_status: 0,
        sense_length: 0,
        host_status: 0,
        driver_status: 0,
        residual: 0,
        duration_ms: 0,
        info: 0,
    };
    #[expect(unsafe_code, reason = "no safe crate has this ioctl")]
    // SAFETY: `header` has the layout that the request is made for. It, the command, the sense buffer and the data
    // outlive the call, and each goes with its length. The kernel writes to the data only if the direction is from the
    // device, and then they are a mutable slice. The descriptor stays open while it is borrowed.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), SG_IO, &raw mut header) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    completion(&header, &sense, length)
}

fn completion(header: &Header, sense: &[u8], length: usize) -> io::Result<Completion> {
    if header.host_status != 0 || header.driver_status & !DRIVER_SENSE != 0 {
        return Err(io::Error::other(format!(
            "the command did not get through: host status {:#04x}, driver status {:#04x}",
            header.host_status, header.driver_status
        )));
    }
    let sense = &sense[..usize::from(header.sense_length).min(sense.len())];
    let missing = usize::try_from(header.residual).unwrap_or_default();
    Ok(Completion {
        status: header.status,
        sense: sense.to_vec(),
        transferred: length.saturating_sub(missing),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_pointer_width = "64")]
    const _: () = assert!(size_of::<Header>() == 88, "as the kernel has it");

    #[test]
    fn a_file_does_no_command() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let test_unit_ready = [0; 6];
        let error = execute(&file, &test_unit_ready, Data::None, Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }
}
