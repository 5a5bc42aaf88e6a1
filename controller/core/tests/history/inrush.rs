//! How many machines are started at once, counted by somebody else than the core.

use crate::invariants::Verdict;
use hostler_core::attempt::{PowerOutcome, Stage};
use hostler_core::ids::NodeId;
use hostler_core::input::{Effect, Outcome};
use hostler_core::node::{Node, NodeState};
use hostler_core::world::World;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// Pool and rack.
type Place = (String, Option<String>);

/// The machines that were powered and whose ramdisk's agent is not there yet.
pub(crate) fn starting(world: &World) -> BTreeMap<NodeId, Place> {
    let starting = |n: &&Node| in_firmware(n, |power| *power != PowerOutcome::Waiting);
    world.nodes.values().filter(starting).map(|n| (n.id, place(n))).collect()
}

/// True if its power order was not handed out yet.
pub(crate) fn waits(node: &Node) -> bool {
    in_firmware(node, |power| *power == PowerOutcome::Waiting)
}

fn in_firmware(node: &Node, power: impl Fn(&PowerOutcome) -> bool) -> bool {
    match &node.state {
        NodeState::Inspecting { boot }
        | NodeState::Cleaning { boot, .. }
        | NodeState::Deploying { boot, .. } => boot.stage == Stage::Firmware && power(&boot.power),
        _ => false,
    }
}

fn place(node: &Node) -> Place {
    (node.spec.pool.clone(), node.spec.rack.clone())
}

/// Of the bounds of a machine's pool, how many are starting and how many may.
fn counts(world: &World, (pool, rack): &Place) -> Vec<(usize, NonZeroU32)> {
    let Some(bounds) = world.pool_named(pool).map(|p| p.bounds) else { return Vec::new() };
    let starting = starting(world);
    let of_pool = starting.values().filter(|(of, _)| of == pool);
    let of_rack = of_pool.clone().filter(|(_, stands)| stands == rack).count();
    let per_rack = bounds.max_booting_per_rack.filter(|_| rack.is_some());
    let all = bounds.max_booting.map(|bound| (of_pool.count(), bound));
    all.into_iter().chain(per_rack.map(|bound| (of_rack, bound))).collect()
}

/// No power order goes beyond the bound, nor past somebody of the same place who came before. Who is starting already
/// counts already.
pub(crate) fn nobody_starts_beyond_the_bound(
    before: &BTreeMap<NodeId, Place>,
    outcome: &Outcome,
    world: &World,
) -> Verdict {
    for Effect::Power { node: id, boot, .. } in &outcome.effects {
        let node = world.nodes.get(*id).ok_or("power for a node that does not exist")?;
        if node.standby().is_some() {
            // It is powered off.
            continue;
        }
        let place = place(node);
        if before.get(id) == Some(&place) {
            continue;
        }
        for (starting, bound) in counts(world, &place) {
            if starting > bound.get() as usize {
                return Err(format!("{} is powered as number {starting} of {bound}", node.spec.name));
            }
        }
        let passed = world
            .nodes
            .values()
            .find(|n| waits(n) && self::place(n) == place && n.state.boot().is_some_and(|b| b.id < *boot));
        if let Some(passed) = passed {
            return Err(format!("{} is powered before {}", node.spec.name, passed.spec.name));
        }
    }
    Ok(())
}

/// Who waits to be powered on waits for others who start, and therefore have a deadline.
pub(crate) fn nobody_waits_while_there_is_room(world: &World) -> Verdict {
    for node in world.nodes.values().filter(|n| waits(n)) {
        let full = |(starting, bound): (usize, NonZeroU32)| starting >= bound.get() as usize;
        if !counts(world, &place(node)).into_iter().any(full) {
            return Err(format!("{} waits to be powered on, and there is room", node.spec.name));
        }
    }
    let endless =
        starting(world).into_keys().find(|id| world.nodes.get(*id).is_some_and(|n| n.deadline.is_none()));
    endless.map_or(Ok(()), |id| Err(format!("{id:?} starts for ever")))
}
