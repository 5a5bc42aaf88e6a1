//! What people are told: what a lease waits for, and why a request can never be met.

use super::choice::by_last_use;
use crate::lease::{Lease, LeaseSpec, Member};
use crate::node::Node;
use crate::request::{Request, Want};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// Names of nodes in one sentence.
const NAMES_SHOWN: usize = 8;

/// Says why a request can never be satisfied, and what would be possible; `Ok` if it can. Holds are ignored, nodes
/// that are retired do not count.
///
/// # Errors
/// A text for people.
pub fn satisfiable(world: &World, spec: &LeaseSpec) -> Result<(), String> {
    let request = Request::new(world, spec);
    let nodes = by_last_use(world, Node::in_service);
    if request.fit(&nodes).is_some() {
        return Ok(());
    }
    for want in request.members() {
        let wanted = want.member.count as usize;
        let machines = nodes.iter().filter(|n| want.suits(n)).count();
        let usable = nodes.iter().filter(|n| want.image_on(n).is_some()).count();
        let imaged: Vec<_> = want.imaged().collect();
        let with_image = nodes.iter().filter(|n| want.suits(n) && imaged.contains(&n.spec.arch)).count();
        if with_image > usable && usable < wanted {
            let (needs, have) = want.needs();
            return Err(format!(
                "{}: image {:?} {needs}, and {usable} of such machines {have}",
                describe(want.member),
                want.member.image,
            ));
        }
        if machines > usable && usable < wanted {
            return Err(format!(
                "{} needs an image {:?} for the architecture of its machines; there is {}",
                describe(want.member),
                want.member.image,
                images_named(world, want)
            ));
        }
        if usable < wanted {
            let text = format!("can never be had: {usable} of such machines are registered");
            return Err(format!("{} {text}", describe(want.member)));
        }
    }
    Err("each role alone could be had, but not all of them at once: they ask for the same machines".into())
}

/// What a queued lease waits for. Changes only with the lease itself, so that a queue that moves is not stored anew.
pub(crate) fn asks_for(lease: &Lease) -> String {
    let members: Vec<_> = lease.spec.members.iter().map(describe).collect();
    format!("waits for {}{}", members.join(", "), setback(lease))
}

/// What a queued lease waits for, with what its machines do now and how many leases were asked for before it. Who asked
/// earlier does not always start earlier.
pub(crate) fn why_waiting(world: &World, lease: &Lease) -> String {
    let request = Request::new(world, &lease.spec);
    let shortages: Vec<_> = request.members().iter().filter_map(|want| shortage(world, want)).collect();
    let earlier = match world.queue_position(lease) {
        None | Some(0) => String::new(),
        Some(earlier) => format!("{earlier} asked earlier; "),
    };
    let free = by_last_use(world, Node::is_free);
    if !shortages.is_empty() {
        format!("{earlier}waits for {}{}", shortages.join(", "), setback(lease))
    } else if request.fit(&free).is_none() {
        format!("{earlier}its roles compete for the same free machines{}", setback(lease))
    } else {
        let kept = "the free machines are kept for leases that have waited longer";
        format!("{earlier}{kept}{}", setback(lease))
    }
}

fn shortage(world: &World, want: &Want<'_>) -> Option<String> {
    let usable = || world.nodes.values().filter(|n| n.in_service() && want.image_on(n).is_some());
    let free = usable().filter(|n| n.is_free()).count();
    if free >= want.member.count as usize {
        return None;
    }
    let mut busy = BTreeMap::<String, usize>::new();
    for node in usable().filter(|n| !n.is_free()) {
        *busy.entry(occupation(node)).or_default() += 1;
    }
    let busy: String = busy.iter().map(|(word, n)| format!(", {n} {word}")).collect();
    Some(format!("{}: {free} free{busy}", describe(want.member)))
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
    lease.setback.as_ref().map(|s| format!(" (back in the queue: {s})")).unwrap_or_default()
}

fn describe(member: &Member) -> String {
    let arch = member.arch.map_or("any architecture".to_owned(), |a| a.to_string());
    let pool = member.pool.as_ref().map(|p| format!(" in pool {p}")).unwrap_or_default();
    let names: Vec<_> = member.nodes.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let more = if member.nodes.len() > NAMES_SHOWN { " and others" } else { "" };
    let names = if names.is_empty() { String::new() } else { format!(" among {}{more}", names.join(", ")) };
    format!("{} x {arch}{pool}{names} for role {:?}", member.count, member.role)
}

fn images_named(world: &World, want: &Want<'_>) -> String {
    let arches: Vec<_> = want.imaged().map(|a| a.as_str()).collect();
    if !arches.is_empty() {
        return format!("one for {}", arches.join(", "));
    }
    let names: BTreeSet<_> = world.images.values().map(|i| i.name.as_str()).collect();
    if names.is_empty() {
        "no image at all: add one with `hostler image add`".into()
    } else {
        format!("none of that name; catalogued: {}", names.into_iter().collect::<Vec<_>>().join(", "))
    }
}
