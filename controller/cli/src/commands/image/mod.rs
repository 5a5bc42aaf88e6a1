//! `hostler image …`

pub(crate) mod add;
pub(crate) mod list;

use clap::Subcommand;

/// What to do with images.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add a disk image, or a kernel and a ramdisk, to the catalogue
    Add(add::Arguments),
    /// List the images
    List(list::Arguments),
}
