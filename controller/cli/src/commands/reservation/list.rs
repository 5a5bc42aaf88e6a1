//! `hostler reservation list`

use crate::error::Error;
use crate::exit::Exit;
use crate::model::reservation::Reservation;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::ListReservationsRequest;

const EXAMPLES: &str = "\
Examples:
  hostler reservation list
  hostler reservation list --tenant ci -o json | jq '.[].nodes'";

/// Arguments of `hostler reservation list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Only those of this tenant; tenants see their own
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let request = ListReservationsRequest { tenant: arguments.tenant.unwrap_or_default() };
    let attempt = async || client.nodes().list_reservations(request.clone()).await;
    let found = client.call("list reservations", attempt).await?;
    let found: Vec<_> = found.reservations.into_iter().map(Reservation::from).collect();
    session.ui.result(&found, |found, look| render::reservation::table(found, look))?;
    Ok(Exit::Ok)
}
