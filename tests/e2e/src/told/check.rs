//! Whether everything that was told can be true.

use super::{Departure, Final, State, Times, Told, View, What};
use anyhow::{Context as _, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Nothing that was answered is lost, nothing is granted twice, nothing that ended comes back, the same key has the same
/// answer, and who reads a lease again does not read what was before.
///
/// # Errors
/// Which statements contradict each other.
pub fn check(told: &[Told], last: &Final) -> anyhow::Result<()> {
    same_key_same_answer(told)?;
    for statement in told {
        nothing_is_lost(statement, last).with_context(|| format!("in the end, after {statement:?}"))?;
    }
    let leases: BTreeSet<_> = views(told).map(|(_, view)| view.lease).collect();
    for lease in leases {
        reads_go_forward(told, lease)?;
    }
    nothing_is_granted_twice(told)?;
    nobody_had_the_same_machine(last)?;
    everything_is_accounted_for(last)
}

fn views(told: &[Told]) -> impl Iterator<Item = (&Told, &View)> {
    told.iter().filter_map(|told| match &told.what {
        What::Seen(view) => Some((told, view)),
        _ => None,
    })
}

fn same_key_same_answer(told: &[Told]) -> anyhow::Result<()> {
    let mut answers = BTreeMap::<(&str, String, &str), String>::new();
    for statement in told {
        let (kind, of, key, answer) = match &statement.what {
            What::Granted { tenant, key, lease } => ("request", tenant.clone(), key, lease.to_string()),
            What::Extended { lease, key, until_ms } => {
                ("extension", lease.to_string(), key, until_ms.to_string())
            }
            What::Replaced { lease, key, node, substitute } => {
                ("replacement", lease.to_string(), key, format!("{substitute} for {node}"))
            }
            What::Ran { lease, key, run, exit_codes } => {
                ("run", lease.to_string(), key, format!("{run}, which ended with {exit_codes:?}"))
            }
            What::Seen(_) | What::Released(_) => continue,
        };
        let known = answers.entry((kind, of, key.as_str())).or_insert_with(|| answer.clone());
        ensure!(*known == answer, "the {kind} with the key {key:?} was {known} and is {answer}");
    }
    Ok(())
}

/// What was answered is so in the end.
fn nothing_is_lost(told: &Told, last: &Final) -> anyhow::Result<()> {
    let find = |lease: &u32| last.leases.get(lease).with_context(|| format!("lease {lease} is gone"));
    match &told.what {
        What::Granted { lease, .. } => find(lease).map(drop),
        What::Seen(view) => keeps_its_moments(&view.times, &find(&view.lease)?.times),
        What::Extended { lease, until_ms, .. } => {
            let end = find(lease)?;
            let expired = end.close_reason.as_deref() == Some("expired");
            let until = if expired { end.times.ended } else { end.times.expires };
            ensure!(until.is_none_or(|until| until >= *until_ms), "it lasts until {until:?}");
            Ok(())
        }
        What::Replaced { lease, node, substitute, .. } => {
            let departures = &find(lease)?.departures;
            let is_this =
                |left: &Departure| left.node == *node && left.successor.as_ref() == Some(substitute);
            ensure!(departures.iter().any(is_this), "nothing is known of the replacement: {departures:?}");
            Ok(())
        }
        What::Released(lease) => {
            let end = find(lease)?;
            ensure!(end.state >= State::Closing, "it is {:?}", end.state);
            Ok(())
        }
        What::Ran { lease, .. } => find(lease).map(drop),
    }
}

/// What has happened once happened when it was told to have, and did not not happen.
fn keeps_its_moments(told: &Times, last: &Times) -> anyhow::Result<()> {
    for (what, told, last) in [
        ("active", told.active, last.active),
        ("ended", told.ended, last.ended),
        ("closed", told.closed, last.closed),
    ] {
        ensure!(told.is_none() || told == last, "it was {what} at {told:?}, and is said to be at {last:?}");
    }
    Ok(())
}

/// Whoever asks after an answer is told nothing that was before it. A group may be dissolved while it is deployed; what
/// is active only ends.
fn reads_go_forward(told: &[Told], lease: u32) -> anyhow::Result<()> {
    let reads: Vec<_> = views(told).filter(|(_, view)| view.lease == lease).collect();
    for (later, view) in &reads {
        for (earlier, before) in reads.iter().filter(|(earlier, _)| earlier.told_ms < later.asked_ms) {
            let forward = before.state < State::Active || view.state >= before.state;
            ensure!(forward, "lease {lease} comes back: {}", both(earlier, later));
        }
        for earlier in told.iter().filter(|earlier| earlier.told_ms < later.asked_ms) {
            knows_of(earlier, view).with_context(|| both(earlier, later))?;
        }
    }
    Ok(())
}

/// Who reads a lease reads what was answered about it before.
fn knows_of(earlier: &Told, view: &View) -> anyhow::Result<()> {
    match &earlier.what {
        What::Extended { lease, until_ms, .. } if *lease == view.lease => {
            let expires = view.times.expires;
            let is_known = view.state != State::Active || expires.is_none_or(|at| at >= *until_ms);
            ensure!(is_known, "lease {lease} does not know of its extension: it lasts until {expires:?}");
        }
        What::Replaced { lease, node, .. } if *lease == view.lease => {
            ensure!(!view.nodes.contains(node), "lease {lease} has {node} still, which was replaced");
        }
        What::Released(lease) if *lease == view.lease => {
            ensure!(view.state >= State::Closing, "lease {lease} was released and is {:?}", view.state);
        }
        _ => {}
    }
    Ok(())
}

/// A time for which it is certain that a lease had a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    lease: u32,
    from: u64,
    to: u64,
}

/// No machine was told to be in a lease while another certainly had it: between two answers in a row that both say so.
pub(super) fn nothing_is_granted_twice(told: &[Told]) -> anyhow::Result<()> {
    let nodes: BTreeSet<_> = views(told).flat_map(|(_, view)| &view.nodes).collect();
    for node in nodes {
        let certain = certainly_held(told, node);
        for (number, one) in certain.iter().enumerate() {
            let meets =
                |other: &&Held| other.lease != one.lease && one.from < other.to && other.from < one.to;
            if let Some(other) = certain[number + 1..].iter().find(meets) {
                anyhow::bail!("{node} was in two leases: {one:?} {other:?}");
            }
        }
        for (statement, view) in views(told).filter(|(_, view)| view.holds(node)) {
            let within = |held: &&Held| {
                held.lease != view.lease && held.from <= statement.asked_ms && statement.told_ms <= held.to
            };
            if let Some(held) = certain.iter().find(within) {
                anyhow::bail!("{node} was told to be in two leases: {held:?} {statement:?}");
            }
        }
    }
    Ok(())
}

fn certainly_held(told: &[Told], node: &str) -> Vec<Held> {
    let mut by_lease = BTreeMap::<u32, Vec<(&Told, &View)>>::new();
    for (statement, view) in views(told) {
        by_lease.entry(view.lease).or_default().push((statement, view));
    }
    let mut held = Vec::new();
    for (lease, mut reads) in by_lease {
        reads.sort_by_key(|(statement, _)| (statement.told_ms, statement.asked_ms));
        for pair in reads.windows(2) {
            let (from, to) = (pair[0].0.told_ms, pair[1].0.asked_ms);
            if from < to && pair.iter().all(|(_, view)| view.holds(node)) {
                held.push(Held { lease, from, to });
            }
        }
    }
    held
}

/// By the state at the end: when each lease had which machine, until it ended or the machine left.
fn nobody_had_the_same_machine(last: &Final) -> anyhow::Result<()> {
    let mut had = BTreeMap::<&str, Vec<Held>>::new();
    for (&lease, view) in &last.leases {
        let Times { assigned: Some(assigned), ended, .. } = view.times else { continue };
        let came = |node: &str| {
            let took_over = view.departures.iter().rfind(|left| left.successor.as_deref() == Some(node));
            took_over.map_or(assigned, |left| left.until)
        };
        for node in &view.nodes {
            let to = ended.unwrap_or(u64::MAX);
            had.entry(node).or_default().push(Held { lease, from: came(node), to });
        }
        for Departure { node, since, until, .. } in &view.departures {
            had.entry(node).or_default().push(Held { lease, from: *since, to: *until });
        }
    }
    for (node, mut times) in had {
        times.sort_by_key(|held| (held.from, held.to));
        for pair in times.windows(2) {
            ensure!(pair[0].to <= pair[1].from, "{node} was in two leases: {pair:?}");
        }
    }
    Ok(())
}

/// Every lease that had machines is in the account, with as many.
fn everything_is_accounted_for(last: &Final) -> anyhow::Result<()> {
    for (lease, view) in &last.leases {
        let machines = last.accounted.get(lease).with_context(|| format!("lease {lease} has no account"))?;
        let has = view.nodes.len();
        ensure!(*machines == has, "lease {lease} had {has} machines and is accounted with {machines}");
    }
    Ok(())
}

fn both(one: &impl Debug, other: &impl Debug) -> String {
    format!("{one:?} and then {other:?}")
}
