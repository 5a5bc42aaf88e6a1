//! `hostler lease extend`

use super::request::seconds;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::lease::Extension;
use crate::moment;
use crate::render;
use crate::session::Session;
use clap::{ArgGroup, Args};
use hostler_proto::lease::v1::ExtendLeaseRequest;
use hostler_proto::lease::v1::extend_lease_request::Wanted;
use std::time::Duration;
use uuid::Uuid;

const EXAMPLES: &str = "\
Examples:
  hostler lease extend 7 --by 30m
  hostler lease extend 7 --until 2026-03-21T18:00Z
  hostler lease extend 7 --by 2h --idempotency-key $JOB_ID    # the same key again extends it once

Prints the new end. It may be less than was asked for; then it says why. A lease lasts 30 days at most.
Ends with 3 if the lease is not active.";

/// Arguments of `hostler lease extend`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group(ArgGroup::new("wanted").required(true)))]
pub(crate) struct Arguments {
    /// The lease
    #[arg(value_name = "LEASE")]
    id: u32,
    /// So much longer than it lasts now
    #[arg(long, value_name = "DURATION", value_parser = moment::span, group = "wanted")]
    by: Option<Duration>,
    /// Until this moment, in UTC
    #[arg(long, value_name = "TIME", value_parser = moment::parse, group = "wanted")]
    until: Option<u64>,
    /// Name of this extension; a repeated one is the same extension [default: a random one]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let id = arguments.id;
    let wanted = match arguments.until {
        Some(until) => Wanted::UntilMs(until),
        None => Wanted::ByS(seconds(arguments.by)),
    };
    let idempotency_key = arguments.idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string());
    let request = ExtendLeaseRequest { idempotency_key, id, wanted: Some(wanted) };
    let attempt = async || client.leases().extend_lease(request.clone()).await;
    let extension: Extension = client.call(format!("extend lease {id}"), attempt).await?.into();
    if let Some(note) = &extension.note {
        session.ui.warning(note);
    }
    session.ui.result(&extension, |extension, _| render::lease::extension(id, extension))?;
    Ok(Exit::Ok)
}
