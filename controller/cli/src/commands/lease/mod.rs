//! `hostler lease …`

mod dry_run;
pub(crate) mod extend;
pub(crate) mod keepalive;
pub(crate) mod list;
pub(crate) mod release;
pub(crate) mod replace;
pub(crate) mod request;
pub(crate) mod show;
pub(crate) mod wait;

use clap::Subcommand;

/// What to do with leases.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask for a group of machines
    Request(Box<request::Arguments>),
    /// Wait until the machines of a lease are ready
    Wait(wait::Arguments),
    /// Show a lease and its machines
    Show(show::Arguments),
    /// List your leases, newest first
    List(list::Arguments),
    /// Keep a lease for longer
    Extend(extend::Arguments),
    /// Keep a lease alive for as long as the process that started this lives
    Keepalive(keepalive::Arguments),
    /// Give one machine of an active lease back as broken, and get another in its place
    Replace(replace::Arguments),
    /// Give the machines back
    Release(release::Arguments),
}
