//! Requests that no machines could ever serve, and what there is instead.

use super::describe::describe;
use super::fit::Request;
use super::suspect::suspicion;
use super::want::Want;
use crate::constraint::{Comparison, Constraint, Grouping, Likeness, Operator};
use crate::lease::{LeaseSpec, Member};
use crate::node::Node;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// Values in one sentence.
const VALUES_SHOWN: usize = 8;

/// Says why a request can never be satisfied, and what would be possible; `Ok` if it can. Holds are ignored, nodes
/// that are retired do not count, and one that was never inspected may be as wanted.
///
/// # Errors
/// A text for people.
pub fn satisfiable(world: &World, spec: &LeaseSpec) -> Result<(), String> {
    possible(world, &spec.members, &spec.groupings)
}

/// The same by its parts.
pub(crate) fn possible(world: &World, members: &[Member], groupings: &[Grouping]) -> Result<(), String> {
    let request = Request::hopeful_of(world, members, groupings);
    let nodes: Vec<_> = world.nodes.values().filter(|n| n.in_service()).collect();
    match request.machines(&nodes) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(why_never(world, members, &request, &nodes)),
        Err(gave_up) => Err(gave_up.to_string()),
    }
}

fn why_never(world: &World, members: &[Member], request: &Request<'_>, nodes: &[&Node]) -> String {
    if let Some(reason) = request.members().iter().find_map(|want| why_not(world, want, nodes)) {
        return reason;
    }
    let is_possible = |groupings: &[Grouping]| {
        matches!(Request::hopeful_of(world, members, groupings).machines(nodes), Ok(Some(_)))
    };
    if !is_possible(&[]) {
        return "each role alone could be had, but not all of them at once: they ask for the same machines"
            .into();
    }
    match request.groupings().iter().find(|grouping| !is_possible(std::slice::from_ref(grouping))) {
        Some(grouping) => why_not_together(grouping, request, nodes),
        None => "what is asked of its machines together could be had one by one, but not all at once".into(),
    }
}

/// What one role lacks, whatever the others ask for.
fn why_not(world: &World, want: &Want<'_>, nodes: &[&Node]) -> Option<String> {
    let wanted = want.member.count as usize;
    let machines = nodes.iter().filter(|n| want.suits(n)).count();
    let usable = nodes.iter().filter(|n| want.takes(n)).count();
    if usable >= wanted {
        return None;
    }
    let described = describe(want.member);
    let imaged: Vec<_> = want.imaged().collect();
    let with_image = nodes.iter().filter(|n| want.suits(n) && imaged.contains(&n.spec.arch)).count();
    Some(if with_image > usable {
        let (needs, have) = want.needs();
        format!("{described}: image {:?} {needs}, and {usable} of such machines {have}", want.member.image)
    } else if let Some(suspicion) = suspicion(world, want).filter(|_| machines > usable) {
        format!("{described}: {suspicion}")
    } else if machines > usable {
        format!(
            "{described} needs an image {:?} for the architecture of its machines; there is {}",
            want.member.image,
            images_named(world, want)
        )
    } else {
        let lacking = want.member.constraint.as_ref().and_then(|c| lacking(want, c, nodes));
        let lacking = lacking.map(|text| format!("; {text}")).unwrap_or_default();
        format!("{described} can never be had: {usable} of such machines are registered{lacking}")
    })
}

/// The part of the constraint that the fewest machines satisfy, and what there is of it.
fn lacking(want: &Want<'_>, constraint: &Constraint, nodes: &[&Node]) -> Option<String> {
    let named: Vec<_> = nodes.iter().copied().filter(|node| want.is_named(node)).collect();
    let having = |part: &Constraint| named.iter().filter(|node| want.is_met(part, node)).count();
    let (having, part) =
        constraint.conjuncts().iter().map(|part| (having(part), part)).min_by_key(|(n, _)| *n)?;
    if having >= named.len() {
        return None;
    }
    let machines = if named.len() == nodes.len() { "machine" } else { "such machine" };
    let head = match having {
        0 => format!("no {machines} has {part}"),
        1 => format!("only 1 {machines} has {part}"),
        _ => format!("only {having} {machines}s have {part}"),
    };
    let there = match part {
        Constraint::Is(comparison) => format!("; {}", what_is_there(comparison, &named)),
        _ => String::new(),
    };
    Some(head + &there)
}

/// "the most is 8".
fn what_is_there(comparison: &Comparison, nodes: &[&Node]) -> String {
    let kind = comparison.attribute.kind();
    let mut values = BTreeSet::new();
    let mut untold = 0;
    for node in nodes {
        let is_all = comparison.attribute.look_at(node, &mut |fact| _ = values.insert(fact));
        untold += usize::from(!is_all);
    }
    let unknown = if untold == 0 { String::new() } else { format!("; of {untold} it is not known") };
    let text = match comparison.operator {
        Operator::AtLeast | Operator::Greater => {
            values.last().map(|v| format!("the most is {}", v.print(kind)))
        }
        Operator::AtMost | Operator::Less => {
            values.first().map(|v| format!("the least is {}", v.print(kind)))
        }
        _ => None,
    };
    let listed = || {
        let shown: Vec<_> = values.iter().take(VALUES_SHOWN).map(|v| v.print(kind)).collect();
        let more = if values.len() > VALUES_SHOWN { " and others" } else { "" };
        if shown.is_empty() {
            "none has any".to_owned()
        } else {
            format!("there is {}{more}", shown.join(", "))
        }
    };
    text.unwrap_or_else(listed) + &unknown
}

/// How many machines have the same, or how many values there are to differ in.
fn why_not_together(grouping: &Grouping, request: &Request<'_>, nodes: &[&Node]) -> String {
    let wants: Vec<_> = request.members().iter().filter(|w| grouping.concerns(&w.member.role)).collect();
    let wanted: u64 = wants.iter().map(|want| u64::from(want.member.count)).sum();
    let mut values = BTreeMap::new();
    let mut unknown = 0;
    for node in nodes.iter().filter(|node| wants.iter().any(|want| want.takes(node))) {
        match grouping.key(node) {
            Some(key) => *values.entry(key).or_insert(0_usize) += 1,
            None => unknown += 1,
        }
    }
    let attribute = &grouping.attribute;
    let there = match grouping.likeness {
        Likeness::Same => match values.iter().max_by_key(|(_, machines)| **machines) {
            Some((value, machines)) => {
                format!(
                    "the most of such machines that share one is {machines} ({})",
                    value.print(attribute.kind())
                )
            }
            None => format!("of no such machine is the {attribute} known"),
        },
        Likeness::Different => format!("such machines have {} of it", values.len()),
    };
    let unknown =
        if unknown == 0 { String::new() } else { format!("; of {unknown} machines it is not known") };
    format!("{grouping} can never be had for {wanted} machines: {there}{unknown}")
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
