//! `hostler lease release`

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::lease::Lease;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::lease::v1::{GetLeaseRequest, ReleaseLeaseRequest};

const EXAMPLES: &str = "\
Examples:
  hostler lease release 7
  hostler lease release 7 8 9
  hostler lease release 7 --at-once    # also if it would be held for a run that failed

A lease that was requested with --on-failure hold is held when a run failed: it says so, and until when. Released again,
it is given back.";

/// Arguments of `hostler lease release`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The leases; one that is closed already is no error
    #[arg(value_name = "LEASE", required = true)]
    ids: Vec<u32>,
    /// Do not hold it for somebody to look at, even if a run failed
    #[arg(long)]
    at_once: bool,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let mut released = Vec::new();
    for id in arguments.ids {
        released.push(release(&client, id, arguments.at_once).await?);
    }
    session.ui.result(&released[..], |leases, look| {
        leases
            .iter()
            .map(|lease| format!("{}\n", render::lease::headline(lease, clock::now_ms(), look)))
            .collect()
    })?;
    Ok(Exit::Ok)
}

/// A release that begins a hold may have to be sent again, and shall not end it then. So a hold is ended only if it was
/// there before.
async fn release(client: &Client<'_>, id: u32, at_once: bool) -> Result<Lease, Error> {
    let action = format!("release lease {id}");
    let look = GetLeaseRequest { id, keepalive: false };
    let before = client.call(action.clone(), async || client.leases().get_lease(look).await).await?;
    let is_held = Lease::from(before).held_ms.is_some();
    let request = ReleaseLeaseRequest { id, at_once: at_once || is_held };
    Ok(client.call(action, async || client.leases().release_lease(request).await).await?.into())
}
