//! `hostler tenant …`

pub(crate) mod add;
pub(crate) mod list;
pub(crate) mod set;
pub(crate) mod show;

use clap::Subcommand;

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a tenant and its credentials, or new credentials for one
    Add(add::Arguments),
    /// List the tenants
    List(list::Arguments),
    /// Show what a tenant may have, and what it has
    Show(show::Arguments),
    /// Say what a tenant may have: its share, priority and limits
    Set(set::Arguments),
}
