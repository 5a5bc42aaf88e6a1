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
  hostler pool set default --warm 4 --idle-off 30m --max-powered 16
  hostler pool set default --warm 0 --idle-off never --refresh 24h
  hostler pool set default --ahead 3

A machine is starting from its power order until the agent of its ramdisk enrols. Those for which there is no room wait
their turn; `hostler node show` says so. A free machine is warm while its agent waits in the ramdisk: a lease begins there
without a boot. One that has its image written ahead, by what was leased of late, only has to be installed and started.
Unless something is said, free machines stay as they are. What is not said stays as it is.";

/// Arguments of `hostler pool set`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("settings").required(true).multiple(true).args([
    "max_booting", "max_booting_per_rack", "warm", "max_powered", "idle_off", "refresh", "ahead",
]))]
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
    /// How many free machines wait in their ramdisk at least; others are booted for that
    #[arg(long, value_name = "N")]
    warm: Option<u32>,
    /// How many free machines have power at most
    #[arg(long, value_name = "N|unlimited", value_parser = bound)]
    max_powered: Option<u32>,
    /// Power free machines off that nobody has used for so long, but for as many as are kept warm or were leased of late
    #[arg(long, value_name = "DURATION|never", value_parser = after)]
    idle_off: Option<u64>,
    /// Boot, inspect and wipe free machines anew that nobody has used for so long
    #[arg(long, value_name = "DURATION|never", value_parser = after)]
    refresh: Option<u64>,
    /// How many warm machines have an image written on their disk before anybody asks for it
    #[arg(long, value_name = "N|never", value_parser = ahead)]
    ahead: Option<u32>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("set pool {}", arguments.name);
    let Arguments { name, max_booting, max_booting_per_rack, warm, max_powered, idle_off, refresh, ahead } =
        arguments;
    let request = SetPoolRequest {
        name,
        max_booting,
        max_booting_per_rack,
        warm,
        max_powered,
        idle_off_ms: idle_off,
        refresh_ms: refresh,
        ahead,
    };
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
        Ok(0) => Err("at least 1; `unlimited` takes the bound away".to_owned()),
        Ok(bound) => Ok(bound),
        Err(_) => Err("expected a number of machines, or `unlimited`".to_owned()),
    }
}

/// Zero stands for never.
fn ahead(text: &str) -> Result<u32, String> {
    match text.parse() {
        _ if text == "never" => Ok(0),
        Ok(0) => Err("at least 1; `never` is the opposite".to_owned()),
        Ok(machines) => Ok(machines),
        Err(_) => Err("expected a number of machines, or `never`".to_owned()),
    }
}

/// Milliseconds. Zero stands for never, and is not what somebody means who writes 0s.
fn after(text: &str) -> Result<u64, String> {
    if text == "never" {
        return Ok(0);
    }
    let span =
        humantime::parse_duration(text).map_err(|e| format!("{e}; for example 30m, 24h or `never`"))?;
    match u64::try_from(span.as_millis()) {
        Ok(0) => Err("that is at once; `never` is the opposite".to_owned()),
        Ok(ms) => Ok(ms),
        Err(_) => Err("that is longer than anybody can wait".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spans_or_never() {
        assert_eq!((after("30m"), after("never")), (Ok(1_800_000), Ok(0)));
        assert!(after("0s").is_err_and(|e| e.contains("at once")));
        assert!(after("soon").is_err_and(|e| e.contains("for example 30m")));
    }

    #[test]
    fn images_are_written_ahead_on_some_or_never() {
        for (text, expected) in [
            ("4", Ok(4)),
            ("never", Ok(0)),
            ("0", Err("at least 1; `never` is the opposite")),
            ("-1", Err("expected a number of machines, or `never`")),
        ] {
            assert_eq!(ahead(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn bounds_are_numbers_or_none() {
        for (text, expected) in [
            ("8", Ok(8)),
            ("unlimited", Ok(0)),
            ("0", Err("at least 1; `unlimited` takes the bound away")),
            ("-1", Err("expected a number of machines, or `unlimited`")),
            ("many", Err("expected a number of machines, or `unlimited`")),
        ] {
            assert_eq!(bound(text), expected.map_err(str::to_owned), "{text}");
        }
    }
}
