//! `hostler lease list`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::lease::Lease;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::lease::v1::ListLeasesRequest;

const EXAMPLES: &str = "\
Examples:
  hostler lease list
  hostler lease list --all --output json | jq '.[].id'";

/// Arguments of `hostler lease list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Also those that are closed
    #[arg(long, short)]
    all: bool,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let request = ListLeasesRequest { include_closed: arguments.all };
    let response =
        client.call("list the leases", async || client.leases().list_leases(request).await).await?;
    let leases: Vec<Lease> = response.leases.into_iter().map(Lease::from).collect();
    session.ui.result(&leases[..], |leases, look| render::lease::list(leases, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}
