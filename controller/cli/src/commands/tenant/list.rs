//! `hostler tenant list`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::tenant::Tenant;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::ListTenantsRequest;

const EXAMPLES: &str = "\
Examples:
  hostler tenant list";

/// Arguments of `hostler tenant list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

pub(crate) async fn run(session: &Session, _: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let attempt = async || client.nodes().list_tenants(ListTenantsRequest {}).await;
    let response = client.call("list the tenants", attempt).await?;
    let tenants: Vec<Tenant> = response.tenants.into_iter().map(Tenant::from).collect();
    session.ui.result(&tenants[..], |tenants, look| render::tenant::list(tenants, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}
