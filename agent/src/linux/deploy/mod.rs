//! Making an image the system of this node, and loading its kernel.
//!
//! * [`mod@install`]: the whole of it, and [`error`] what goes wrong.
//! * [`table`], [`disk`]: the partition of the root file system takes the rest of the disk.
//! * [`root`], [`volume`], [`mount`]: which partition that is, and its file system.
//! * [`tree`]: how the files of an image are reached, which may be hostile.
//! * [`system`], [`ssh`], [`selinux`]: what a node's system has of its own.
//! * [`diskless`]: the same for a system that is in memory only, with [`cpio`].
//! * [`boot`], [`kernel`]: what the image's boot loader would start, and starting that without it; [`arch`] tells for
//!   which machines a kernel is.

mod arch;
mod boot;
mod cpio;
mod disk;
pub(super) mod diskless;
mod error;
mod install;
mod kernel;
mod mount;
mod root;
mod selinux;
mod ssh;
mod system;
mod table;
mod tree;
mod volume;

use super::machine_arch;
pub(super) use error::InstallError;
pub(super) use install::{Prepared, install};
