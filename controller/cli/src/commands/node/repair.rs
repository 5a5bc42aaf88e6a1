//! `hostler node repair`

use super::print_changed;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::RepairNodeRequest;

const EXAMPLES: &str = "\
Examples:
  hostler node repair r1-n01

Lifts the holds quarantine and miswired, inspects the node as if it were new, wipes it, and has it prove itself: its
memory is written and read, its processors compute what is known, its disks are read. `hostler node show` tells what
came of it. A node that fails is held again.";

/// Arguments of `hostler node repair`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The node
    #[arg(value_name = "NODE")]
    name: String,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("repair node {}", arguments.name);
    let request = RepairNodeRequest { name: arguments.name };
    let node = client.call(action, async || client.nodes().repair_node(request.clone()).await).await?;
    print_changed(session, node)
}
