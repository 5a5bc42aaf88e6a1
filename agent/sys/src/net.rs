//! Interfaces and routes of IPv4, by the requests of netdevice(7) and route(7).

use libc::{c_char, c_short, c_ulong, ifreq, rtentry, sockaddr};
use std::ffi::CString;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd as _;

/// Changes the interfaces of this network namespace; needs `CAP_NET_ADMIN`.
#[derive(Debug)]
pub struct Interfaces {
    /// Any socket of IPv4 will do.
    socket: UdpSocket,
}

impl Interfaces {
    /// Opens the socket that the requests are made on.
    ///
    /// # Errors
    /// As `socket(2)`.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))? })
    }

    /// Switches an interface on.
    ///
    /// # Errors
    /// If there is none of that name, or as `ioctl(2)`.
    pub fn set_up(&self, name: &str) -> io::Result<()> {
        let mut request = named(name)?;
        self.interface(libc::SIOCGIFFLAGS, &mut request)?;
        let up = c_short::try_from(libc::IFF_UP).unwrap_or_default();
        add_flags(&mut request, up);
        self.interface(libc::SIOCSIFFLAGS, &mut request)
    }

    /// Gives an interface its address, with the first `prefix` bits in common with its neighbours.
    ///
    /// # Errors
    /// If there is none of that name, or as `ioctl(2)`.
    pub fn set_address(&self, name: &str, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut request = named(name)?;
        request.ifr_ifru.ifru_addr = internet(address);
        self.interface(libc::SIOCSIFADDR, &mut request)?;
        request.ifr_ifru.ifru_netmask = internet(netmask(prefix));
        self.interface(libc::SIOCSIFNETMASK, &mut request)
    }

    /// Adds the default route, through a neighbour on that interface.
    ///
    /// # Errors
    /// If it is there already, if the gateway is no neighbour, or as `ioctl(2)`.
    pub fn add_default_route(&self, name: &str, gateway: Ipv4Addr) -> io::Result<()> {
        let mut device = CString::new(name)?.into_bytes_with_nul();
        let mut route = empty_route();
        route.rt_dst = internet(Ipv4Addr::UNSPECIFIED);
        route.rt_genmask = internet(Ipv4Addr::UNSPECIFIED);
        route.rt_gateway = internet(gateway);
        route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
        route.rt_dev = device.as_mut_ptr().cast::<c_char>();
        self.route(libc::SIOCADDRT, &route)
    }

    #[expect(unsafe_code, reason = "no safe crate has the requests of netdevice(7)")]
    fn interface(&self, code: c_ulong, request: &mut ifreq) -> io::Result<()> {
        // SAFETY: every request that this module makes reads and writes one `ifreq`, which the borrow keeps alive.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), code, std::ptr::from_mut(request)) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    #[expect(unsafe_code, reason = "no safe crate has the requests of route(7)")]
    fn route(&self, code: c_ulong, route: &rtentry) -> io::Result<()> {
        // SAFETY: the kernel reads one `rtentry` and the name that `rt_dev` points to; the caller holds both.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), code, std::ptr::from_ref(route)) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A request about an interface, with nothing but its name.
#[expect(unsafe_code, reason = "the structure has a union, which only zeroes initialise as a whole")]
fn named(name: &str) -> io::Result<ifreq> {
    // SAFETY: `ifreq` is plain numbers, addresses of none and pointers that may be null: all zeroes are valid.
    let mut request: ifreq = unsafe { std::mem::zeroed() };
    // One byte is left for the terminating zero.
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no interface")));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    Ok(request)
}

#[expect(unsafe_code, reason = "flags are a field of a union")]
fn add_flags(request: &mut ifreq, flags: c_short) {
    // SAFETY: SIOCGIFFLAGS has filled this field, and every bit pattern is a number.
    unsafe { request.ifr_ifru.ifru_flags |= flags };
}

#[expect(unsafe_code, reason = "the structure has padding and pointers that have no other default")]
fn empty_route() -> rtentry {
    // SAFETY: `rtentry` is plain numbers and pointers that may be null: all zeroes are valid.
    unsafe { std::mem::zeroed() }
}

/// A `sockaddr_in` in the shape that the requests want: port, then address, in network order.
fn internet(address: Ipv4Addr) -> sockaddr {
    let mut data = [0; 14];
    for (to, from) in data[2..6].iter_mut().zip(address.octets()) {
        *to = c_char::from_ne_bytes([from]);
    }
    sockaddr { sa_family: u16::try_from(libc::AF_INET).unwrap_or_default(), sa_data: data }
}

fn netmask(prefix: u8) -> Ipv4Addr {
    let host_bits = 32_u32.saturating_sub(u32::from(prefix));
    Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netmasks() {
        for (prefix, mask) in
            [(0, [0, 0, 0, 0]), (8, [255, 0, 0, 0]), (23, [255, 255, 254, 0]), (32, [255; 4]), (99, [255; 4])]
        {
            assert_eq!(netmask(prefix), Ipv4Addr::from(mask), "/{prefix}");
        }
    }

    #[test]
    fn addresses_are_where_the_kernel_looks_for_them() {
        let address = internet(Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(address.sa_family, 2);
        assert_eq!(address.sa_data.map(|b| b.to_ne_bytes()[0])[..6], [0, 0, 192, 0, 2, 7]);
    }

    #[test]
    fn names_that_no_interface_has_are_refused_before_the_kernel_is_asked() {
        for name in ["", "a-name-that-is-too-long", "et\0h0"] {
            assert_eq!(named(name).err().map(|e| e.kind()), Some(io::ErrorKind::InvalidInput), "{name:?}");
        }
        let unknown = Interfaces::open().and_then(|i| i.set_up("hostler-none"));
        assert_eq!(unknown.err().and_then(|e| e.raw_os_error()), Some(libc::ENODEV));
    }
}
