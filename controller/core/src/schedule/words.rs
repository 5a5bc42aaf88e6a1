//! What people are told of a lease that waits.

use crate::calendar::Stay;
use crate::lease::{Assigned, Lease};
use crate::node::Node;
use crate::request::{Request, Want, admits, describe, suspicion};
use crate::tenancy::{self, Count, Demand};
use crate::world::World;
use std::collections::BTreeMap;

/// What a queued lease waits for. Changes only with the lease itself, so that a queue that moves is not stored anew.
pub(crate) fn asks_for(lease: &Lease) -> String {
    let members = lease.spec.members.iter().map(describe);
    let asked: Vec<_> = members.chain(lease.spec.groupings.iter().map(ToString::to_string)).collect();
    format!("waits for {}{}", asked.join(", "), setback(lease))
}

/// What a queued lease waits for, with what its machines do now and how many leases were asked for before it. Who asked
/// earlier does not always start earlier.
pub(crate) fn why_waiting(world: &World, lease: &Lease) -> String {
    let demand = Demand::of(&lease.spec);
    if let Some(bar) = why_barred(world, lease, demand.surely, demand.node_ms) {
        return format!("{bar}{}", setback(lease));
    }
    let request = Request::new(world, &lease.spec);
    let stay = stay(world, lease);
    let shortages: Vec<_> =
        request.members().iter().filter_map(|want| shortage(world, want, &stay)).collect();
    let earlier = match world.queue_position(lease) {
        None | Some(0) => String::new(),
        Some(earlier) => format!("{earlier} asked earlier; "),
    };
    let free = world.in_order_of_choice(|node| stay.finds_free(node));
    if !shortages.is_empty() {
        format!("{earlier}waits for {}{}", shortages.join(", "), setback(lease))
    } else if request.fit(&free).is_none() && !lease.spec.groupings.is_empty() {
        let asked: Vec<_> = lease.spec.groupings.iter().map(ToString::to_string).collect();
        let asked = asked.join(", ");
        format!("{earlier}waits for free machines that together are as asked: {asked}{}", setback(lease))
    } else if request.fit(&free).is_none() {
        format!("{earlier}its roles compete for the same free machines{}", setback(lease))
    } else if let Some(bar) = why_barred(world, lease, demand.at_worst, demand.node_ms) {
        format!("{bar}{}", setback(lease))
    } else {
        let kept = "the free machines are kept for leases that have waited longer";
        format!("{earlier}{kept}{}", setback(lease))
    }
}

/// What the quota of its tenant says to a lease that nothing was promised, if it keeps it waiting.
fn why_barred(world: &World, lease: &Lease, wanted: Count, node_ms: u64) -> Option<String> {
    if lease.promise.is_some() {
        return None;
    }
    tenancy::bar(world, lease.tenant, world.meta.planned, wanted, node_ms)
}

/// For as long as it has its machines if it begins now, or has them already.
pub(super) fn stay(world: &World, lease: &Lease) -> Stay {
    let own = lease.course.reservation;
    match lease.gives_back() {
        Some(end) => Stay::lasting(world, own, end),
        None => Stay::beginning(world, own, lease.spec.duration_ms),
    }
}

fn shortage(world: &World, want: &Want<'_>, stay: &Stay) -> Option<String> {
    let usable =
        || world.nodes.values().filter(|n| n.in_service() && stay.concerns(n) && want.image_on(n).is_some());
    let free = usable().filter(|node| stay.finds_free(node)).count();
    if free >= want.member.count as usize {
        return None;
    }
    if let Some(suspicion) = suspicion(world, want) {
        return Some(format!("{}: {suspicion}", describe(want.member)));
    }
    Some(format!("{}: {free} free{}", describe(want.member), busy(usable(), stay)))
}

/// Why no machine can take a place in a group, for people.
pub(super) fn none_for(world: &World, lease: &Lease, had: &Assigned) -> String {
    let Some(member) = lease.spec.members.get(had.member) else { return "there is no such role".into() };
    let want = Want::new(world, member);
    if let Some(suspicion) = suspicion(world, &want) {
        return format!("no machine can take its place: {suspicion}");
    }
    let is_other = |n: &&Node| lease.group().iter().all(|a| a.node != n.id) && n.id != had.node;
    let stay = stay(world, lease);
    let usable =
        || world.nodes.values().filter(|n| n.in_service() && stay.concerns(n) && want.image_on(n).is_some());
    let others = || usable().filter(is_other);
    let free: Vec<_> = others().filter(|n| stay.finds_free(n)).collect();
    let unwanted = free.iter().filter(|n| lease.course.was_broken(n.id)).count();
    let apart = free.iter().filter(|n| !admits(world, &lease.spec, lease.group(), had, n)).count();
    let because = if free.is_empty() {
        ""
    } else if unwanted == free.len() {
        ", given back as broken before"
    } else if unwanted + apart >= free.len() {
        ", not as asked together with the rest of the group"
    } else {
        ", of architectures for which the quota has no room"
    };
    let machines = match others().count() {
        0 => "there is no other that suits".to_owned(),
        all => format!("of {all} others that suit, {} free{because}{}", free.len(), busy(others(), &stay)),
    };
    format!("no machine can take its place now: {machines}")
}

/// ", 2 leased, 1 cleaning": what those do that are not free.
fn busy<'a>(nodes: impl Iterator<Item = &'a Node>, stay: &Stay) -> String {
    let mut busy = BTreeMap::<String, usize>::new();
    for node in nodes.filter(|node| !stay.finds_free(node)) {
        *busy.entry(stay.bar(node).unwrap_or_else(|| occupation(node))).or_default() += 1;
    }
    busy.iter().map(|(word, n)| format!(", {n} {word}")).collect()
}

/// What a machine does that is not free: its state, or why it is held.
fn occupation(node: &Node) -> String {
    let holds: Vec<_> = node.holds.keys().map(|kind| kind.as_str()).collect();
    if holds.is_empty() {
        node.state.name().as_str().to_owned()
    } else {
        format!("held ({})", holds.join(", "))
    }
}

fn setback(lease: &Lease) -> String {
    let gave_way = || lease.course.interruptions.last().map(|i| format!("it gave way to lease {}", i.to));
    let why = lease.setback.clone().or_else(gave_way);
    why.map(|why| format!(" (back in the queue: {why})")).unwrap_or_default()
}
