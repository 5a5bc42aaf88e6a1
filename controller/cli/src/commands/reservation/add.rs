//! `hostler reservation add`

use crate::commands::lease::request::seconds;
use crate::error::Error;
use crate::exit::Exit;
use crate::member;
use crate::model::reservation::Reservation;
use crate::moment;
use crate::render;
use crate::session::Session;
use crate::texts::{self, Texts};
use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args};
use hostler_proto::node::v1::ReserveRequest;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  hostler reservation add demo --tenant ci --node r1-n01,r1-n02 --from 2026-03-21T08:00 --for 4h
  hostler reservation add nightly --tenant ci --node r2-n01 --from 2026-03-21 --for 6h --every 1d
  hostler reservation add scale --tenant ci --for 1d '8 where cpu.cores >= 16' power=2:ppc64le
  hostler reservation add pair 2:aarch64 --together 'same switch' --tenant ci --for 4h

A MEMBER is written as for `hostler lease request`; it needs no image. Machines that can be spared are chosen at once, and
others come in place of those that fail or are drained. Named machines stay the same.

Only leases that say `--reservation NAME` get these machines then; others get them before if they give them back by then.
Deployment and cleaning are part of the time. What it would break of what leases were promised is listed, and nothing is
done (exit 3); --override does it all the same.";

/// Arguments of `hostler reservation add`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("machines").required(true).args(["nodes", "members"]))]
pub(crate) struct Arguments {
    /// What the tenant's leases call it
    #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// What its machines are like: [ROLE=]COUNT[..MOST][:ARCH[|ARCH]][,KEY=VALUE]...[ where CONSTRAINT]
    #[arg(value_name = "MEMBER")]
    members: Vec<String>,
    /// What they have in common or not: "same rack", "different switch of server"; may be repeated
    #[arg(long, value_name = "GROUPING", requires = "members")]
    together: Vec<String>,
    /// For whom
    #[arg(long, value_name = "TENANT")]
    tenant: String,
    /// A machine, instead of MEMBER; may be repeated
    #[arg(long = "node", value_name = "NODE", value_delimiter = ',')]
    nodes: Vec<String>,
    /// When it begins, in UTC [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: Option<u64>,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", value_parser = moment::span)]
    length: Duration,
    /// Again after so long
    #[arg(long, value_name = "DURATION", value_parser = moment::span)]
    every: Option<Duration>,
    /// Until when it comes back [default: until it is ended]
    #[arg(long, value_name = "TIME", value_parser = moment::parse, requires = "every")]
    until: Option<u64>,
    /// What for
    #[arg(long, short, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Even if it breaks what leases were promised
    #[arg(long = "override")]
    anyway: bool,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let action = format!("set machines aside as {}", arguments.name);
    let asked = member::parse_all(&arguments.members).map_err(Error::Input)?;
    let (members, groupings, texts) = Texts::of(asked, arguments.together.into_iter().map(texts::together));
    let request = ReserveRequest {
        tenant: arguments.tenant,
        name: arguments.name,
        nodes: arguments.nodes,
        from_ms: arguments.from.unwrap_or_default(),
        length_s: seconds(Some(arguments.length)),
        every_s: seconds(arguments.every),
        until_ms: arguments.until.unwrap_or_default(),
        reason: arguments.reason,
        r#override: arguments.anyway,
        members,
        groupings,
    };
    let answer = client.call(action, async || client.nodes().reserve(request.clone()).await).await;
    let made = Reservation::from(answer.map_err(|error| texts.locate(error))?);
    session.ui.result(&made, |made, look| render::reservation::table(std::slice::from_ref(made), look))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::Parser as _;

    #[test]
    fn machines_are_named_or_described() {
        let parse =
            |words: &str| Cli::try_parse_from(format!("hostler reservation add demo {words}").split(' '));
        for (words, right) in [
            ("--tenant ci --for 4h --node a,b", true),
            ("2:x86_64 power=1:ppc64le --tenant ci --for 4h --together", false),
            ("2:x86_64 power=1:ppc64le --tenant ci --for 4h", true),
            ("2:x86_64 --tenant ci --for 4h --node a", false),
            ("--tenant ci --for 4h", false),
        ] {
            assert_eq!(parse(words).is_ok(), right, "{words}");
        }
    }
}
