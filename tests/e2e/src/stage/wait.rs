//! What a test waits for.

use super::{PATIENCE, Stage};
use anyhow::Context as _;
use hostler_fleet::machine::{SimMachine, Stage as MachineStage};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::timeout;

/// Nodes by name, as `hostler node list` shows them.
pub type Nodes = BTreeMap<String, Value>;

/// A node that may be leased.
#[must_use]
pub fn is_ready(node: &Value) -> bool {
    node["state"] == "ready" && !is_held(node)
}

/// A node that has a hold.
#[must_use]
pub fn is_held(node: &Value) -> bool {
    node["holds"].as_array().is_some_and(|holds| !holds.is_empty())
}

impl Stage {
    /// Follows all nodes until they are as wanted. The number of machines is known, so that nobody is forgotten.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn nodes_until(
        &self,
        what: &str,
        mut wanted: impl FnMut(&Nodes) -> bool,
    ) -> anyhow::Result<Nodes> {
        let mut nodes = Nodes::new();
        let mut watch = self.admin.follow("node list --watch")?;
        let seen = watch.until(what, |node| {
            nodes.insert(text(&node["name"]), node.clone());
            wanted(&nodes)
        });
        seen.await?;
        Ok(nodes)
    }

    /// Follows one node until it is as wanted.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn node_until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut watch = self.admin.follow("node list --watch")?;
        watch.until(&format!("{name} {what}"), |node| node["name"] == name && wanted(node)).await
    }

    /// Waits until every machine of the room is ready.
    ///
    /// # Errors
    /// If one does not become ready.
    pub async fn all_ready(&self) -> anyhow::Result<Nodes> {
        let machines = self.room().machines().len();
        self.nodes_until("all nodes ready", |nodes| nodes.len() == machines && nodes.values().all(is_ready))
            .await
    }

    /// The node as it is now.
    ///
    /// # Errors
    /// If there is none.
    pub async fn node(&self, name: &str) -> anyhow::Result<Value> {
        self.admin.json(&format!("node show {name}")).await
    }

    /// The first event that is as wanted, from the first of all on.
    ///
    /// # Errors
    /// If it does not come.
    pub async fn event(&self, what: &str, wanted: impl FnMut(&Value) -> bool) -> anyhow::Result<Value> {
        self.admin.follow("events --follow")?.until(what, wanted).await
    }

    /// The first event of this kind about this node.
    ///
    /// # Errors
    /// If it does not come.
    pub async fn event_of(&self, node: &str, kind: &str) -> anyhow::Result<Value> {
        let what = format!("an event {kind} of {node}");
        self.event(&what, |event| event["kind"] == kind && event["node"] == node).await
    }

    /// All events so far.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn events(&self) -> anyhow::Result<Vec<Value>> {
        self.admin.documents("events").await
    }

    /// Waits until a machine does something.
    ///
    /// # Errors
    /// If it does not.
    pub async fn stage_of(
        &self,
        machine: &SimMachine,
        wanted: impl FnMut(&MachineStage) -> bool,
    ) -> anyhow::Result<MachineStage> {
        let mut stage = machine.stage();
        let name = &machine.plan().name;
        let reached = timeout(PATIENCE, stage.wait_for(wanted)).await;
        let reached =
            reached.with_context(|| format!("{name} is {} all the time", *machine.stage().borrow()))?;
        Ok(reached.context("the machine is gone")?.clone())
    }
}

/// A JSON text.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
