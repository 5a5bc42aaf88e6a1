//! `hostler tenant …`

pub(crate) mod add;
pub(crate) mod list;

use clap::Subcommand;

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a tenant and its credentials, or new credentials for one
    Add(add::Arguments),
    /// List the tenants
    List(list::Arguments),
}
