//! Where the time went: per machine and phase, over everything that was asked of it.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Columns, in the order in which they happen.
const PHASES: [&str; 9] = ["power", "dhcp", "tftp", "http", "agent", "wipe", "image", "deployed", "payload"];

/// Milliseconds by machine and phase.
#[derive(Default)]
pub(super) struct Phases(BTreeMap<String, BTreeMap<String, u64>>);

impl Phases {
    /// Adds the present boots of all nodes.
    pub(super) fn add_nodes(&mut self, nodes: &Value) {
        for node in nodes.as_array().into_iter().flatten() {
            self.add(node);
        }
    }

    /// Adds the present boots of those that were leased.
    pub(super) fn add_leased_nodes(&mut self, nodes: &Value, leased: &[(String, String)]) {
        for node in nodes.as_array().into_iter().flatten() {
            if leased.iter().any(|(name, _)| node["name"] == *name) {
                self.add(node);
            }
        }
    }

    /// Adds what the nodes of a lease spent on it.
    pub(super) fn add_lease(&mut self, lease: &Value) {
        self.add_nodes(&lease["nodes"]);
    }

    fn add(&mut self, node: &Value) {
        let machine = self.0.entry(node["name"].as_str().unwrap_or_default().to_owned()).or_default();
        for phase in node["phases"].as_array().into_iter().flatten() {
            let name = match phase["phase"].as_str().unwrap_or_default() {
                // A moment of the agent's work that deserves no column.
                "inspect" => "agent",
                name => name,
            };
            if let (Some(start), Some(end)) = (phase["start_ms"].as_u64(), phase["end_ms"].as_u64()) {
                *machine.entry(name.to_owned()).or_default() += end.saturating_sub(start);
            }
        }
    }

    /// Seconds, a row for each machine.
    pub(super) fn table(&self) -> String {
        let mut text = String::from("where the time went, in seconds\n  machine ");
        for phase in PHASES {
            let _ = write!(text, "{phase:>9}");
        }
        text.push_str("      all\n");
        for (machine, phases) in &self.0 {
            let _ = write!(text, "  {machine:<8}");
            for phase in PHASES {
                let _ = match phases.get(phase) {
                    Some(ms) => write!(text, "{:>9.2}", seconds(*ms)),
                    None => write!(text, "{:>9}", "-"),
                };
            }
            let _ = writeln!(text, "{:>9.2}", seconds(phases.values().sum()));
        }
        text
    }

    /// The median of each phase over the machines that had it, in milliseconds.
    pub(super) fn json(&self) -> Value {
        let mut medians = serde_json::Map::new();
        for phase in PHASES {
            let mut times: Vec<_> = self.0.values().filter_map(|m| m.get(phase)).copied().collect();
            times.sort_unstable();
            if let Some(median) = times.get(times.len() / 2) {
                medians.insert(format!("{phase}_ms"), json!(median));
            }
        }
        Value::Object(medians)
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
