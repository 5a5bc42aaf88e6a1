//! Which queued leases start now, and on which nodes.
//!
//! Whole groups in strict order of arrival. A later group may start only if it uses no node that an earlier one could
//! use, so nothing that starts early can make an earlier group wait longer. An earlier group that the registered
//! machines can no longer make up (one was retired since) keeps nobody waiting.

use crate::catalogue::Image;
use crate::constraint::Grouping;
use crate::ids::LeaseId;
use crate::lease::{Assigned, Lease, Member};
use crate::node::Node;
use crate::request::{Request, Want, admits, can_hold, describe};
use crate::time::Timestamp;
use crate::world::World;
use std::collections::{BTreeMap, HashSet};

pub use crate::request::satisfiable;

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

/// Decides for the queued leases, as long as there are free nodes to decide about; those that are not mentioned wait as
/// before. `now` is for policies that look at the clock; this one does not.
#[must_use]
pub fn plan(world: &World, _now: Timestamp) -> Vec<Decision> {
    let mut decisions = Vec::new();
    // Nodes only ever become fewer here: what waits once waits again, and has reserved what it could use.
    let mut waiting: HashSet<(&[Member], &[Grouping])> = HashSet::new();
    let early = |id: &LeaseId| world.leases.get(*id).is_some_and(Lease::is_early);
    let mut queue = world.index().queue().filter(|id| !early(id)).peekable();
    if queue.peek().is_none() {
        return decisions;
    }
    let mut free = by_last_use(world, Node::is_free);
    for id in queue {
        if free.is_empty() {
            break;
        }
        let Some(lease) = world.leases.get(id).filter(|l| !waiting.contains(&asked(l))) else {
            continue;
        };
        let request = Request::new(world, &lease.spec);
        let usable: Vec<_> = free.iter().copied().filter(|n| request.could_use(n)).collect();
        if let Some(group) = request.fit(&usable) {
            free.retain(|n| !group.iter().any(|a| a.node == n.id));
            decisions.push(Decision::Start { lease: id, group });
        } else {
            let could_be_had =
                || Request::hopeful(world, &lease.spec).fit(&by_last_use(world, Node::in_service));
            let reserve = !usable.is_empty() && could_be_had().is_some();
            free.retain(|n| !(reserve && request.could_use(n)));
            waiting.insert(asked(lease));
            decisions.push(Decision::Wait { lease: id, reason: asks_for(lease) });
        }
    }
    decisions
}

/// What decides which machines a lease can have.
fn asked(lease: &Lease) -> (&[Member], &[Grouping]) {
    (&lease.spec.members, &lease.spec.groupings)
}

/// A free node that can take the place of `failed` in a group, and the image for it: the one that the group has, where
/// the architecture is the same. Nodes that queued leases could use are not spared: the group was there first.
#[must_use]
pub fn substitute(world: &World, lease: &Lease, failed: &Assigned) -> Option<Assigned> {
    let want = Want::new(world, lease.spec.members.get(failed.member)?);
    let image = world.images.get(failed.image);
    by_last_use(world, Node::is_free).into_iter().find_map(|node| {
        let usable = |i: &&Image| i.arch == node.spec.arch && want.suits(node) && can_hold(node, &i.content);
        if !admits(world, &lease.spec, lease.group(), failed, node) {
            return None;
        }
        let same = image.filter(usable).map(|image| image.id);
        let image = same.or_else(|| want.image_on(node))?;
        Some(Assigned { node: node.id, member: failed.member, image })
    })
}

/// What a queued lease waits for. Changes only with the lease itself, so that a queue that moves is not stored anew.
pub(crate) fn asks_for(lease: &Lease) -> String {
    let members = lease.spec.members.iter().map(describe);
    let asked: Vec<_> = members.chain(lease.spec.groupings.iter().map(ToString::to_string)).collect();
    format!("waits for {}{}", asked.join(", "), setback(lease))
}

/// What a queued lease waits for, with what its machines do now and how many leases come first.
pub(crate) fn why_waiting(world: &World, lease: &Lease) -> String {
    let request = Request::new(world, &lease.spec);
    let shortages: Vec<_> = request.members().iter().filter_map(|want| shortage(world, want)).collect();
    let ahead = match world.queue_position(lease) {
        None | Some(0) => String::new(),
        Some(ahead) => format!("{ahead} ahead in the queue; "),
    };
    if !shortages.is_empty() {
        format!("{ahead}waits for {}{}", shortages.join(", "), setback(lease))
    } else if ahead.is_empty() && !lease.spec.groupings.is_empty() {
        let asked: Vec<_> = lease.spec.groupings.iter().map(ToString::to_string).collect();
        format!("waits for free machines that together are as asked: {}{}", asked.join(", "), setback(lease))
    } else if ahead.is_empty() {
        format!("its roles compete for the same free machines{}", setback(lease))
    } else {
        format!("{ahead}the free machines are kept for those{}", setback(lease))
    }
}

fn shortage(world: &World, want: &Want<'_>) -> Option<String> {
    let usable = || world.nodes.values().filter(|n| n.in_service() && want.image_on(n).is_some());
    let free = usable().filter(|n| n.is_free()).count();
    if free >= want.member.count as usize {
        return None;
    }
    let mut busy = BTreeMap::<&str, usize>::new();
    for node in usable().filter(|n| !n.is_free()) {
        let word = if node.holds.is_empty() { node.state.name().as_str() } else { "held" };
        *busy.entry(word).or_default() += 1;
    }
    let busy: String = busy.iter().map(|(word, n)| format!(", {n} {word}")).collect();
    Some(format!("{}: {free} free{busy}", describe(want.member)))
}

fn setback(lease: &Lease) -> String {
    lease.setback.as_ref().map(|s| format!(" (back in the queue: {s})")).unwrap_or_default()
}

/// The nodes of this kind, the least recently used first.
fn by_last_use(world: &World, kind: impl Fn(&Node) -> bool) -> Vec<&Node> {
    let mut nodes: Vec<_> = world.nodes.values().filter(|n| kind(n)).collect();
    nodes.sort_by_key(|n| (n.since, n.id));
    nodes
}
