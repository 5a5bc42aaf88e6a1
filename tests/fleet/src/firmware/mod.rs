//! Simulated firmware: from power-on to a kernel command line.
//!
//! [`mod@boot`] goes the way that the firmware of each [`Kind`] goes, with the packets that were captured from it:
//!
//! | kind | first | then |
//! |---|---|---|
//! | [`Kind::Bios`] | PXE ROM: DHCP, TFTP with a size probe | iPXE: DHCP again, script by HTTP |
//! | [`Kind::UefiX86`] | EDK2: DHCP, TFTP with a size probe and a window of 4 | iPXE: DHCP again, script by HTTP |
//! | [`Kind::UefiArm`] | EDK2: as above | GRUB: configuration by TFTP, kernel by HTTP |
//! | [`Kind::Slof`] | Open Firmware: DHCP that does not say what it is, TFTP from a fixed port | GRUB: as above |
//!
//! All that is served is fetched and hashed, nothing is kept. The loaders themselves are not executed: their format is
//! checked as firmware checks it, and what they would do is done here. Only the commands that Hostler's scripts
//! consist of are known: any other one is an error, so that a wrong script is noticed.

mod boot;
mod dhcp;
mod download;
mod error;
mod grub;
mod http;
mod ipxe;
mod loader;
mod machine;
mod rom;
mod tftp;

pub use boot::{Booted, boot};
pub use dhcp::{Lease, Profile, lease};
pub use download::Download;
pub use error::FirmwareError;
pub use http::HttpError;
pub use loader::{disk_sample, sample};
pub use machine::{Console, Kind, Machine, Timing};
pub use tftp::{Request, TftpError, Transfer, get, probe};
