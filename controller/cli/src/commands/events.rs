//! `hostler events`

use crate::client::Client;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::admin::Event;
use crate::render::look::{Look, Tone};
use crate::render::time::stamp;
use crate::session::Session;
use crate::status::stream_ended;
use clap::Args;
use hostler_proto::node::v1::{self as pb, ListEventsRequest};
use tonic::{Status, Streaming};

const EXAMPLES: &str = "\
Examples:
  hostler events --node r1-n01
  hostler events --lease 7 --limit 20
  hostler events --follow -o json | jq 'select(.severity == \"incident\")'

JSON is one line for each event.";

/// What the controller gives at once.
const PAGE: u32 = 1000;

/// Arguments of `hostler events`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Only what concerns this node
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// Only what concerns this lease
    #[arg(long, value_name = "LEASE")]
    lease: Option<u32>,
    /// Only events after the one with this number
    #[arg(long, value_name = "EVENT", default_value_t = 0)]
    after: u64,
    /// No more than this many
    #[arg(long, value_name = "N", conflicts_with = "follow", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Go on with what happens next, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let request = ListEventsRequest {
        after: arguments.after,
        limit: 0,
        node: arguments.node.unwrap_or_default(),
        lease_id: arguments.lease.unwrap_or_default(),
    };
    let reader = Reader { session, client: &client, request };
    if arguments.follow { reader.follow().await } else { reader.list(arguments.limit).await }
}

struct Reader<'a> {
    session: &'a Session,
    client: &'a Client<'a>,
    /// Its `after` is the last event that was shown.
    request: ListEventsRequest,
}

impl Reader<'_> {
    /// Page after page, up to `limit` events.
    async fn list(mut self, limit: Option<u32>) -> Result<Exit, Error> {
        let mut left = limit.unwrap_or(u32::MAX);
        while left > 0 {
            self.request.limit = left.min(PAGE);
            let attempt = async || self.client.nodes().list_events(self.request.clone()).await;
            let events = self.client.call("list the events", attempt).await?.events;
            if events.is_empty() {
                break;
            }
            left = left.saturating_sub(u32::try_from(events.len()).unwrap_or(u32::MAX));
            for event in events {
                self.show(event)?;
            }
        }
        Ok(Exit::Ok)
    }

    /// Goes on until interrupted or until an error is final.
    async fn follow(mut self) -> Result<Exit, Error> {
        let mut attempts = self.client.persistent("follow the events");
        loop {
            let status = match self.client.nodes().watch_events(self.request.clone()).await {
                Ok(stream) => {
                    attempts.succeeded();
                    self.read(stream.into_inner()).await?
                }
                Err(status) => status,
            };
            attempts.failed(status).await?;
        }
    }

    /// Shows what comes until the stream breaks, and says how it broke.
    async fn read(&mut self, mut stream: Streaming<pb::Event>) -> Result<Status, Error> {
        loop {
            match stream.message().await {
                Ok(Some(event)) => self.show(event)?,
                Ok(None) => return Ok(stream_ended()),
                Err(status) => return Ok(status),
            }
        }
    }

    fn show(&mut self, event: pb::Event) -> Result<(), Error> {
        // Numbers increase: one that does not was shown before the connection broke.
        if event.id <= self.request.after {
            return Ok(());
        }
        self.request.after = event.id;
        let event = Event::from(event);
        let ui = &self.session.ui;
        if ui.is_json() { ui.json_line(&event) } else { ui.print(&line(&event, &ui.out)) }
    }
}

fn line(event: &Event, look: &Look) -> String {
    let tone = match event.severity.as_str() {
        "incident" => Tone::Bad,
        "warning" => Tone::Warn,
        _ => Tone::Faint,
    };
    let node = event.node.as_ref().map(|node| format!(" {node}")).unwrap_or_default();
    let lease = event.lease_id.map(|lease| format!(" lease {lease}")).unwrap_or_default();
    let severity = look.paint(tone, &format!("{:<8}", event.severity));
    let time = look.paint(Tone::Faint, &stamp(event.at_ms));
    format!("{time} {severity} {}{node}{lease}: {}\n", event.kind, event.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_event() {
        let event = Event {
            id: 9,
            at_ms: 1_774_087_953_000,
            severity: "incident".to_owned(),
            kind: "token-refused".to_owned(),
            node: Some("r1-n01".to_owned()),
            lease_id: Some(7),
            message: "the token of boot 17 was used with another key".to_owned(),
        };
        insta::assert_snapshot!(line(&event, &Look::default()), @"2026-03-21 10:12:33Z incident token-refused r1-n01 lease 7: the token of boot 17 was used with another key");
        let plain = Event { node: None, lease_id: None, severity: "info".to_owned(), ..event };
        insta::assert_snapshot!(line(&plain, &Look::default()), @"2026-03-21 10:12:33Z info     token-refused: the token of boot 17 was used with another key");
    }
}
