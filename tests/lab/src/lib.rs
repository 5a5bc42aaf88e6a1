//! Emulated machines: QEMU with real firmware, independent BMC programs, a controller that boots them over a network of
//! their own. `docs/lab.md` says how to play with it.
//!
//! * [`room`] what machines a lab has.
//! * [`lab`] a lab as a whole: made, looked at, disturbed, taken down.
//! * [`machine`], [`bmc`], [`network`] its parts.
//! * [`setup`] what it needs of this host.
//! * [`record`] what machines ask a boot server, for tests.
//! * [`image`] disk images for its machines.
//! * [`tenant`] who uses them.

pub mod bmc;
mod command;
mod console;
mod control;
mod controller;
pub mod guard;
pub mod image;
pub mod lab;
pub mod layout;
mod loaders;
pub mod machine;
pub mod namespace;
pub mod network;
pub mod pcap;
pub mod process;
pub mod ramdisks;
pub mod record;
pub mod registration;
pub mod room;
pub mod setup;
pub mod status;
pub mod tenant;
pub mod wait;

pub use lab::{Lab, Plan, Server};
pub use room::RoomSpec;

/// Where the programs of the system are; the `PATH` of a user who became root may lack some.
pub(crate) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Tells whoever watches how far it is.
pub(crate) fn say(text: &str) {
    eprintln!("==> lab: {text}");
}
