//! What the kernel says of devices as they appear.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The group that the kernel itself sends to.
const KERNEL: u32 = 1;

/// The kernel bounds an event to 2 KiB of variables and a path (`kobject.h`).
const LONGEST: usize = 8192;

/// What came of waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A device appeared, and this is its modalias.
    Device(String),
    /// Something else happened to some device.
    Other,
    /// Events were lost: look at everything again.
    Lost,
    /// Nothing for as long as it was waited for.
    Silence,
}

/// The kernel's announcements, from when this was opened.
#[derive(Debug)]
pub(super) struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(KOBJECT_UEVENT),
        )?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
        Ok(Self { socket })
    }

    /// Waits for the next one; for ever without a bound.
    pub(super) fn next(&self, bound: Option<Duration>) -> io::Result<Heard> {
        let bound = bound.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let mut message = vec![0; LONGEST];
        loop {
            match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], bound.as_ref()) {
                Ok(0) => return Ok(Heard::Silence),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            match recv(&self.socket, message.as_mut_slice(), RecvFlags::empty()) {
                Ok((length, _)) => return Ok(parse(message.get(..length).unwrap_or_default())),
                Err(Errno::NOBUFS) => return Ok(Heard::Lost),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// "add@/devices/…", then "NAME=VALUE", each with a zero at its end.
fn parse(message: &[u8]) -> Heard {
    let value = |name: &str| {
        let fields = message.split(|b| *b == 0).filter_map(|field| std::str::from_utf8(field).ok());
        fields.filter_map(|field| field.strip_prefix(name)?.strip_prefix('=')).next()
    };
    match (value("ACTION"), value("MODALIAS")) {
        (Some("add" | "bind" | "change"), Some(alias)) if !alias.is_empty() => {
            Heard::Device(alias.to_owned())
        }
        _ => Heard::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_devices_that_appear_count() {
        let add = b"add@/devices/pci0/virtio0\0ACTION=add\0DEVPATH=/devices/pci0/virtio0\0\
            SUBSYSTEM=virtio\0MODALIAS=virtio:d00000001v00001AF4\0SEQNUM=7\0";
        assert_eq!(parse(add), Heard::Device("virtio:d00000001v00001AF4".into()));
        for other in [
            &b"remove@/x\0ACTION=remove\0MODALIAS=virtio:d1\0"[..],
            b"add@/x\0ACTION=add\0SUBSYSTEM=block\0",
            b"add@/x\0ACTION=add\0MODALIAS=\0",
            b"libudev\0\xfe\xed\xca\xfe",
            b"",
        ] {
            assert_eq!(parse(other), Heard::Other);
        }
    }
}
