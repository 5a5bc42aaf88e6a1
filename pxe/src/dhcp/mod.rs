//! DHCPv4 and BOOTP by reservation: machines that are registered get their address and the first program to load.
//!
//! [`mod@answer`] is a pure function of a packet; the server around it only moves packets. A machine that is not
//! registered gets nothing, so that it can share the segment with another DHCP server.
//!
//! Which program is a matter of the loader that asks, not of the boot plan: also a machine that has to wait, or that
//! boots its disk, loads the program that learns so from its script. Without one it would boot whatever its disk
//! holds.

mod answer;
mod boot_file;
mod relay;
mod reply;
mod request;
mod server;

pub use answer::{Verdict, answer};
pub use reply::Reply;
pub use request::Malformed;
pub(crate) use server::DhcpServer;
