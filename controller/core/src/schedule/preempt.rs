//! Who gives way to whom.
//!
//! Only what was asked for as preemptible gives way, and only to a lease of a more urgent band that starts with the machines
//! of those who do and would not start by then without. Whether it does is not guessed: the pass that would be is made.

use super::scene::Scene;
use super::scheduler::{Scheduler, Standing, Waiting};
use super::shape::Class;
use crate::ids::LeaseId;
use crate::lease::{Lease, LeaseState};
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeSet;

/// A lease that gave way does not do so again for this long, in milliseconds: else one might never get anything done.
const RESPITE_MS: u64 = 24 * 3_600_000;

/// For so many of those who wait it is found out whether it helps. Each trial is a whole pass.
const MOST_TRIALS: usize = 16;

/// Some leases give way to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preemption {
    pub(crate) to: LeaseId,
    pub(crate) victims: Vec<LeaseId>,
}

/// One that could give way.
#[derive(Clone, Debug)]
struct Victim<'w> {
    lease: &'w Lease,
    /// Its machines, with their classes, as far as they can be had by those who wait.
    machines: Vec<(u32, Class)>,
    /// When they are free again, in milliseconds.
    free_at: u64,
}

/// The next lease to which others give way, if there is one. Of those that are alike only the first is looked at.
pub(crate) fn preemption(scene: &mut Scene, world: &World, now: Timestamp) -> Option<Preemption> {
    if world.index().preemptible().len() == 0 {
        return None;
    }
    scene.tell_tenants(world, now);
    let scheduler = &scene.scheduler;
    let victims = victims(scene, world, now);
    let mut looked_at = BTreeSet::new();
    let waiting = scheduler.all_in_order(now.0).into_iter().filter(|waiting| !waiting.claims);
    let leases = waiting.filter_map(|waiting| Some((waiting, world.leases.get(LeaseId(waiting.id))?)));
    let first = leases.filter(|(waiting, lease)| {
        looked_at.insert((waiting.shape, waiting.tenant, lease.spec.terms.priority))
    });
    let possible = first.filter_map(|(waiting, lease)| {
        let band = lease.spec.terms.priority;
        let weaker = victims.iter().filter(|victim| victim.lease.spec.terms.priority < band);
        Some((waiting, choose(scheduler, waiting, weaker.collect())?))
    });
    let helps = |(waiting, chosen): &(&Waiting, Vec<&Victim<'_>>)| {
        !starts_anyway(scheduler, waiting, chosen, now) && starts(scheduler, waiting, chosen, now)
    };
    let (waiting, chosen) = possible.take(MOST_TRIALS).find(helps)?;
    let victims = chosen.iter().map(|victim| victim.lease.id).collect();
    Some(Preemption { to: LeaseId(waiting.id), victims })
}

/// Those that could give way, the smallest first, and of those the youngest.
fn victims<'w>(scene: &Scene, world: &'w World, now: Timestamp) -> Vec<Victim<'w>> {
    let leases = world.index().preemptible().filter_map(|id| world.leases.get(id));
    let rested = leases.filter(|lease| {
        let last = lease.course.interruptions.last();
        last.is_none_or(|last| now.0 >= last.at.0.saturating_add(RESPITE_MS))
    });
    let mut victims: Vec<_> = rested
        .map(|lease| {
            let nodes = lease.group().iter().filter_map(|a| world.nodes.get(a.node));
            let usable = nodes.filter(|node| node.holds.is_empty());
            let machines: Vec<_> = usable.filter_map(|node| Some((node.id, scene.class(node.id)?))).collect();
            let clean_ms = machines.iter().map(|(_, (_, pace))| pace.clean_ms).max().unwrap_or(0);
            let free_at = notice_ends(lease, now).0.saturating_add(clean_ms);
            let machines = machines.into_iter().map(|(node, (class, _))| (node.0, class)).collect();
            Victim { lease, machines, free_at }
        })
        .collect();
    victims.sort_by_key(|victim| {
        (victim.lease.group().len(), std::cmp::Reverse(since(victim.lease)), victim.lease.id)
    });
    victims
}

/// When a lease gives way that is told now.
pub(crate) fn notice_ends(lease: &Lease, now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_add(lease.spec.terms.grace_ms.unwrap_or(0)))
}

fn since(lease: &Lease) -> Timestamp {
    match lease.state {
        LeaseState::Active { since, .. } => since,
        _ => lease.requested,
    }
}

/// The first whose machines, with those that are free, make up the group; without those that it does not take.
fn choose<'v, 'w>(
    scheduler: &Scheduler,
    waiting: &Waiting,
    weaker: Vec<&'v Victim<'w>>,
) -> Option<Vec<&'v Victim<'w>>> {
    let shape = scheduler.shape(waiting.shape);
    let fits = |victims: &[&Victim<'_>]| {
        let mut free = scheduler.counts.clone();
        for (_, class) in victims.iter().flat_map(|victim| &victim.machines) {
            free[*class] += 1;
        }
        scheduler.budgets.allow(waiting, shape, &free) && shape.fits(&free)
    };
    let useful = |victim: &&Victim<'_>| victim.machines.iter().any(|(_, class)| shape.could_use(*class));
    let mut chosen = Vec::new();
    for victim in weaker.into_iter().filter(useful) {
        chosen.push(victim);
        if fits(&chosen) {
            break;
        }
    }
    if chosen.is_empty() || !fits(&chosen) || fits(&[]) {
        return None;
    }
    // The last made it fit; of those before it, the largest and oldest are spared first.
    for place in (0..chosen.len() - 1).rev() {
        let spared = chosen.remove(place);
        if !fits(&chosen) {
            chosen.insert(place, spared);
        }
    }
    Some(chosen)
}

/// True if the group will probably start by the time that the others had given way.
fn starts_anyway(scheduler: &Scheduler, waiting: &Waiting, chosen: &[&Victim<'_>], now: Timestamp) -> bool {
    let by = chosen.iter().map(|victim| victim.free_at).max().unwrap_or(now.0);
    let profile = scheduler.likely_profile(now.0);
    let shape = scheduler.shape(waiting.shape);
    let start = profile.earliest(shape, waiting.spans.likely(), now.0);
    start.is_some_and(|(start, _)| now.0 < start && start <= by)
}

/// True if the group starts once the others have given way: nobody goes before it, and nobody's promise or reservation
/// stands against it.
fn starts(scheduler: &Scheduler, waiting: &Waiting, chosen: &[&Victim<'_>], now: Timestamp) -> bool {
    let mut trial = scheduler.clone();
    for (node, class) in chosen.iter().flat_map(|victim| &victim.machines) {
        trial.set_node(*node, *class, Standing::Free { cold: true, since: now.0 });
    }
    trial.pass(now.0).starts.iter().any(|start| start.lease == waiting.id)
}
