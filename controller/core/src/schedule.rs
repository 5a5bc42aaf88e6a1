//! Which queued leases start now, and on which nodes.
//!
//! Whole groups in strict order of arrival. A later group may start only if it uses no node that an earlier one could
//! use, so nothing that starts early can make an earlier group wait longer.

use crate::hardware::Arch;
use crate::ids::{ImageId, LeaseId, NodeId};
use crate::lease::{Assigned, Lease, LeaseSpec, Member};
use crate::node::Node;
use crate::time::Timestamp;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// What to do with a queued lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Give it this whole group.
    Start {
        /// Which.
        lease: LeaseId,
        /// One node for each slot.
        group: Vec<Assigned>,
    },
    /// Leave it in the queue.
    Wait {
        /// Which.
        lease: LeaseId,
        /// What for, for people.
        reason: String,
    },
}

/// Decides for every queued lease. `now` is for policies that look at the clock; this one does not.
#[must_use]
pub fn plan(world: &World, _now: Timestamp) -> Vec<Decision> {
    let mut taken = BTreeSet::new();
    let mut ahead = 0_usize;
    let mut decisions = Vec::new();
    for lease in world.queue() {
        let free = |node: &Node| node.is_free() && !taken.contains(&node.id);
        if let Some(group) = fit(world, &lease.spec, free) {
            taken.extend(group.iter().map(|a| a.node));
            decisions.push(Decision::Start { lease: lease.id, group });
        } else {
            decisions
                .push(Decision::Wait { lease: lease.id, reason: why_waiting(world, lease, &taken, ahead) });
            taken.extend(could_use(world, &lease.spec));
            ahead += 1;
        }
    }
    decisions
}

/// A free node that can take the place of `failed` in a group, and the image for it. Nodes that queued leases could
/// use are not spared: the group was there first.
#[must_use]
pub fn substitute(world: &World, lease: &Lease, failed: &Assigned) -> Option<Assigned> {
    let member = lease.spec.members.get(failed.member)?;
    let mut candidates: Vec<_> = world.nodes.values().filter(|n| n.is_free()).collect();
    candidates.sort_by_key(|n| (n.since, n.id));
    candidates.into_iter().find_map(|node| {
        image_on(world, member, node).map(|image| Assigned { node: node.id, member: failed.member, image })
    })
}

/// Says why a request can never be satisfied, and what would be possible; `Ok` if it can. Holds are ignored, nodes
/// that are retired do not count.
///
/// # Errors
/// A text for people.
pub fn satisfiable(world: &World, spec: &LeaseSpec) -> Result<(), String> {
    if fit(world, spec, Node::in_service).is_some() {
        return Ok(());
    }
    for member in &spec.members {
        let machines = world.nodes.values().filter(|n| n.in_service() && is_machine_for(member, n)).count();
        let usable =
            world.nodes.values().filter(|n| n.in_service() && image_on(world, member, n).is_some()).count();
        let wanted = member.count as usize;
        if machines > usable && usable < wanted {
            return Err(format!(
                "{} needs an image {:?} for the architecture of its machines; there is {}",
                describe(member),
                member.image,
                images_named(world, &member.image)
            ));
        }
        if usable < wanted {
            return Err(format!(
                "{} can never be had: {usable} of such machines are registered",
                describe(member)
            ));
        }
    }
    Err("each role alone could be had, but not all of them at once: they ask for the same machines".into())
}

/// Matches slots to nodes that are `eligible`, least recently used first. Exact: if a group exists, one is found.
fn fit(world: &World, spec: &LeaseSpec, eligible: impl Fn(&Node) -> bool) -> Option<Vec<Assigned>> {
    let mut nodes: Vec<&Node> = world.nodes.values().filter(|n| eligible(n)).collect();
    nodes.sort_by_key(|n| (n.since, n.id));
    let choices: Vec<Vec<(usize, ImageId)>> = spec
        .members
        .iter()
        .map(|m| nodes.iter().enumerate().filter_map(|(i, n)| Some((i, image_on(world, m, n)?))).collect())
        .collect();
    let slots: Vec<usize> =
        spec.members.iter().enumerate().flat_map(|(i, m)| std::iter::repeat_n(i, m.count as usize)).collect();
    if slots.len() > nodes.len() {
        return None;
    }
    let mut matching = Matching { choices: &choices, slots: &slots, owner: vec![None; nodes.len()] };
    for slot in 0..slots.len() {
        if !matching.place(slot, &mut vec![false; nodes.len()]) {
            return None;
        }
    }
    let mut group: Vec<Assigned> = matching
        .owner
        .iter()
        .enumerate()
        .filter_map(|(i, slot)| {
            let member = slots[(*slot)?];
            let image = choices[member].iter().find(|(n, _)| *n == i)?.1;
            Some(Assigned { node: nodes[i].id, member, image })
        })
        .collect();
    group.sort_by_key(|a| (a.member, a.node));
    Some(group)
}

/// Bipartite matching by augmenting paths.
struct Matching<'a> {
    /// For each member: nodes that satisfy it.
    choices: &'a [Vec<(usize, ImageId)>],
    /// For each slot: its member.
    slots: &'a [usize],
    /// For each node: the slot that has it.
    owner: Vec<Option<usize>>,
}

impl Matching<'_> {
    fn place(&mut self, slot: usize, visited: &mut Vec<bool>) -> bool {
        let choices = self.choices;
        for &(node, _) in &choices[self.slots[slot]] {
            if std::mem::replace(&mut visited[node], true) {
                continue;
            }
            if self.owner[node].is_none_or(|other| self.place(other, visited)) {
                self.owner[node] = Some(slot);
                return true;
            }
        }
        false
    }
}

fn is_machine_for(member: &Member, node: &Node) -> bool {
    member.arch.is_none_or(|a| a == node.spec.arch)
        && member.pool.as_ref().is_none_or(|p| *p == node.spec.pool)
        && (member.nodes.is_empty() || member.nodes.contains(&node.spec.name))
}

fn image_on(world: &World, member: &Member, node: &Node) -> Option<ImageId> {
    is_machine_for(member, node)
        .then(|| world.image_for(&member.image, node.spec.arch))
        .flatten()
        .map(|i| i.id)
}

/// Every node in service that some member of the request could be given, now or later.
fn could_use<'a>(world: &'a World, spec: &'a LeaseSpec) -> impl Iterator<Item = NodeId> + 'a {
    let usable = |n: &Node| n.in_service() && spec.members.iter().any(|m| image_on(world, m, n).is_some());
    world.nodes.values().filter(move |n| usable(n)).map(|n| n.id)
}

fn why_waiting(world: &World, lease: &Lease, taken: &BTreeSet<NodeId>, ahead: usize) -> String {
    let mut shortages = Vec::new();
    for member in &lease.spec.members {
        let matching =
            || world.nodes.values().filter(|n| n.in_service() && image_on(world, member, n).is_some());
        let free = matching().filter(|n| n.is_free() && !taken.contains(&n.id)).count();
        if free < member.count as usize {
            let states = count_by(
                matching()
                    .filter(|n| !n.is_free())
                    .map(|n| if n.holds.is_empty() { n.state.name().as_str() } else { "held" }),
            );
            shortages.push(format!("{}: {free} free{states}", describe(member)));
        }
    }
    if shortages.is_empty() {
        shortages.push("its roles compete for the same free machines".into());
    }
    let queue = if ahead > 0 { format!("{ahead} ahead in the queue; ") } else { String::new() };
    let setback = lease.setback.as_ref().map(|s| format!(" (back in the queue: {s})")).unwrap_or_default();
    format!("{queue}waits for {}{setback}", shortages.join(", "))
}

fn count_by<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts.iter().map(|(word, n)| format!(", {n} {word}")).collect()
}

fn describe(member: &Member) -> String {
    let arch = member.arch.map_or("any architecture".to_owned(), |a| a.to_string());
    let pool = member.pool.as_ref().map(|p| format!(" in pool {p}")).unwrap_or_default();
    let names: Vec<_> = member.nodes.iter().map(String::as_str).collect();
    let names = if names.is_empty() { String::new() } else { format!(" among {}", names.join(", ")) };
    format!("{} x {arch}{pool}{names} for role {:?}", member.count, member.role)
}

fn images_named(world: &World, name: &str) -> String {
    let arches: BTreeSet<Arch> =
        Arch::ALL.into_iter().filter(|arch| world.image_for(name, *arch).is_some()).collect();
    if !arches.is_empty() {
        let arches: Vec<_> = arches.iter().map(|a| a.as_str()).collect();
        return format!("one for {}", arches.join(", "));
    }
    let names: BTreeSet<_> = world.images.values().map(|i| i.name.as_str()).collect();
    if names.is_empty() {
        "no image at all: add one with `hostler image add`".into()
    } else {
        format!("none of that name; catalogued: {}", names.into_iter().collect::<Vec<_>>().join(", "))
    }
}
