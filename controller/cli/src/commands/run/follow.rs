//! Follows a run to its end, over any number of connections.

use super::output::Output;
use crate::client::Client;
use crate::error::Error;
use crate::follow::{Offset, Taken};
use crate::model::run::{Run, Task};
use crate::session::Session;
use crate::status::stream_ended;
use crate::text::clean;
use hostler_proto::lease::v1::run_event::Event;
use hostler_proto::lease::v1::{FollowRunRequest, GetRunRequest, OutputChunk, RunEvent};
use std::collections::BTreeMap;
use tonic::{Status, Streaming};

/// Reads output and states, and remembers how far it got.
pub(super) struct Follower<'a> {
    session: &'a Session,
    client: &'a Client<'a>,
    run: Run,
    output: Output<'a>,
    offsets: BTreeMap<String, Offset>,
    /// Node to the place of a gap that was seen once. If asking again does not fill it, the bytes are gone.
    gaps: BTreeMap<String, u64>,
}

/// How one connection ended.
enum End {
    /// The controller says that this is all.
    Complete,
    /// Bytes are missing: ask for them.
    Gap,
    Broken(Status),
}

impl<'a> Follower<'a> {
    pub(super) fn new(session: &'a Session, client: &'a Client<'a>, run: Run, output: Output<'a>) -> Self {
        Self { session, client, run, output, offsets: BTreeMap::new(), gaps: BTreeMap::new() }
    }

    /// Follows the run until every task is over and all output was shown, and gives its last state.
    ///
    /// # Errors
    /// Those of the connection and of writing.
    pub(super) async fn follow(mut self) -> Result<Run, Error> {
        let client = self.client;
        let mut attempts = client.persistent(format!("follow run {}", self.run.id));
        loop {
            let end = match client.leases().follow_run(self.request()).await {
                Ok(stream) => {
                    attempts.succeeded();
                    self.read(stream.into_inner()).await?
                }
                Err(status) => End::Broken(status),
            };
            match end {
                End::Complete if self.is_over() => match self.first_missing() {
                    Some((node, missing)) => {
                        self.give_up(&node, missing)?;
                    }
                    None => break,
                },
                End::Complete => attempts.failed(stream_ended()).await?,
                End::Broken(status) => attempts.failed(status).await?,
                End::Gap => {}
            }
        }
        for task in &self.run.tasks {
            self.output.finish(&task.node)?;
        }
        let request = GetRunRequest { id: self.run.id };
        let action = format!("show run {}", self.run.id);
        Ok(client.call(action, async || client.leases().get_run(request).await).await?.into())
    }

    fn request(&self) -> FollowRunRequest {
        let offsets = self.offsets.iter().map(|(node, offset)| (node.clone(), offset.reached())).collect();
        FollowRunRequest { id: self.run.id, offsets, keepalive: true }
    }

    async fn read(&mut self, mut stream: Streaming<RunEvent>) -> Result<End, Error> {
        loop {
            match stream.message().await {
                Ok(Some(RunEvent { event: Some(Event::Output(chunk)) })) => {
                    if !self.take(&chunk)? {
                        return Ok(End::Gap);
                    }
                }
                Ok(Some(RunEvent { event: Some(Event::Task(task)) })) => self.changed(task.into())?,
                // An event that a newer controller knows.
                Ok(Some(RunEvent { event: None })) => {}
                Ok(None) => return Ok(End::Complete),
                Err(status) => return Ok(End::Broken(status)),
            }
        }
    }

    /// Shows what is new of a chunk. False if bytes before it are missing and may still come.
    fn take(&mut self, chunk: &OutputChunk) -> Result<bool, Error> {
        let node = clean(&chunk.node);
        loop {
            match self.offsets.entry(node.clone()).or_default().take(chunk.offset, &chunk.data) {
                Taken::New(new) => {
                    self.output.write(&node, &new)?;
                    return Ok(true);
                }
                Taken::Gap(missing) => {
                    if !self.give_up(&node, missing)? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Bytes are missing. The first time they are asked for again (false), the second time they are given up (true).
    fn give_up(&mut self, node: &str, missing: u64) -> Result<bool, Error> {
        let place = self.reached(node);
        if self.gaps.insert(node.to_owned(), place) != Some(place) {
            return Ok(false);
        }
        self.output.finish(node)?;
        let warning = format!("{missing} bytes of the output of {node} were not kept by the controller");
        self.session.ui.warning(&warning);
        self.offsets.entry(node.to_owned()).or_default().skip(missing);
        Ok(true)
    }

    fn changed(&mut self, task: Task) -> Result<(), Error> {
        match self.run.tasks.iter_mut().find(|known| known.node == task.node) {
            Some(known) if *known == task => Ok(()),
            Some(known) => {
                let is_news = known.state != task.state;
                known.clone_from(&task);
                if is_news { self.output.task(&task) } else { Ok(()) }
            }
            None => {
                let news = self.output.task(&task);
                self.run.tasks.push(task);
                news
            }
        }
    }

    fn is_over(&self) -> bool {
        self.run.tasks.iter().all(|task| task.state.is_over())
    }

    /// A node whose output has not come to its end, and how much of it is missing.
    fn first_missing(&self) -> Option<(String, u64)> {
        self.run.tasks.iter().find_map(|task| {
            let missing = task.output_bytes.saturating_sub(self.reached(&task.node));
            (missing > 0).then(|| (task.node.clone(), missing))
        })
    }

    fn reached(&self, node: &str) -> u64 {
        self.offsets.get(node).copied().unwrap_or_default().reached()
    }
}
