//! `hostler image …`

pub(crate) mod add;
pub(crate) mod clear;
pub(crate) mod list;
pub(crate) mod show;

use clap::Subcommand;

/// What to do with images.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add a disk image, or a kernel and a ramdisk, to the catalogue
    Add(add::Arguments),
    /// List the images
    List(list::Arguments),
    /// Show what speaks for an image and against it
    Show(show::Arguments),
    /// Have an image that is suspect tried again
    Clear(clear::Arguments),
}
