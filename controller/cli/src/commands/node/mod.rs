//! `hostler node …`

pub(crate) mod approve_wipe;
pub(crate) mod drain;
pub(crate) mod list;
pub(crate) mod power;
pub(crate) mod repair;
pub(crate) mod resume;
pub(crate) mod retire;
pub(crate) mod show;

use crate::error::Error;
use crate::exit::Exit;
use crate::model::node::Node;
use crate::render;
use crate::session::Session;
use clap::Subcommand;
use hostler_proto::node::v1 as pb;

/// What to do with nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the nodes, or watch them
    List(list::Arguments),
    /// Show everything about a node
    Show(show::Arguments),
    /// Switch a node on or off, or ask whether it is on
    Power(power::Arguments),
    /// Let a node take no new lease
    Drain(drain::Arguments),
    /// Let a drained node take leases again
    Resume(resume::Arguments),
    /// Lift quarantine and inspect a node anew
    Repair(repair::Arguments),
    /// Take a node out of service for good
    Retire(retire::Arguments),
    /// Let the first wipe of a node with data on its disks go on
    ApproveWipe(approve_wipe::Arguments),
}

/// Prints a node after a command changed it.
fn print_changed(session: &Session, node: pb::Node) -> Result<Exit, Error> {
    session.ui.result(&Node::from(node), |node, _| format!("{}\n", render::node::line(node)))?;
    Ok(Exit::Ok)
}
