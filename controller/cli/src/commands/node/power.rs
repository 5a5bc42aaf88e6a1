//! `hostler node power`

use crate::client::Repeat;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::node::Node;
use crate::session::Session;
use clap::{Args, ValueEnum};
use hostler_proto::node::v1::{self as pb, PowerNodeRequest};

const EXAMPLES: &str = "\
Examples:
  hostler node power r1-n01 status
  hostler node power r1-n01 cycle
  hostler node power r1-n01 off --force    # although it is leased";

/// Arguments of `hostler node power`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The node
    #[arg(value_name = "NODE")]
    name: String,
    /// What to do
    #[arg(value_enum)]
    action: Action,
    /// Also if the node is leased
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Ask the BMC whether it is on
    Status,
    /// Switch it on
    On,
    /// Switch it off at once
    Off,
    /// Switch it off and on again
    Cycle,
}

impl Action {
    const fn to_wire(self) -> pb::PowerAction {
        match self {
            Self::Status => pb::PowerAction::Status,
            Self::On => pb::PowerAction::On,
            Self::Off => pb::PowerAction::Off,
            Self::Cycle => pb::PowerAction::Cycle,
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Status => "ask for the power of",
            Self::On => "switch on",
            Self::Off => "switch off",
            Self::Cycle => "power-cycle",
        }
    }
}

/// Switches are not thrown twice because an answer got lost.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let Arguments { name, action, force } = arguments;
    let label = format!("{} node {name}", action.verb());
    let request = PowerNodeRequest { name, action: action.to_wire().into(), force };
    let attempt = async || client.nodes().power_node(request.clone()).await;
    let node = client.call_once(label, Repeat::IfUnsent, attempt).await?;
    session.ui.result(&Node::from(node), |node, _| format!("{}\n", line(node)))?;
    Ok(Exit::Ok)
}

fn line(node: &Node) -> String {
    let power = match node.power_on {
        Some(true) => "on",
        Some(false) => "off",
        None => "unknown",
    };
    format!("{}: power is {power}", node.name)
}
