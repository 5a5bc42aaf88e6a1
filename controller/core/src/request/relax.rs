//! What a request could do without, found by trying each single change.

use super::fit::Request;
use crate::hardware::Arch;
use crate::lease::{LeaseSpec, Member};
use crate::node::Node;
use crate::schedule::Outlook;
use crate::time::Timestamp;
use crate::world::World;
use std::cell::Cell;

/// Searches that one answer may cost.
const MAX_SEARCHES: usize = 128;

/// A change that would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relaxation {
    /// "without same rack".
    pub change: String,
    /// True if the free machines would make up the group; else some of those that are registered would.
    pub now: bool,
    /// When it would probably start then; none if that cannot be said.
    pub start: Option<Timestamp>,
}

/// What starts sooner by less than this is not worth a change, in milliseconds.
const WORTHWHILE_MS: u64 = 600_000;

/// A changed request, and what was changed.
type Trial = (LeaseSpec, String);

/// Where a changed request is tried.
struct Ground<'a> {
    world: &'a World,
    /// The machines that are free, or those that are registered.
    nodes: &'a [&'a Node],
    /// The free ones.
    now: bool,
    left: &'a Cell<usize>,
}

/// The single changes with which `spec` fits the `free` machines or, where it could `never` be had, those that are
/// registered; and those with which it starts sooner than `start`.
pub(super) fn relaxations(
    world: &World,
    spec: &LeaseSpec,
    free: &[&Node],
    never: bool,
    start: Option<Timestamp>,
    outlook: &mut Outlook<'_>,
) -> Vec<Relaxation> {
    let registered: Vec<_> = world.nodes.values().filter(|n| n.in_service()).collect();
    let left = &Cell::new(MAX_SEARCHES);
    let now = Ground { world, nodes: free, now: true, left };
    let later = Ground { world, nodes: &registered, now: false, left };
    let grounds = if never { vec![now, later] } else { vec![now] };
    let fitting = |(spec, change): Trial| {
        let ground = grounds.iter().find(|ground| ground.fits(&spec));
        let then = if never { None } else { outlook.start(&spec) };
        let sooner = || then.is_some_and(|then| start.is_none_or(|at| then.0 + WORTHWHILE_MS <= at.0));
        let helps = ground.is_some() || sooner();
        helps.then(|| Relaxation { change, now: ground.is_some_and(|ground| ground.now), start: then })
    };
    let fewer = |index: usize| {
        let fewer = |ground: &Ground<'_>| {
            Some(Relaxation { change: ground.fewer(spec, index)?, now: ground.now, start: None })
        };
        grounds.iter().find_map(fewer)
    };
    let mut found: Vec<_> = trials(spec).filter_map(fitting).collect();
    found.extend((0..spec.members.len()).filter_map(fewer));
    found.sort_by_key(|relaxation| (!relaxation.now, relaxation.start.filter(|_| !relaxation.now)));
    found
}

impl Ground<'_> {
    /// False also when there were too many searches.
    fn fits(&self, spec: &LeaseSpec) -> bool {
        let Some(left) = self.left.get().checked_sub(1) else { return false };
        self.left.set(left);
        let request =
            if self.now { Request::new(self.world, spec) } else { Request::hopeful(self.world, spec) };
        request.fit(self.nodes).is_some()
    }

    /// The largest smaller number of machines with which it fits. What fits with some fits with fewer.
    fn fewer(&self, spec: &LeaseSpec, index: usize) -> Option<String> {
        let member = &spec.members[index];
        let with = |count: u32| {
            let mut relaxed = spec.clone();
            relaxed.members[index].count = count;
            relaxed
        };
        let (mut possible, mut impossible) = (0, member.count);
        while impossible - possible > 1 {
            let middle = possible.midpoint(impossible);
            if self.fits(&with(middle)) {
                possible = middle;
            } else {
                impossible = middle;
            }
        }
        (possible > 0)
            .then(|| format!("with {possible} instead of {}{}", member.count, of_role(spec, member)))
    }
}

fn trials(spec: &LeaseSpec) -> impl Iterator<Item = Trial> {
    let without = |index: usize| {
        let mut relaxed = spec.clone();
        let grouping = relaxed.groupings.remove(index);
        (relaxed, format!("without {grouping}"))
    };
    let changed = move |index: usize| {
        let member = &spec.members[index];
        relaxed_members(member).into_iter().map(move |(change, words)| {
            let mut relaxed = spec.clone();
            relaxed.members[index] = change;
            (relaxed, words + &of_role(spec, member))
        })
    };
    (0..spec.groupings.len()).map(without).chain((0..spec.members.len()).flat_map(changed))
}

fn relaxed_members(member: &Member) -> Vec<(Member, String)> {
    let mut relaxed = Vec::new();
    if let Some(constraint) = &member.constraint {
        for (index, part) in constraint.conjuncts().iter().enumerate() {
            let constraint = constraint.without(index);
            relaxed.push((Member { constraint, ..member.clone() }, format!("without {part}")));
        }
    }
    if !member.arch.is_empty() {
        for arch in Arch::ALL.into_iter().filter(|arch| !member.arch.contains(arch)) {
            let mut arches = member.arch.clone();
            arches.insert(arch);
            relaxed
                .push((Member { arch: arches, ..member.clone() }, format!("with {arch} as an alternative")));
        }
    }
    if let Some(pool) = &member.pool {
        relaxed.push((Member { pool: None, ..member.clone() }, format!("outside of pool {pool}")));
    }
    if !member.nodes.is_empty() {
        let nodes = [].into();
        relaxed.push((Member { nodes, ..member.clone() }, "without the names of machines".to_owned()));
    }
    relaxed
}

/// Nothing where there is but one role.
fn of_role(spec: &LeaseSpec, member: &Member) -> String {
    if spec.members.len() > 1 { format!(" for role {:?}", member.role) } else { String::new() }
}
