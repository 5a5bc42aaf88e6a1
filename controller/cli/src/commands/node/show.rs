//! `hostler node show`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::node::Node;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::GetNodeRequest;

const EXAMPLES: &str = "\
Examples:
  hostler node show r1-n01
  hostler node show r1-n01 -o json | jq .inventory.disks";

/// Arguments of `hostler node show`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The node
    #[arg(value_name = "NODE")]
    name: String,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("show node {}", arguments.name);
    let request = GetNodeRequest { name: arguments.name };
    let node = client.call(action, async || client.nodes().get_node(request.clone()).await).await?;
    session.ui.result(&Node::from(node), |node, look| render::node::show(node, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}
