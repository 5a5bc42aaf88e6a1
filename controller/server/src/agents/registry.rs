//! Which agents are connected, and when each was last heard. Heartbeats stay here: only edges become inputs.

use crate::controller::Controller;
use hostler_core::attempt::Stage;
use hostler_core::ids::{BootId, NodeId};
use hostler_core::input::{Input, Profile, Report};
use hostler_core::node::{Node, Presence};
use hostler_proto::node::v1::Health;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Sessions by node.
#[derive(Debug)]
pub(crate) struct Registry {
    agents: Mutex<HashMap<NodeId, Agent>>,
    started: Instant,
}

#[derive(Debug, Default)]
struct Agent {
    heard: Option<Instant>,
    health: Option<Health>,
    session: Option<Session>,
}

#[derive(Debug)]
struct Session {
    end: CancellationToken,
}

/// Ends the entry of a session when the session is dropped.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    registry: &'a Registry,
    node: NodeId,
    /// Cancelled when a newer session of the node begins.
    pub(crate) end: CancellationToken,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { agents: Mutex::default(), started: Instant::now() }
    }

    /// Begins a session. An older one of the same node ends.
    pub(crate) fn enter(&self, node: NodeId) -> Entered<'_> {
        let end = CancellationToken::new();
        self.with(|agents| {
            let agent = agents.entry(node).or_default();
            agent.heard = Some(Instant::now());
            if let Some(older) = agent.session.replace(Session { end: end.clone() }) {
                older.end.cancel();
            }
        });
        Entered { registry: self, node, end }
    }

    /// Notes a sign of life.
    pub(crate) fn heard(&self, node: NodeId, health: Option<Health>) {
        self.with(|agents| {
            let agent = agents.entry(node).or_default();
            agent.heard = Some(Instant::now());
            if health.is_some() {
                agent.health = health;
            }
        });
    }

    /// The last health that was reported.
    pub(crate) fn health(&self, node: NodeId) -> Option<Health> {
        self.with(|agents| agents.get(&node).and_then(|a| a.health))
    }

    /// Forgets what was heard of nodes that are gone.
    fn retain(&self, known: impl Fn(NodeId) -> bool) {
        self.with(|agents| agents.retain(|node, _| known(*node)));
    }

    /// For how long a node has not been heard. A new controller has heard nobody yet, and begins to count at its start.
    fn silence(&self, node: NodeId) -> Duration {
        self.with(|agents| agents.get(&node).and_then(|a| a.heard).unwrap_or(self.started).elapsed())
    }

    fn with<R>(&self, act: impl FnOnce(&mut HashMap<NodeId, Agent>) -> R) -> R {
        act(&mut self.agents.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.registry.with(|agents| {
            // A newer session has cancelled this one and taken its place.
            if !self.end.is_cancelled()
                && let Some(agent) = agents.get_mut(&self.node)
            {
                agent.session = None;
            }
        });
    }
}

/// Tells the core which agents have gone silent, until the controller stops.
pub(crate) async fn watch_silence(controller: Arc<Controller>) {
    let bound = Duration::from_millis(controller.config.timing.silence_ms);
    let mut beat = tokio::time::interval(bound / 4);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = controller.stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        let expected: Vec<_> = controller.published.read(|w| w.nodes.values().filter_map(expected).collect());
        for (node, boot, profile) in expected {
            if controller.registry.silence(node) > bound {
                let input = Input::Agent { node, boot, profile, report: Report::Lost };
                // A boot that has ended meanwhile is refused, as it should be.
                let _ = controller.submit(input).await;
            }
        }
        controller.published.read(|w| controller.registry.retain(|node| w.nodes.get(node).is_some()));
    }
}

/// The agent that should be heard, and that the core does not know to be silent.
fn expected(node: &Node) -> Option<(NodeId, BootId, Profile)> {
    let boot = node.state.boot()?;
    let profile = if boot.stage == Stage::Deployed { Profile::Tenant } else { Profile::Ramdisk };
    let expected = match node.agent {
        Presence::Heard => true,
        Presence::Absent => node.runs_deployed_system(),
        Presence::Silent { .. } => false,
    };
    expected.then_some((node.id, boot.id, profile))
}
