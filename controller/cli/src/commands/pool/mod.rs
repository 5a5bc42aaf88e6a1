//! `hostler pool …`

pub(crate) mod list;
pub(crate) mod set;
pub(crate) mod show;

use clap::Subcommand;

/// What to do with pools.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say how many machines of a pool start at once, and what is done with those that nobody uses
    Set(set::Arguments),
    /// List the pools
    List(list::Arguments),
    /// Show a pool, rack by rack
    Show(show::Arguments),
}
