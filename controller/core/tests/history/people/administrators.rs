//! What administrators want.

use super::tenants::member;
use super::{ADMIN, Scene, image_of, some_node};
use crate::random::Random;
use hostler_core::calendar::{Every, Group, Machines, Times, Wanted};
use hostler_core::catalogue::{Image, ImageStatus};
use hostler_core::hardware::Arch;
use hostler_core::input::{AdminAction, Input};
use hostler_core::keep::KeepChange;
use hostler_core::lease::Member;
use hostler_core::node::{BmcSpec, HoldKind, Node, NodeSpec, NodeState, Sealed};
use hostler_core::pool::Limits;
use hostler_core::tenancy::{Band, NodeHours, Setting};
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use std::num::NonZeroU64;

pub(super) fn approve(scene: &mut Scene<'_>) -> Option<Input> {
    let node = held(scene.world, HoldKind::AwaitingFirstWipe, scene.random)
        .filter(|_| scene.random.chance(900))
        .or_else(|| some_node(scene.world, scene.random))?;
    Some(admin(node, AdminAction::ApproveWipe))
}

/// Looks what is wrong with a node, mends it and says so; or only says so.
pub(super) fn repair(scene: &mut Scene<'_>) -> Option<Input> {
    let is_broken =
        |n: &&Node| matches!(n.state, NodeState::Failed { .. }) || n.holds.contains_key(&HoldKind::Miswired);
    let broken: Vec<_> = scene.world.nodes.values().filter(is_broken).collect();
    let node = match scene.random.pick(&broken) {
        Some(node) => node,
        None if scene.random.chance(30) => some_node(scene.world, scene.random)?,
        None => return None,
    };
    let name = node.spec.name.as_str();
    scene.lab.crossed.retain(|from, to| from != name && to != name);
    scene.lab.denied.remove(name);
    if let Some(machine) = scene.lab.machine_of(node) {
        machine.dead = false;
    }
    Some(admin(node, AdminAction::Repair))
}

/// At once or with times, which now and then make no sense.
pub(super) fn drain(scene: &mut Scene<'_>) -> Option<Input> {
    let (now, random) = (scene.world.meta.now.0, &mut *scene.random);
    let mut some = |ahead: u64| {
        random.chance(400).then(|| Timestamp((now + ahead + random.below(400_000)).saturating_sub(9_000)))
    };
    let times = Times { from: some(0), deadline: some(100_000), back_at: some(500_000) };
    let anyway = scene.random.chance(800);
    let reason = "new cables".into();
    // Those that somebody has are those of whom a drain takes something.
    let in_use: Vec<_> =
        scene.world.nodes.values().filter(|n| matches!(n.state, NodeState::Leased { .. })).collect();
    let node = scene.random.pick(&in_use).copied().filter(|_| scene.random.chance(500));
    let node = node.or_else(|| some_node(scene.world, scene.random))?;
    Some(admin(node, AdminAction::Drain { reason, times, anyway }))
}

/// Machines are set aside, once or again and again.
pub(super) fn reserve(scene: &mut Scene<'_>) -> Option<Input> {
    let name = format!("r{}", scene.random.below(6));
    let tenants: Vec<_> = scene.world.tenants.values().map(|tenant| tenant.name.clone()).collect();
    let count = 1 + scene.random.below(3);
    let nodes = (0..count).filter_map(|_| some_node(scene.world, scene.random));
    let nodes = nodes.map(|node| node.spec.name.clone()).collect();
    let machines = if scene.random.chance(500) { Machines::Named(nodes) } else { such(scene) };
    let random = &mut *scene.random;
    let now = scene.world.meta.now.0;
    let from = random.chance(700).then(|| Timestamp(now + random.below(600_000)));
    let length_ms = 600_000 + random.below(6_000_000);
    let until = random.chance(600).then(|| Timestamp(now + random.below(9_000_000)));
    let every = random
        .chance(400)
        .then(|| Every { ms: NonZeroU64::MIN.saturating_add(length_ms + random.below(900_000)), until });
    let wanted = Wanted { name, machines, from, length_ms, every, reason: "a demonstration".into() };
    let anyway = random.chance(600);
    Some(Input::Reserve { author: ADMIN.into(), tenant: random.pick(&tenants)?.clone(), wanted, anyway })
}

/// Machines of some kind, whatever they will run.
fn such(scene: &mut Scene<'_>) -> Machines {
    let member = Member { image: String::new(), ..member(0, scene.world, scene.random) };
    let groupings = scene.random.weighted(&[(3, ""), (1, "same rack")]).parse().into_iter().collect();
    Machines::Like(Group { members: vec![member], groupings })
}

/// Ends a reservation, if there is one.
pub(super) fn unreserve(world: &World) -> Option<Input> {
    let mut reserved = world.tenants.values().filter_map(|t| Some((t.name.clone(), t.reservations.first()?)));
    let (tenant, reservation) = reserved.next()?;
    Some(Input::EndReservation { author: ADMIN.into(), tenant, name: reservation.name.clone() })
}

pub(super) fn end_reservation(scene: &mut Scene<'_>) -> Option<Input> {
    let name = format!("r{}", scene.random.below(6));
    let tenants: Vec<_> = scene.world.tenants.values().map(|tenant| tenant.name.clone()).collect();
    let tenant = scene.random.pick(&tenants)?.clone();
    Some(Input::EndReservation { author: ADMIN.into(), tenant, name })
}

pub(super) fn resume(scene: &mut Scene<'_>) -> Option<Input> {
    let held = held(scene.world, HoldKind::Drain, scene.random);
    Some(admin(held.or_else(|| some_node(scene.world, scene.random))?, AdminAction::Resume))
}

pub(super) fn retire(scene: &mut Scene<'_>) -> Option<Input> {
    Some(admin(some_node(scene.world, scene.random)?, AdminAction::Retire))
}

pub(super) fn power(scene: &mut Scene<'_>) -> Option<Input> {
    let force = scene.random.chance(500);
    let action = AdminAction::Power { action: "cycle".into(), force };
    Some(admin(some_node(scene.world, scene.random)?, action))
}

pub(super) fn image(scene: &mut Scene<'_>) -> Option<Input> {
    let arch = *scene.random.pick(&Arch::ALL)?;
    let name = scene.random.weighted(&[(1, "fedora"), (1, "debian")]);
    Some(image_of(scene.serial(), name, arch, scene.random))
}

pub(super) fn tenant(scene: &mut Scene<'_>) -> Option<Input> {
    let name = scene.random.weighted(&[(1, "kernel"), (1, "storage"), (1, "No Name")]);
    Some(Input::AddTenant { name: name.into() })
}

/// What a tenant may have is changed; now and then to what makes no sense.
pub(super) fn allow(scene: &mut Scene<'_>) -> Option<Input> {
    let random = &mut *scene.random;
    let tenants: Vec<_> = scene.world.tenants.values().map(|tenant| tenant.name.clone()).collect();
    let few = random.chance(600).then(|| u32::try_from(random.below(6)).unwrap_or(0));
    let node_ms = random.below(3_000_000);
    let hours = random.chance(600).then_some(NodeHours { node_ms, window_ms: 3_600_000 });
    let setting = match random.below(8) {
        0 => Setting::Share(u32::try_from(random.below(4)).unwrap_or(0)),
        1 => Setting::Priority(*random.pick(&Band::ALL)?),
        2 => Setting::Priority(Band::Admin),
        3 => Setting::MachinesOf(*random.pick(&Arch::ALL)?, few),
        4 | 5 => Setting::Machines(few),
        6 => Setting::NodeHours(hours),
        _ => Setting::Extension(few.map(u64::from)),
    };
    let name = random.pick(&tenants)?.clone();
    Some(Input::SetTenant { author: ADMIN.into(), name, settings: vec![setting] })
}

/// Applies machines again: as they are, with a mistake, or with something new about them.
pub(super) fn register(scene: &mut Scene<'_>) -> Option<Input> {
    let (world, lab, random) = (scene.world, &mut *scene.lab, &mut *scene.random);
    let index = random.index(lab.machines.len());
    let mut nodes = vec![mistaken(lab.registration(index), random)];
    match random.below(8) {
        0 => nodes[0].0.pool = "annex".into(),
        1 => nodes[0].1.password = Sealed("another".into()),
        2 => {
            let node = some_node(world, random)?;
            let (from, to) = (nodes[0].0.name.clone(), node.spec.name.clone());
            lab.crossed.insert(from, to);
        }
        3 => drop(lab.denied.insert(nodes[0].0.name.clone())),
        4 => lab.machines[index].dead = random.chance(500),
        5 => {
            let other = random.index(lab.machines.len());
            if other != index {
                nodes = exchanged(lab.registration(index), lab.registration(other));
            }
        }
        _ => {}
    }
    Some(Input::Apply { author: ADMIN.into(), nodes })
}

/// Puts right what is wrong with a node, if anything is.
pub(super) fn tidying(node: &Node) -> Option<Input> {
    if node.holds.contains_key(&HoldKind::Drain) || node.outage.is_some() {
        return Some(admin(node, AdminAction::Resume));
    }
    if node.holds.contains_key(&HoldKind::AwaitingFirstWipe) {
        return Some(admin(node, AdminAction::ApproveWipe));
    }
    let held = !node.holds.is_empty() && matches!(node.state, NodeState::Ready { .. });
    (held || matches!(node.state, NodeState::Failed { .. })).then(|| admin(node, AdminAction::Repair))
}

/// Finds that an image was not at fault.
pub(super) fn clear(scene: &mut Scene<'_>) -> Option<Input> {
    cleared(scene.world, scene.random)
}

pub(super) fn cleared(world: &World, random: &mut Random) -> Option<Input> {
    let suspect = |i: &&Image| i.status == ImageStatus::Suspect;
    let suspects: Vec<_> = world.images.values().filter(suspect).collect();
    let image = random.pick(&suspects)?;
    Some(Input::ClearImage { author: ADMIN.into(), name: image.name.clone(), arch: Some(image.arch) })
}

/// Most often of one of the pools that there are, and often without a bound: who waits does nothing else.
pub(super) fn bound(scene: &mut Scene<'_>) -> Option<Input> {
    let name = scene.random.weighted(&[(6, "lab"), (3, "far"), (1, "annex"), (1, "No Pool")]);
    let mut some = || scene.random.weighted(&[(2, None), (6, Some(0)), (1, Some(1)), (2, Some(3))]);
    let (max_booting, max_booting_per_rack) = (some(), some());
    let limits = Limits { max_booting, max_booting_per_rack, keep: keeping(scene.random) };
    Some(Input::SetPool { author: ADMIN.into(), name: name.into(), limits })
}

/// Often nothing, as at first.
fn keeping(random: &mut Random) -> KeepChange {
    KeepChange {
        warm: random.weighted(&[(4, None), (2, Some(0)), (1, Some(1)), (1, Some(3))]),
        max_powered: random.weighted(&[(4, None), (2, Some(0)), (1, Some(1)), (1, Some(4))]),
        idle_off_ms: random.weighted(&[(4, None), (1, Some(0)), (2, Some(60_000))]),
        refresh_ms: random.weighted(&[(4, None), (1, Some(0)), (1, Some(600_000))]),
        ahead: random.weighted(&[(2, None), (1, Some(0)), (2, Some(1)), (3, Some(3))]),
    }
}

fn admin(node: &Node, action: AdminAction) -> Input {
    Input::Admin { author: ADMIN.into(), node: node.spec.name.clone(), action }
}

fn held<'a>(world: &'a World, kind: HoldKind, random: &mut Random) -> Option<&'a Node> {
    let nodes: Vec<_> = world.nodes.values().filter(|n| n.holds.contains_key(&kind)).collect();
    random.pick(&nodes).copied()
}

/// Two machines get each other's name.
fn exchanged(mut a: (NodeSpec, BmcSpec), mut b: (NodeSpec, BmcSpec)) -> Vec<(NodeSpec, BmcSpec)> {
    std::mem::swap(&mut a.0.name, &mut b.0.name);
    vec![a, b]
}

/// Now and then a digit of the serial number is wrong, or it is left out.
pub(super) fn mistaken((mut spec, bmc): (NodeSpec, BmcSpec), random: &mut Random) -> (NodeSpec, BmcSpec) {
    match random.below(40) {
        0 => spec.serial = Some("S0".into()),
        1 => spec.serial = None,
        _ => {}
    }
    (spec, bmc)
}
