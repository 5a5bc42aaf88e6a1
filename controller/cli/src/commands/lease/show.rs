//! `hostler lease show`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::lease::Lease;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::lease::v1::GetLeaseRequest;

const EXAMPLES: &str = "\
Examples:
  hostler lease show 7                               # ends with a bar of where its time went
  hostler lease show 7 --phases                      # where the time of the deployment went
  hostler lease show 7 --known-hosts > known_hosts   # then: ssh -o UserKnownHostsFile=known_hosts root@ADDRESS
  hostler lease show 7 -o json | jq -r '.nodes[].address'";

/// Arguments of `hostler lease show`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The lease
    #[arg(value_name = "LEASE")]
    id: u32,
    /// Show where the time went, for each node
    #[arg(long)]
    phases: bool,
    /// Print the ssh host keys of the deployed systems as a known_hosts file, and nothing else
    #[arg(long, conflicts_with = "phases")]
    known_hosts: bool,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let request = GetLeaseRequest { id: arguments.id, keepalive: false };
    let action = format!("show lease {}", arguments.id);
    let lease: Lease = client.call(action, async || client.leases().get_lease(request).await).await?.into();
    let render = |lease: &Lease, look: &_| match arguments.known_hosts {
        true => render::lease::known_hosts(lease),
        false => render::lease::show(lease, clock::now_ms(), arguments.phases, look),
    };
    session.ui.result(&lease, render)?;
    Ok(Exit::Ok)
}
