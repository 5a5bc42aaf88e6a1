//! What was ordered, against what was done.

use super::Stage;
use super::witness::{OrderedBoot, Starts, check_grants, ordered_boots};
use anyhow::ensure;
use std::collections::BTreeSet;

/// Checks that no machine was started twice for one boot, that no boot was left out without a reason, and that no
/// node was granted twice. `kills` are the moments at which the controller was down, in milliseconds.
///
/// # Errors
/// What is wrong, or why that cannot be known.
pub fn check(stage: &Stage, starts: &Starts, kills: &[u64], firmware_ms: u64) -> anyhow::Result<()> {
    for (node, boots) in ordered_boots(&stage.database())? {
        check_starts(&node, &boots, &starts.of_machine(&node), kills)?;
        check_windows(&node, &boots, firmware_ms)?;
    }
    check_grants(&stage.database())?;
    Ok(())
}

/// Each start belongs to the last boot that was ordered before it.
fn check_starts(node: &str, boots: &[OrderedBoot], starts: &[u64], kills: &[u64]) -> anyhow::Result<()> {
    let first = boots.first().map_or(u64::MAX, |boot| boot.ordered_ms);
    ensure!(starts.iter().all(|at| *at >= first), "{node} was started before anything was ordered");
    for (number, boot) in boots.iter().enumerate() {
        let next = boots.get(number + 1);
        let until = next.map_or(u64::MAX, |next| next.ordered_ms);
        let during = |moment: &&u64| (boot.ordered_ms..until).contains(*moment);
        let started = starts.iter().filter(during).count();
        ensure!(started <= 1, "{node} was started {started} times for {boot:?}; {starts:?}");
        // An attempt that a kill cut short, or one that was not wanted any more.
        let excused = kills.iter().any(|kill| during(&kill)) || next.is_some_and(|next| next.rung == "First");
        ensure!(
            started == 1 || excused,
            "{node} was not started for {boot:?}; {starts:?}, killed at {kills:?}"
        );
    }
    Ok(())
}

/// A new attempt for want of a sign comes when the window of the last one is over, and not before.
fn check_windows(node: &str, boots: &[OrderedBoot], firmware_ms: u64) -> anyhow::Result<()> {
    for pair in boots.windows(2) {
        let for_want_of_a_sign =
            pair[1].because.as_ref().is_some_and(|why| why.contains("no sign of the machine's firmware"));
        let gap = pair[1].ordered_ms - pair[0].ordered_ms;
        ensure!(!for_want_of_a_sign || gap >= firmware_ms, "{node}: {gap} ms between {pair:?}");
    }
    Ok(())
}

/// Checks that no node is in two leases that are not closed, as anybody can see it.
///
/// # Errors
/// If one is, or nobody can see it.
pub async fn check_leases(stage: &Stage) -> anyhow::Result<()> {
    let mut taken = BTreeSet::new();
    for lease in stage.admin.json("lease list").await?.as_array().into_iter().flatten() {
        for node in lease["nodes"].as_array().into_iter().flatten() {
            ensure!(taken.insert(node["name"].to_string()), "{} is in two leases", node["name"]);
        }
    }
    Ok(())
}
