//! `hostler lease wait`

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::lease::{CloseReason, Lease, State};
use crate::render;
use crate::retry::Attempts;
use crate::session::Session;
use crate::status::stream_ended;
use crate::ui::Ui;
use clap::Args;
use hostler_proto::lease::v1::GetLeaseRequest;
use hostler_proto::lease::v1::{self as pb};
use std::time::Duration;
use tokio::time::{Instant, interval, interval_at, timeout};
use tonic::{Status, Streaming};

const EXAMPLES: &str = "\
Examples:
  hostler lease wait 7
  hostler lease wait 7 --timeout 45m
  hostler lease wait 7 -o json            # a line of JSON for each change

Goes on by itself when the controller restarts. Ends with 4 if the time is over, the request waited too long or the
lease expired, and with 5 if the machines failed.";

/// The times on a terminal are redrawn this often.
const REDRAW: Duration = Duration::from_secs(1);
/// Where nothing can be redrawn, a line is printed this often. CI systems end jobs that say nothing for ten minutes.
const REMINDER: Duration = Duration::from_secs(300);

/// Arguments of `hostler lease wait`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The lease
    #[arg(value_name = "LEASE")]
    id: u32,
    /// Wait no longer than this; the request stays as it is
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    let lease = until_active(session, &client, arguments.id, arguments.timeout, EachChange::Printed).await?;
    if !session.ui.is_json() {
        session.ui.print(&render::lease::show(&lease, clock::now_ms(), false, &session.ui.out))?;
    }
    Ok(Exit::Ok)
}

/// Whether each change goes to the standard output where results are JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EachChange {
    Printed,
    Silent,
}

/// Waits until the lease is active and all its machines are there, and shows how it gets there.
///
/// # Errors
/// [`Error::LeaseEnded`], [`Error::WaitedTooLong`], and those of the connection.
pub(crate) async fn until_active(
    session: &Session,
    client: &Client<'_>,
    id: u32,
    bound: Option<Duration>,
    each_change: EachChange,
) -> Result<Lease, Error> {
    session.if_interrupted([
        format!("hostler lease wait {id}     # wait on; the request keeps its place"),
        format!("hostler lease release {id}  # give it up"),
    ]);
    let attempts = client.persistent(format!("wait for lease {id}"));
    let watch = Watch { ui: &session.ui, client, id, each_change, attempts, last: None, verdict: &verdict };
    match bound {
        None => watch.run().await,
        Some(after) => timeout(after, watch.run()).await.unwrap_or(Err(Error::WaitedTooLong { id, after })),
    }
}

/// Waits until `verdict` has one, and shows how the lease gets there.
///
/// # Errors
/// What the verdict is, and those of the connection.
pub(super) async fn until(
    session: &Session,
    client: &Client<'_>,
    id: u32,
    verdict: &Verdict<'_>,
) -> Result<Lease, Error> {
    let attempts = client.persistent(format!("wait for lease {id}"));
    let each_change = EachChange::Silent;
    Watch { ui: &session.ui, client, id, each_change, attempts, last: None, verdict }.run().await
}

/// What a lease means to somebody who waits for it; `None` to wait on.
pub(super) type Verdict<'v> = dyn Fn(&Lease) -> Option<Result<(), Error>> + 'v;

/// What it means to somebody who waits for its machines.
fn verdict(lease: &Lease) -> Option<Result<(), Error>> {
    match lease.state {
        State::Active if lease.coming().next().is_none() => Some(Ok(())),
        _ => verdict_of_its_end(lease),
    }
}

/// What the end of a lease means to somebody who waits for something of it.
pub(super) fn verdict_of_its_end(lease: &Lease) -> Option<Result<(), Error>> {
    match (lease.state, lease.close_reason) {
        (State::Closing, Some(reason)) => Some(Err(ended(lease, reason))),
        (State::Closed, reason) => Some(Err(ended(lease, reason.unwrap_or(CloseReason::Unknown)))),
        _ => None,
    }
}

pub(super) fn ended(lease: &Lease, reason: CloseReason) -> Error {
    let because = lease.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    Error::LeaseEnded { id: lease.id, reason, why: format!("it {}{because}", reason.as_str()) }
}

/// How one connection ended.
enum End {
    /// The lease is active.
    There(Box<Lease>),
    Broken(Status),
}

struct Watch<'a> {
    ui: &'a Ui,
    client: &'a Client<'a>,
    id: u32,
    each_change: EachChange,
    attempts: Attempts<'a>,
    last: Option<Lease>,
    verdict: &'a Verdict<'a>,
}

impl Watch<'_> {
    async fn run(mut self) -> Result<Lease, Error> {
        let request = GetLeaseRequest { id: self.id, keepalive: true };
        loop {
            let status = match self.client.leases().watch_lease(request).await {
                Ok(stream) => match self.follow(stream.into_inner()).await? {
                    End::There(lease) => return Ok(*lease),
                    End::Broken(status) => status,
                },
                Err(status) => status,
            };
            self.attempts.failed(status).await?;
        }
    }

    /// Follows one stream until the lease is active or the stream breaks.
    async fn follow(&mut self, mut stream: Streaming<pb::Lease>) -> Result<End, Error> {
        let mut redraw = interval(REDRAW);
        let mut reminder = interval_at(Instant::now() + REMINDER, REMINDER);
        loop {
            let message = tokio::select! {
                message = stream.message() => message,
                _ = redraw.tick() => {
                    self.draw();
                    continue;
                }
                _ = reminder.tick() => {
                    self.remind();
                    continue;
                }
            };
            let lease = match message {
                Ok(Some(lease)) => Lease::from(lease),
                Ok(None) => return Ok(End::Broken(stream_ended())),
                Err(status) => return Ok(End::Broken(status)),
            };
            self.attempts.succeeded();
            self.changed(&lease)?;
            if let Some(verdict) = (self.verdict)(&lease) {
                self.ui.keep_live();
                return verdict.map(|()| End::There(Box::new(lease)));
            }
        }
    }

    fn changed(&mut self, lease: &Lease) -> Result<(), Error> {
        let is_news = self.last.as_ref() != Some(lease);
        if is_news && self.ui.is_json() && self.each_change == EachChange::Printed {
            self.ui.json_line(lease)?;
        } else if is_news && !self.ui.is_live() {
            for line in render::lease::changes(self.last.as_ref(), lease, clock::now_ms()) {
                self.ui.notice(&line);
            }
        }
        self.last = Some(lease.clone());
        self.draw();
        Ok(())
    }

    /// A sign of life for those who end a job that says nothing.
    fn remind(&self) {
        if let Some(lease) = self.last.as_ref().filter(|_| !self.ui.is_live()) {
            let line = render::lease::headline(lease, clock::now_ms(), &self.ui.err);
            self.ui.notice(&format!("still waiting: {line}"));
        }
    }

    fn draw(&self) {
        if let Some(lease) = self.last.as_ref().filter(|_| self.ui.is_live()) {
            self.ui.draw(&render::lease::progress(lease, clock::now_ms(), &self.ui.err));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(state: pb::LeaseState, reason: pb::CloseReason) -> Option<Exit> {
        let lease = pb::Lease { state: state.into(), close_reason: reason.into(), ..Default::default() };
        verdict(&lease.into()).map(|verdict| verdict.map_or_else(|error| error.exit(), |()| Exit::Ok))
    }

    #[test]
    fn how_a_wait_ends() {
        use pb::CloseReason::{
            Abandoned, Expired, Image, Infrastructure, Released, Unspecified, WaitedTooLong,
        };
        use pb::LeaseState::{Active, Closed, Closing, Deploying, Queued};
        let cases = [
            (Queued, Unspecified, None),
            (Deploying, Unspecified, None),
            (Active, Unspecified, Some(Exit::Ok)),
            (Closing, Unspecified, None),
            (Closing, Infrastructure, Some(Exit::Infrastructure)),
            (Closed, WaitedTooLong, Some(Exit::TimedOut)),
            (Closed, Expired, Some(Exit::TimedOut)),
            (Closed, Abandoned, Some(Exit::TimedOut)),
            (Closed, Released, Some(Exit::Refused)),
            (Closed, Image, Some(Exit::Refused)),
            (Closed, Infrastructure, Some(Exit::Infrastructure)),
            (Closed, Unspecified, Some(Exit::Infrastructure)),
        ];
        for (state, reason, expected) in cases {
            assert_eq!(exit(state, reason), expected, "{state:?} {reason:?}");
        }
    }
}
