//! What the image's own boot loader would start.
//!
//! * [`bls`]: entries of the Boot Loader Specification, as Fedora, its relatives and systemd-boot have them.
//! * [`grub`]: what a `grub.cfg` begins with, as Debian and its relatives have it.
//! * [`words`]: how both write a command line.
//! * [`version`]: which of several kernels is the newest.
//!
//! [`search`] looks for them in this order; where there is neither, the newest kernel that lies about is taken.

mod bls;
mod grub;
mod search;
mod version;
mod words;

pub(super) use search::{configured, lying_about};

use std::collections::BTreeMap;

/// How many entries of the one and the other kind are looked at. A few bytes of them can stand for many, so that what is
/// kept of each is bounded as well.
const MOST_ENTRIES: usize = 256;

/// A kernel to start. The paths are in the file system that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kernel: String,
    pub(super) initrds: Vec<String>,
    pub(super) arguments: String,
    /// Where that was found, for the log.
    pub(super) source: String,
}

/// As it stands in a configuration file: paths as the boot loader sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Written {
    kernel: String,
    initrds: Vec<String>,
    arguments: Vec<String>,
}

type Variables = BTreeMap<String, String>;
