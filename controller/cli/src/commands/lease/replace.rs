//! `hostler lease replace`

use super::wait::{until, verdict_of_its_end};
use crate::client::Client;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::lease::{Lease, Replacement, State};
use crate::render;
use crate::session::Session;
use clap::Args;
use hostler_proto::lease::v1::ReplaceMemberRequest;
use uuid::Uuid;

const EXAMPLES: &str = "\
Examples:
  hostler lease replace 7 r1-n02 --reason no-link-on-eth1 --wait
  hostler lease replace 7 r1-n02 --idempotency-key $JOB_ID    # the same key again replaces it once
  hostler lease replace 7 r1-n02 -o json | jq -r .substitute

The machine leaves the lease at once: what runs on it is lost, it is wiped, and proves itself before anybody gets it. Prints
the machine that takes its place; it can be used when it is deployed, which --wait waits for. The lease ends when it would
have. Ends with 3 if no machine can take the place now, and changes nothing then; with 5 if those that were tried
failed: the place is empty then, and may be asked for again by the same name.";

/// Arguments of `hostler lease replace`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The lease
    #[arg(value_name = "LEASE")]
    id: u32,
    /// The machine, or the one whose place is empty
    #[arg(value_name = "NODE")]
    node: String,
    /// What is wrong with it, for the administrators
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Wait until the other machine can be used
    #[arg(long, short)]
    wait: bool,
    /// Name of this replacement; a repeated one is the same replacement [default: a random one]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let Arguments { id, node, reason, wait, idempotency_key } = arguments;
    let idempotency_key = idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string());
    let request = ReplaceMemberRequest { idempotency_key, id, node: node.clone(), reason };
    let attempt = async || client.leases().replace_member(request.clone()).await;
    let action = format!("replace {node} of lease {id}");
    let mut replacement: Replacement = client.call(action, attempt).await?.into();
    if wait {
        session.ui.notice(render::lease::replacement(id, &node, &replacement).trim_end());
        replacement = until_there(session, &client, id, &node, replacement).await?;
    }
    session.ui.result(&replacement, |replacement, _| render::lease::replacement(id, &node, replacement))?;
    Ok(Exit::Ok)
}

/// Waits until a machine is there in the place of `node`: the substitute, or another one if that failed.
async fn until_there(
    session: &Session,
    client: &Client<'_>,
    id: u32,
    node: &str,
    replacement: Replacement,
) -> Result<Replacement, Error> {
    session.if_interrupted([format!("hostler lease wait {id}     # wait on for its machines")]);
    let first = &replacement.substitute;
    let verdict = |lease: &Lease| match (lease.state, heir(lease, node, first)) {
        (State::Active, Ok(heir)) => lease.coming().all(|n| n.name != heir).then_some(Ok(())),
        (State::Active, Err(error)) => Some(Err(error)),
        _ => verdict_of_its_end(lease),
    };
    let lease = until(session, client, id, &verdict).await?;
    let substitute = heir(&lease, node, first)?;
    Ok(Replacement { substitute, lease: Some(lease) })
}

/// The machine that has the place of `node` by now, after `first` had taken it.
fn heir(lease: &Lease, node: &str, first: &str) -> Result<String, Error> {
    let begin =
        lease.departures.iter().rposition(|d| d.node == node && d.successor.as_deref() == Some(first));
    let mut heir = first.to_owned();
    for departure in lease.departures.iter().skip(begin.map_or(0, |begin| begin + 1)) {
        if departure.node == heir {
            let missing =
                || Error::MemberMissing { id: lease.id, node: heir.clone(), why: departure.why.clone() };
            heir = departure.successor.clone().ok_or_else(missing)?;
        }
    }
    Ok(heir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_proto::lease::v1 as pb;

    /// Departures as "left>successor".
    fn lease(departures: &str) -> Lease {
        let departures = departures.split_whitespace().filter_map(|pair| pair.split_once('>'));
        let departures = departures.map(|(node, successor)| pb::Departure {
            node: node.to_owned(),
            successor: successor.to_owned(),
            ..Default::default()
        });
        pb::Lease { departures: departures.collect(), ..Default::default() }.into()
    }

    #[test]
    fn a_place_passes_from_machine_to_machine() {
        let of = |departures: &str| heir(&lease(departures), "a", "b").ok();
        let is = |name: &str| Some(name.to_owned());
        assert_eq!(of("a>b"), is("b"));
        assert_eq!(of("x>y a>b b>c y>z"), is("c"));
        assert_eq!(of("b>x a>b"), is("b"), "what it did before in another place is another story");
        assert_eq!(of("a>b b>c c>b b>d"), is("d"));
        assert_eq!(of("a>b b>"), None);
        assert_eq!(of(""), is("b"), "the lease gave way meanwhile and begins anew");
    }
}
