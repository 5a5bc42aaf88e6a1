//! `hostler controller …`

pub(crate) mod list;

use clap::Subcommand;

/// What to do with controllers.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show who leads and who stands by
    List(list::Arguments),
}
