//! A lab at a glance.

use crate::bmc;
use crate::console::last_line;
use crate::lab::Lab;
use std::fmt::Write as _;

/// A table of the machines: power, BMC, what the controller thinks, and the last line of the console.
#[must_use]
pub fn table(lab: &Lab) -> String {
    const WIDEST: usize = 70;
    let nodes = lab.hostler_json("--retry-for 2s node list").unwrap_or_default();
    let state = |name: &str| {
        let all = nodes.get("nodes").unwrap_or(&nodes).as_array()?;
        let node = all.iter().find(|node| node["name"] == name)?;
        Some(node["state"].as_str()?.to_owned())
    };
    let mut text =
        format!("lab {}: hostlerd {}\n", lab.name(), if lab.has_hostlerd() { "runs" } else { "is down" });
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:<12}{:<7}{:<6}{:<12}console", "machine", "power", "bmc", "node");
    for machine in lab.machines() {
        let name = machine.name();
        let console = machine.console();
        let line: String = last_line(&console).chars().take(WIDEST).collect();
        let (power, bmc) = (machine.process().is_some(), bmc::process(machine).is_some());
        let word = |on| if on { "on" } else { "off" };
        let state = state(name).unwrap_or_else(|| "?".to_owned());
        let _ = writeln!(text, "{name:<12}{:<7}{:<6}{state:<12}{line}", word(power), word(bmc));
    }
    text
}
