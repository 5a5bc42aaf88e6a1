//! `hostler reservation end`

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::EndReservationRequest;
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  hostler reservation end nightly --tenant ci

Leases that wait for its machines end; those that have them go on.";

/// Arguments of `hostler reservation end`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The reservation
    #[arg(value_name = "NAME")]
    name: String,
    /// Whose
    #[arg(long, value_name = "TENANT")]
    tenant: String,
}

/// What was ended.
#[derive(Debug, Serialize)]
struct Ended {
    tenant: String,
    name: String,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let Arguments { name, tenant } = arguments;
    let request = EndReservationRequest { tenant: tenant.clone(), name: name.clone() };
    let attempt = async || client.nodes().end_reservation(request.clone()).await;
    client.call(format!("end reservation {name}"), attempt).await?;
    session.ui.result(&Ended { tenant, name }, |ended, _| {
        format!("reservation {} of tenant {} is ended\n", ended.name, ended.tenant)
    })?;
    Ok(Exit::Ok)
}
