//! Who takes a place in a group that is active.

use super::choice::substitutes;
use super::plan::{Decision, replanned};
use super::scene::Scene;
use super::scheduler::Standing;
use super::words;
use crate::ids::NodeId;
use crate::lease::{Assigned, Lease};
use crate::tenancy::{self, Count};
use crate::time::Timestamp;
use crate::world::World;
use std::collections::BTreeSet;

/// The machine that takes the place of `had` in an active group until the lease ends, and whose plans change with it.
/// Nobody's promise is broken for it, and nobody gets a machine again that they gave back as broken.
///
/// # Errors
/// Why there is none, for people.
pub(crate) fn replacement(
    scene: &Scene,
    world: &World,
    lease: &Lease,
    had: &Assigned,
    now: Timestamp,
) -> Result<(Assigned, Vec<Decision>), String> {
    let mut refused = BTreeSet::new();
    let mut bar = None;
    for substitute in substitutes(world, lease, had).into_iter().filter(|a| !lease.course.was_broken(a.node))
    {
        // What is true of one is true of all that are alike.
        let arch = world.nodes.get(substitute.node).map(|node| node.spec.arch);
        let alike = (scene.class(substitute.node).map(|(class, _)| class), arch);
        if refused.contains(&alike) {
            continue;
        }
        bar = why_beyond_the_quota(world, lease, had, substitute.node, now);
        if bar.is_none() {
            match keeping(scene, lease, had, substitute.node, now) {
                Some(plans) => return Ok((substitute, plans)),
                None => bar = Some("what is free was promised to others that wait".into()),
            }
        }
        refused.insert(alike);
    }
    Err(bar.unwrap_or_else(|| words::none_for(world, lease, had)))
}

/// Whose plans change so that all promises are kept if the lease has the machine until it ends; none if one would break.
/// Nobody counts on the machine that it had before: it is said to be broken.
fn keeping(
    scene: &Scene,
    lease: &Lease,
    had: &Assigned,
    substitute: NodeId,
    now: Timestamp,
) -> Option<Vec<Decision>> {
    // What nobody could use who waits is missed by nobody.
    let Some((class, pace)) = scene.class(substitute) else { return Some(Vec::new()) };
    let back = lease.gives_back()?.0.saturating_add(pace.clean_ms);
    let mut trial = scene.scheduler.clone();
    if let Some((class, _)) = scene.class(had.node) {
        trial.set_node(had.node.0, class, Standing::Away);
    }
    let lost = trial.lost_but_by_windows(now.0);
    trial.set_node(substitute.0, class, Standing::Busy { guard: back, limit: back });
    trial.keeping(now.0, &lost).ok().map(|plans| replanned(plans).collect())
}

/// What the tenant's quota says to one machine more, where a place was empty. Who gives one back has room for another.
fn why_beyond_the_quota(
    world: &World,
    lease: &Lease,
    had: &Assigned,
    substitute: NodeId,
    now: Timestamp,
) -> Option<String> {
    if lease.group().contains(had) {
        return None;
    }
    let arch = world.nodes.get(substitute)?.spec.arch;
    let node_ms = lease.gives_back()?.0.saturating_sub(now.0);
    tenancy::bar(world, lease.tenant, now, Count::one(arch), node_ms)
}
