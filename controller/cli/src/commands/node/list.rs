//! `hostler node list`

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::node::Node;
use crate::render;
use crate::session::Session;
use crate::status::stream_ended;
use clap::Args;
use hostler_proto::node::v1::{self as pb, ListNodesRequest, WatchNodesRequest};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Status, Streaming};

const EXAMPLES: &str = "\
Examples:
  hostler node list
  hostler node list --pool fast --state failed
  hostler node list --watch                       # until Ctrl-C
  hostler node list --watch -o json | jq .state   # a line of JSON for each change";

/// As the controller says them.
const STATES: [&str; 8] =
    ["registered", "inspecting", "cleaning", "ready", "deploying", "leased", "failed", "retired"];

/// A terminal is redrawn no more often than this.
const REDRAW: Duration = Duration::from_millis(200);

/// Arguments of `hostler node list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Only the nodes of this pool
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// Only nodes in this state
    #[arg(long, value_name = "STATE", value_parser = STATES, ignore_case = true)]
    state: Option<String>,
    /// Go on and show each change
    #[arg(long, short)]
    watch: bool,
}

impl Arguments {
    fn selects(&self, node: &Node) -> bool {
        self.pool.as_ref().is_none_or(|pool| *pool == node.pool)
            && self.state.as_ref().is_none_or(|state| state.eq_ignore_ascii_case(&node.state))
    }
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let client = session.connect()?;
    if arguments.watch {
        return Watch { session, client: &client, arguments, nodes: BTreeMap::new(), is_stale: false }
            .run()
            .await;
    }
    let request = ListNodesRequest { pool: arguments.pool.clone().unwrap_or_default() };
    let response =
        client.call("list the nodes", async || client.nodes().list_nodes(request.clone()).await).await?;
    let mut nodes: Vec<Node> = response.nodes.into_iter().map(Node::from).collect();
    nodes.retain(|node| arguments.selects(node));
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    session.ui.result(&nodes[..], |nodes, look| render::node::list(nodes, clock::now_ms(), look))?;
    Ok(Exit::Ok)
}

struct Watch<'a> {
    session: &'a Session,
    client: &'a Client<'a>,
    arguments: Arguments,
    nodes: BTreeMap<String, Node>,
    /// The screen shows less than we know.
    is_stale: bool,
}

impl Watch<'_> {
    /// Goes on until interrupted or until an error is final.
    async fn run(mut self) -> Result<Exit, Error> {
        let mut attempts = self.client.persistent("watch the nodes");
        loop {
            let status = match self.client.nodes().watch_nodes(WatchNodesRequest {}).await {
                Ok(stream) => {
                    attempts.succeeded();
                    self.follow(stream.into_inner()).await?
                }
                Err(status) => status,
            };
            attempts.failed(status).await?;
        }
    }

    /// Shows what comes until the stream breaks, and says how it broke.
    async fn follow(&mut self, mut stream: Streaming<pb::Node>) -> Result<Status, Error> {
        let mut redraw = interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                message = stream.message() => match message {
                    Ok(Some(node)) => self.changed(node.into())?,
                    Ok(None) => return Ok(stream_ended()),
                    Err(status) => return Ok(status),
                },
                _ = redraw.tick(), if self.is_stale => self.draw(),
            }
        }
    }

    fn changed(&mut self, node: Node) -> Result<(), Error> {
        let ui = &self.session.ui;
        let is_selected = self.arguments.selects(&node);
        let before = if is_selected {
            self.nodes.insert(node.name.clone(), node.clone())
        } else {
            self.nodes.remove(&node.name)
        };
        // After a reconnect all nodes come again. One that left the selection is told a last time.
        if before.as_ref() == Some(&node) || (before.is_none() && !is_selected) {
            return Ok(());
        }
        if ui.is_json() {
            ui.json_line(&node)
        } else if ui.is_live() && ui.out.size.is_some() {
            self.is_stale = true;
            Ok(())
        } else if before.map(|before| render::node::line(&before)) == Some(render::node::line(&node)) {
            Ok(())
        } else {
            ui.print(&format!("{}\n", render::node::line(&node)))
        }
    }

    fn draw(&mut self) {
        let table = render::node::list(self.nodes.values(), clock::now_ms(), &self.session.ui.err);
        self.session.ui.draw(&table.lines().map(str::to_owned).collect::<Vec<_>>());
        self.is_stale = false;
    }
}
