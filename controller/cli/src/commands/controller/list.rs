//! `hostler controller list`

use crate::error::Error;
use crate::exit::Exit;
use crate::model::controller::{Controllers, Role};
use crate::render::look::{Look, Tone};
use crate::render::table::{Table, plain};
use crate::render::time::{age, span, stamp};
use crate::session::Session;
use clap::Args;
use hostler_proto::controller::v1::ListControllersRequest;
use std::fmt::Write as _;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  hostler controller list
  hostler controller list --output json | jq -r '.controllers[] | select(.role == \"leads\") | .name'";

/// Arguments of `hostler controller list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

pub(crate) async fn run(session: &Session, _: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let attempt = async || client.controllers().list_controllers(ListControllersRequest {}).await;
    let controllers = Controllers::from(client.call("list the controllers", attempt).await?);
    session.ui.result(&controllers, render)?;
    Ok(Exit::Ok)
}

fn render(controllers: &Controllers, look: &Look) -> String {
    let mut table = Table::new(look, &["NAME", "ROLE", "ADDRESS", "SEEN"]);
    for controller in &controllers.controllers {
        let role = match controller.role {
            Role::Leads => ("leads".to_owned(), Tone::Good),
            Role::StandsBy => plain("stands by"),
            Role::Away => ("away".to_owned(), Tone::Bad),
            Role::Unknown => plain("unknown"),
        };
        let seen = format!("{} ago", age(controller.seen_ms_ago, 0));
        table.row([plain(&controller.name), role, plain(&controller.address), plain(seen)]);
    }
    let mut text = table.render();
    let _ = write!(text, "\nepoch {}", controllers.epoch);
    if let Some(since) = controllers.leads_since_ms {
        let _ = write!(text, ", since {}", stamp(since));
    }
    if let Some(renewed) = controllers.renewed_ms_ago {
        let _ = write!(text, ", renewed {} ago", span(Duration::from_millis(renewed)));
    }
    if controllers.acts == Some(false) {
        text.push_str("; no machine is commanded before the leadership is certain");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::controller::Controller;

    fn controller(name: &str, role: Role, seen_ms_ago: u64) -> Controller {
        Controller { name: name.to_owned(), address: format!("https://{name}:7443"), role, seen_ms_ago }
    }

    #[test]
    fn three_controllers() {
        let controllers = Controllers {
            controllers: vec![
                controller("lab-a", Role::Leads, 400),
                controller("lab-b", Role::StandsBy, 900),
                controller("lab-c", Role::Away, 7_200_000),
            ],
            answered_by: "lab-b".to_owned(),
            epoch: 12,
            leads_since_ms: Some(1_774_087_953_000),
            renewed_ms_ago: Some(400),
            acts: None,
        };
        insta::assert_snapshot!(render(&controllers, &Look::default()), @r"
        NAME   ROLE       ADDRESS             SEEN
        lab-a  leads      https://lab-a:7443  0s ago
        lab-b  stands by  https://lab-b:7443  0s ago
        lab-c  away       https://lab-c:7443  2h ago

        epoch 12, since 2026-03-21 10:12:33Z, renewed 0.4s ago
        ");
    }

    #[test]
    fn one_that_is_alone_and_one_that_has_just_taken_over() {
        let alone = Controllers {
            controllers: vec![controller("lab", Role::Leads, 0)],
            answered_by: "lab".to_owned(),
            epoch: 3,
            leads_since_ms: None,
            renewed_ms_ago: None,
            acts: None,
        };
        insta::assert_snapshot!(render(&alone, &Look::default()), @r"
        NAME  ROLE   ADDRESS           SEEN
        lab   leads  https://lab:7443  0s ago

        epoch 3
        ");
        let new =
            Controllers { leads_since_ms: Some(1), renewed_ms_ago: Some(20), acts: Some(false), ..alone };
        insta::assert_snapshot!(render(&new, &Look::default()), @r"
        NAME  ROLE   ADDRESS           SEEN
        lab   leads  https://lab:7443  0s ago

        epoch 3, since 1970-01-01 00:00:00Z, renewed 0.0s ago; no machine is commanded before the leadership is certain
        ");
    }
}
