//! `hostler tenant show`

use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::tenant::Tenant;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::GetTenantRequest;

const EXAMPLES: &str = "\
Examples:
  hostler tenant show           # yourself
  hostler tenant show ci
  hostler tenant show ci -o json | jq .usage";

/// Arguments of `hostler tenant show`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The tenant; administrators see all of them, tenants themselves [default: yourself]
    #[arg(value_name = "TENANT")]
    name: Option<String>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let request = GetTenantRequest { name: arguments.name.unwrap_or_default() };
    let attempt = async || client.nodes().get_tenant(request.clone()).await;
    let tenant = Tenant::from(client.call("show the tenant", attempt).await?);
    session.ui.result(&tenant, |tenant, look| render::tenant::show(tenant, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}
