//! `hostler node approve-wipe`

use super::super::confirm::confirm;
use super::print_changed;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::node::Node;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::{ApproveWipeRequest, GetNodeRequest};

const EXAMPLES: &str = "\
Examples:
  hostler node approve-wipe r1-n01          # shows the disks and asks
  hostler node approve-wipe r1-n01 --yes

Disks named in `keep_disks` and disks reached over a network are never wiped.";

/// Arguments of `hostler node approve-wipe`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The node
    #[arg(value_name = "NODE")]
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let name = arguments.name;
    let get = GetNodeRequest { name: name.clone() };
    let action = format!("show node {name}");
    let node: Node = client.call(action, async || client.nodes().get_node(get.clone()).await).await?.into();
    confirm(session, &question(&node), &name, arguments.yes).await?;
    let action = format!("approve the wipe of node {name}");
    let request = ApproveWipeRequest { name };
    let node = client.call(action, async || client.nodes().approve_wipe(request.clone()).await).await?;
    print_changed(session, node)
}

fn question(node: &Node) -> String {
    let disks: String = render::node::disks_to_wipe(node).iter().map(|disk| format!("\n  {disk}")).collect();
    format!("Everything on these disks of {} will be erased:{disks}", node.name)
}
