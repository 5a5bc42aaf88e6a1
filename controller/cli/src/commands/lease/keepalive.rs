//! `hostler lease keepalive`

use super::wait::ended;
use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::lease::{CloseReason, Lease, State};
use crate::render;
use crate::render::time::stamp;
use crate::session::Session;
use crate::status::stream_ended;
use clap::Args;
use hostler_proto::lease::v1::{self as pb, GetLeaseRequest};
use std::os::unix::process::parent_id;
use std::time::Duration;
use tokio::time::interval;
use tonic::{Status, Streaming};

const EXAMPLES: &str = "\
Examples:
  hostler lease keepalive 7 &          # in a job: for as long as its shell lives
  hostler lease keepalive 7 --for 2h   # and no longer than this

For leases that were requested with --keepalive. While it runs, the lease is kept alive; it ends when the process that
started it does, and the lease follows after the bound that it was requested with. `hostler lease request --wait`,
`hostler lease wait` and `hostler run` keep a lease alive as well while they run.
It says when a lease is about to give way to a more urgent one, as one that is --preemptible may have to.
Goes on by itself when the controller restarts. Ends with 0 when its parent is gone or the lease was given back.";

/// How often the parent is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// Arguments of `hostler lease keepalive`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The lease
    #[arg(value_name = "LEASE")]
    id: u32,
    /// End after this in any case
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    bound: Option<Duration>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let parent = parent_id();
    let client = session.connect()?;
    let bound = async {
        match arguments.bound {
            Some(bound) => tokio::time::sleep(bound).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        outcome = keep(session, &client, arguments.id) => outcome?,
        () = orphaned(parent) => {
            session.ui.notice(&format!("lease {} is not kept alive any more: the parent is gone", arguments.id));
        }
        () = bound => {}
    }
    Ok(Exit::Ok)
}

/// Until this process has another parent than `parent`.
async fn orphaned(parent: u32) {
    let mut look = interval(LOOK);
    while parent_id() == parent {
        look.tick().await;
    }
}

/// Keeps the lease alive, over any number of connections, until it is over.
async fn keep(session: &Session, client: &Client<'_>, id: u32) -> Result<(), Error> {
    let mut attempts = client.persistent(format!("keep lease {id} alive"));
    let request = GetLeaseRequest { id, keepalive: true };
    let mut gives_way = None;
    loop {
        let status = match client.leases().watch_lease(request).await {
            Ok(stream) => {
                attempts.succeeded();
                match follow(session, stream.into_inner(), &mut gives_way).await? {
                    Some(status) => status,
                    None => return Ok(()),
                }
            }
            Err(status) => status,
        };
        attempts.failed(status).await?;
    }
}

/// A job has until then to end its work, if it is told.
fn tell_of_preemption(session: &Session, told: &mut Option<u64>, lease: &Lease) {
    if lease.gives_way_ms == *told {
        return;
    }
    *told = lease.gives_way_ms;
    match (lease.gives_way_ms, lease.state) {
        (Some(at), _) => {
            let to = lease.gives_way_to.map(|to| format!(" to lease {to}")).unwrap_or_default();
            let text =
                format!("lease {} gives way{to} at {}, and goes back to the queue", lease.id, stamp(at));
            session.ui.warning(&text);
        }
        (None, State::Active) => session.ui.notice(&format!("lease {} does not give way any more", lease.id)),
        (None, _) => session.ui.warning(&format!("lease {} gave way, and is in the queue again", lease.id)),
    }
}

/// Follows one stream; returns why it broke, or none when the lease is over.
async fn follow(
    session: &Session,
    mut stream: Streaming<pb::Lease>,
    gives_way: &mut Option<u64>,
) -> Result<Option<Status>, Error> {
    let mut told = false;
    loop {
        let lease = match stream.message().await {
            Ok(Some(lease)) => Lease::from(lease),
            Ok(None) => return Ok(Some(stream_ended())),
            Err(status) => return Ok(Some(status)),
        };
        if session.ui.is_json() {
            session.ui.json_line(&lease)?;
        }
        if !told {
            session.ui.notice(&render::lease::headline(&lease, clock::now_ms(), &session.ui.err));
            if lease.keepalive_s.is_none() {
                session.ui.warning("it was requested without --keepalive: it does not end when this does");
            }
            told = true;
        }
        tell_of_preemption(session, gives_way, &lease);
        match (lease.state, lease.close_reason) {
            (State::Closing | State::Closed, Some(CloseReason::Released)) => return Ok(None),
            (State::Closing | State::Closed, reason) => {
                return Err(ended(&lease, reason.unwrap_or(CloseReason::Unknown)));
            }
            _ => {}
        }
    }
}
