//! `hostler node resume`

use super::print_changed;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::ResumeNodeRequest;

const EXAMPLES: &str = "\
Examples:
  hostler node resume r1-n01

Takes back the hold of `hostler node drain`. Quarantine is lifted by `hostler node repair`.";

/// Arguments of `hostler node resume`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The node
    #[arg(value_name = "NODE")]
    name: String,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("resume node {}", arguments.name);
    let request = ResumeNodeRequest { name: arguments.name };
    let node = client.call(action, async || client.nodes().resume_node(request.clone()).await).await?;
    print_changed(session, node)
}
