//! `hostler pool set`

use crate::error::Error;
use crate::exit::Exit;
use crate::model::pool::Pool;
use crate::render;
use crate::session::Session;
use clap::{ArgGroup, Args};
use hostler_proto::node::v1::SetPoolRequest;

const EXAMPLES: &str = "\
Examples:
  hostler pool set default --max-booting 8 --max-booting-per-rack 4
  hostler pool set default --max-booting unlimited

A machine is starting from its power order until the agent of its ramdisk enrols. Those for which there is no room wait
their turn; `hostler node show` says so. What is not said stays as it is.";

/// Arguments of `hostler pool set`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("bounds").required(true).multiple(true).args(["max_booting", "max_booting_per_rack"]))]
pub(crate) struct Arguments {
    /// The pool; it need not have machines yet
    #[arg(value_name = "POOL")]
    name: String,
    /// How many of its machines may be starting at once
    #[arg(long, value_name = "N|unlimited", value_parser = bound)]
    max_booting: Option<u32>,
    /// How many of those of one rack
    #[arg(long, value_name = "N|unlimited", value_parser = bound)]
    max_booting_per_rack: Option<u32>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("set pool {}", arguments.name);
    let Arguments { name, max_booting, max_booting_per_rack } = arguments;
    let request = SetPoolRequest { name, max_booting, max_booting_per_rack };
    let pool = client.call(action, async || client.nodes().set_pool(request.clone()).await).await?;
    let pool = Pool::from(pool);
    if pool.machines == 0 {
        session.ui.notice(&format!(
            "no machine is in pool {} yet: the registration of a node names its pool",
            pool.name
        ));
    }
    session.ui.result(&pool, render::pool::show)?;
    Ok(Exit::Ok)
}

/// Zero stands for any number, and is not what somebody means who writes 0.
fn bound(text: &str) -> Result<u32, String> {
    match text.parse() {
        _ if text == "unlimited" => Ok(0),
        Ok(0) => Err("no machine would ever start; `unlimited` takes the bound away".to_owned()),
        Ok(bound) => Ok(bound),
        Err(_) => Err("expected a number of machines, or `unlimited`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_numbers_or_none() {
        for (text, expected) in [
            ("8", Ok(8)),
            ("unlimited", Ok(0)),
            ("0", Err("no machine would ever start; `unlimited` takes the bound away")),
            ("-1", Err("expected a number of machines, or `unlimited`")),
            ("many", Err("expected a number of machines, or `unlimited`")),
        ] {
            assert_eq!(bound(text), expected.map_err(str::to_owned), "{text}");
        }
    }
}
