//! A real machine under Linux.
//!
//! * [`machine`]: what `Machine` asks, answered by the system.
//! * [`disks`]: the disks in `/sys/block`, and which of them are not this machine's alone.
//! * [`deploy`]: making what was written to a disk the system of this node.
//! * [`inventory`]: what `/sys` and `/proc` say of the rest.

mod deploy;
mod disks;
mod inventory;
mod machine;

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

/// The names in a directory, in order; none if it is not there.
fn names(path: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}
