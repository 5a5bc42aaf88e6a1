//! `hostler node drain`

use super::print_changed;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use hostler_proto::node::v1::DrainNodeRequest;

const EXAMPLES: &str = "\
Examples:
  hostler node drain r1-n01 --reason power-supply
  hostler node resume r1-n01                        # when it is done

A running lease is finished first.";

/// Arguments of `hostler node drain`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The node
    #[arg(value_name = "NODE")]
    name: String,
    /// Why; the next administrator wants to know
    #[arg(long, short, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("drain node {}", arguments.name);
    let request = DrainNodeRequest { name: arguments.name, reason: arguments.reason };
    let node = client.call(action, async || client.nodes().drain_node(request.clone()).await).await?;
    print_changed(session, node)
}
