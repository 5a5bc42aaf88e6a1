//! A real machine under Linux.
//!
//! * [`machine`]: what `Machine` asks, answered by the system.
//! * [`disks`]: the disks in `/sys/block`, and which of them are not this machine's alone.
//! * [`init`]: from the kernel to the agent, where nothing but the agent is in the ramdisk.
//! * [`deploy`]: making what was written to a disk the system of this node.
//! * [`boot_order`]: what the firmware tries first; [`load_option`] is its form.
//! * [`passthrough`]: commands to the disks themselves.
//! * [`users`]: who has a disk that cannot be opened.
//! * [`inventory`]: what `/sys` and `/proc` say of the rest.

mod boot_order;
mod deploy;
mod disks;
pub mod init;
mod inventory;
mod load_option;
mod machine;
mod passthrough;
mod users;

pub use machine::LinuxMachine;

use std::fs;
use std::path::Path;

/// A one-line file of `/sys` or `/proc`; empty if it is not there or cannot be read, as is usual for what a driver
/// does not know.
fn line(path: impl AsRef<Path>) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
}

/// As `uname -m` prints it.
const fn machine_arch() -> &'static str {
    // Of the architectures that this program is built for, Rust names this one differently.
    if cfg!(target_arch = "powerpc64") { "ppc64le" } else { std::env::consts::ARCH }
}

/// The names in a directory, in order; none if it is not there.
fn names(path: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}
