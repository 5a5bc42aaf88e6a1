//! `hostler controller …`

pub(crate) mod invite;
pub(crate) mod list;

use clap::Subcommand;

/// What to do with controllers.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show who leads and who stands by
    List(list::Arguments),
    /// Make a one-time code with which another host becomes a controller
    Invite(invite::Arguments),
}
