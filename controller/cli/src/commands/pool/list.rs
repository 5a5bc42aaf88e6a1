//! `hostler pool list`

use crate::error::Error;
use crate::exit::Exit;
use crate::model::pool::Pool;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::ListPoolsRequest;

const EXAMPLES: &str = "\
Examples:
  hostler pool list
  hostler pool list -o json | jq '.[] | select(.waiting > 0)'";

/// Arguments of `hostler pool list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

pub(crate) async fn run(session: &Session, _: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let attempt = async || client.nodes().list_pools(ListPoolsRequest {}).await;
    let response = client.call("list the pools", attempt).await?;
    let pools: Vec<Pool> = response.pools.into_iter().map(Pool::from).collect();
    session.ui.result(&pools[..], render::pool::table)?;
    Ok(Exit::Ok)
}
