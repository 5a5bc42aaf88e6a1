//! `hostler node retire`

use super::super::confirm::confirm;
use super::print_changed;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::RetireNodeRequest;

const EXAMPLES: &str = "\
Examples:
  hostler node retire r1-n01
  hostler node retire r1-n01 --yes    # without a question";

/// Arguments of `hostler node retire`.
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
    let question = format!("This takes {name} out of service for good.");
    confirm(session, &question, &name, arguments.yes).await?;
    let action = format!("retire node {name}");
    let request = RetireNodeRequest { name };
    let node = client.call(action, async || client.nodes().retire_node(request.clone()).await).await?;
    print_changed(session, node)
}
