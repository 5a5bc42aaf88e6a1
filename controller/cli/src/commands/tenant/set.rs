//! `hostler tenant set`

use super::super::lease::request::seconds;
use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::member;
use crate::model::tenant::Tenant;
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::{MachineLimit, NodeHours, SetTenantRequest};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  hostler tenant set ci --share 2 --priority gate
  hostler tenant set ci --max-nodes 32 --max-nodes ppc64le=4 --node-hours 500/7d
  hostler tenant set ci --max-duration 12h --max-extension 6h --max-hold 4h
  hostler tenant set ci --max-nodes none --max-nodes ppc64le=none    # lifts limits

What is not named stays as it is. docs/scheduling.md says what each of them does.";

/// Arguments of `hostler tenant set`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[group(id = "settings", multiple = true)]
pub(crate) struct Arguments {
    /// The tenant
    #[arg(value_name = "TENANT")]
    name: String,
    #[command(flatten)]
    settings: Settings,
}

/// What is set. At least one thing is.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Settings {
    /// Its weight beside others: with twice the share it is owed twice the machine time
    #[arg(long, value_name = "N")]
    share: Option<u32>,
    /// The most urgent priority that it may ask for
    #[arg(long, value_name = "PRIORITY", value_parser = PRIORITIES)]
    priority: Option<String>,
    /// Machines at once, of all architectures or of one; may be repeated
    #[arg(long, value_name = "[ARCH=]N|none", value_parser = machines)]
    max_nodes: Vec<MachineLimit>,
    /// Machine time for each window, such as 500/7d
    #[arg(long, value_name = "HOURS/WINDOW|none", value_parser = node_hours)]
    node_hours: Option<NodeHours>,
    /// The longest duration of a lease
    #[arg(long, value_name = "DURATION|none", value_parser = bound)]
    max_duration: Option<u64>,
    /// How much longer a lease may last by all its extensions together
    #[arg(long, value_name = "DURATION|none", value_parser = bound)]
    max_extension: Option<u64>,
    /// The longest time that machines are held after a run failed
    #[arg(long, value_name = "DURATION|none", value_parser = bound)]
    max_hold: Option<u64>,
}

/// From the least urgent to the most.
pub(crate) const PRIORITIES: [&str; 4] = ["batch", "gate", "interactive", "admin"];

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("set tenant {}", arguments.name);
    let request = arguments.request();
    let tenant = client.call(action, async || client.nodes().set_tenant(request.clone()).await).await?;
    let tenant = Tenant::from(tenant);
    session.ui.result(&tenant, |tenant, look| render::tenant::show(tenant, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}

impl Arguments {
    fn request(self) -> SetTenantRequest {
        let settings = self.settings;
        SetTenantRequest {
            name: self.name,
            share: settings.share,
            priority: settings.priority,
            max_machines: settings.max_nodes,
            node_hours: settings.node_hours,
            max_duration_s: settings.max_duration,
            max_extension_s: settings.max_extension,
            max_hold_s: settings.max_hold,
        }
    }
}

/// "32", "ppc64le=4", "none", "ppc64le=none".
fn machines(text: &str) -> Result<MachineLimit, String> {
    let (arch, most) = text.split_once('=').unwrap_or(("", text));
    if !arch.is_empty() && !member::ARCHITECTURES.contains(&arch) {
        return Err(format!(
            "there is no architecture {arch:?}; there is {}",
            member::ARCHITECTURES.join(", ")
        ));
    }
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is neither a number nor none"));
    let most = if most == "none" { None } else { Some(number(most)?) };
    Ok(MachineLimit { arch: arch.to_owned(), most })
}

/// "500/7d", "none".
fn node_hours(text: &str) -> Result<NodeHours, String> {
    const HOUR_MS: u64 = 3_600_000;
    if text == "none" {
        return Ok(NodeHours::default());
    }
    let expected = || "write hours and window, such as 500/7d, or none".to_owned();
    let (hours, window) = text.split_once('/').ok_or_else(expected)?;
    let hours: u64 = hours.parse().map_err(|_| expected())?;
    let window = humantime::parse_duration(window).map_err(|problem| format!("{problem}; {}", expected()))?;
    let node_ms = hours.checked_mul(HOUR_MS).filter(|ms| *ms > 0).ok_or_else(expected)?;
    Ok(NodeHours { node_ms, window_s: seconds(Some(window)) })
}

/// "12h" in seconds, 0 for "none". Nothing is no bound: what takes no time is not worth asking for.
fn bound(text: &str) -> Result<u64, String> {
    if text == "none" {
        return Ok(0);
    }
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("write more than nothing, or none".to_owned()),
        Ok(duration) => Ok(seconds(Some(duration))),
        Err(problem) => Err(format!("{problem}; write a duration such as 12h, or none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let limit = |arch: &str, most| Ok(MachineLimit { arch: arch.to_owned(), most });
        assert_eq!(machines("32"), limit("", Some(32)));
        assert_eq!(machines("ppc64le=4"), limit("ppc64le", Some(4)));
        assert_eq!(machines("none"), limit("", None));
        assert_eq!(machines("x86_64=none"), limit("x86_64", None));
        assert_eq!(node_hours("500/7d"), Ok(NodeHours { node_ms: 1_800_000_000, window_s: 604_800 }));
        assert_eq!(node_hours("none"), Ok(NodeHours::default()));
        assert_eq!((bound("12h"), bound("none")), (Ok(43_200), Ok(0)));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let wrong = [
            machines("many").unwrap_err(),
            machines("sparc=1").unwrap_err(),
            node_hours("500").unwrap_err(),
            node_hours("0/7d").unwrap_err(),
            node_hours("5/soon").unwrap_err(),
            bound("soon").unwrap_err(),
            bound("0s").unwrap_err(),
        ];
        insta::assert_snapshot!(wrong.join("\n"), @r#"
        "many" is neither a number nor none
        there is no architecture "sparc"; there is x86_64, aarch64, ppc64le
        write hours and window, such as 500/7d, or none
        write hours and window, such as 500/7d, or none
        expected number at 0; write hours and window, such as 500/7d, or none
        expected number at 0; write a duration such as 12h, or none
        write more than nothing, or none
        "#);
    }
}
