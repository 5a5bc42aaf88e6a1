//! `hostler lease release`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::lease::Lease;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::lease::v1::ReleaseLeaseRequest;

const EXAMPLES: &str = "\
Examples:
  hostler lease release 7
  hostler lease release 7 8 9";

/// Arguments of `hostler lease release`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The leases; one that is closed already is no error
    #[arg(value_name = "LEASE", required = true)]
    ids: Vec<u32>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let mut released = Vec::new();
    for id in arguments.ids {
        let action = format!("release lease {id}");
        let request = ReleaseLeaseRequest { id };
        let lease = client.call(action, async || client.leases().release_lease(request).await).await?;
        released.push(Lease::from(lease));
    }
    session.ui.result(&released[..], |leases, look| {
        leases
            .iter()
            .map(|lease| format!("{}\n", render::lease::headline(lease, clock::now_ms(), look)))
            .collect()
    })?;
    Ok(Exit::Ok)
}
