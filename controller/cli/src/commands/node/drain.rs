//! `hostler node drain`

use super::print_changed;
use crate::error::Error;
use crate::exit::Exit;
use crate::moment;
use crate::session::Session;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use hostler_proto::node::v1::DrainNodeRequest;

const EXAMPLES: &str = "\
Examples:
  hostler node drain r1-n01 --reason power-supply
  hostler node resume r1-n01                        # when it is done
  hostler node drain r1-n01 -r new-disks --from 2026-03-21T08:00 --back-at 2026-03-21T12:00
  hostler node drain r1-n01 -r new-rack --deadline 2026-03-21

A running lease is finished first, unless there is a deadline. Until the drain begins, leases get the node that give it
back by then. What it would break of what leases were promised is listed, and nothing is done (exit 3); --override does it
all the same.";

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
    /// When it begins, in UTC [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: Option<u64>,
    /// End leases then that would last longer
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    deadline: Option<u64>,
    /// When it ends by itself
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    back_at: Option<u64>,
    /// Even if it breaks what leases were promised
    #[arg(long = "override")]
    anyway: bool,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("drain node {}", arguments.name);
    let Arguments { name, reason, from, deadline, back_at, anyway } = arguments;
    let [from_ms, deadline_ms, back_at_ms] = [from, deadline, back_at].map(Option::unwrap_or_default);
    let request = DrainNodeRequest { name, reason, from_ms, deadline_ms, back_at_ms, r#override: anyway };
    let node = client.call(action, async || client.nodes().drain_node(request.clone()).await).await?;
    print_changed(session, node)
}
