//! `hostler pool show`

use crate::error::Error;
use crate::exit::Exit;
use crate::model::pool::Pool;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::GetPoolRequest;

const EXAMPLES: &str = "\
Examples:
  hostler pool show default
  hostler node list --pool default                  # its machines";

/// Arguments of `hostler pool show`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The pool
    #[arg(value_name = "POOL")]
    name: String,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("show pool {}", arguments.name);
    let request = GetPoolRequest { name: arguments.name };
    let pool = client.call(action, async || client.nodes().get_pool(request.clone()).await).await?;
    session.ui.result(&Pool::from(pool), render::pool::show)?;
    Ok(Exit::Ok)
}
