//! What tenants want.

use super::{Scene, some_node};
use crate::random::Random;
use hostler_core::constraint::Grouping;
use hostler_core::course::{MoreTime, Terms};
use hostler_core::hardware::Arch;
use hostler_core::ids::LeaseId;
use hostler_core::input::Input;
use hostler_core::lease::{LeaseSpec, LeaseState, Member};
use hostler_core::run::RunSpec;
use hostler_core::tenancy::Band;
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn request(scene: &mut Scene<'_>) -> Option<Input> {
    let serial = scene.serial();
    let (world, random) = (scene.world, &mut *scene.random);
    let tenants: Vec<_> = world.tenants.values().map(|t| t.id).collect();
    let tenant = *random.pick(&tenants)?;
    let members = (0..1 + random.below(8) / 6).map(|i| member(i, world, random)).collect();
    let mut spec = LeaseSpec {
        members,
        groupings: groupings(random),
        duration_ms: 30_000 + random.below(600_000),
        max_wait_ms: 60_000 + random.below(1_800_000),
        purpose: "a test".into(),
        ssh_keys: Vec::new(),
        terms: terms(world, random),
    };
    let mut key = format!("key {serial}");
    if random.chance(50) {
        spoil(&mut spec, &mut key, random);
    }
    Some(scene.ask(Input::RequestLease { tenant, key, spec }))
}

/// Now and then just when others have been told to give way to it.
pub(super) fn release(scene: &mut Scene<'_>) -> Option<Input> {
    let urgent = scene.world.leases.values().find(|lease| lease.is_queued() && lease.course.claim.is_some());
    let urgent = urgent.filter(|_| scene.random.chance(300)).map(|lease| lease.id);
    let lease = urgent.or_else(|| some_lease(scene.world, scene.random))?;
    let at_once = scene.random.chance(300);
    Some(scene.ask(Input::ReleaseLease { lease, author: "kim".into(), at_once }))
}

pub(super) fn extend(scene: &mut Scene<'_>) -> Option<Input> {
    let key = format!("extension {}", scene.serial());
    let lease = some_lease(scene.world, scene.random)?;
    let wanted = match scene.random.below(2) {
        0 => MoreTime::By(scene.random.below(300_000)),
        _ => MoreTime::Until(Timestamp(scene.world.meta.now.0 + scene.random.below(600_000))),
    };
    Some(scene.ask(Input::ExtendLease { lease, key, wanted, author: "kim".into() }))
}

/// A machine of theirs is broken, or the place of one is empty; now and then it is not theirs at all.
pub(super) fn replace(scene: &mut Scene<'_>) -> Option<Input> {
    let key = format!("replacement {}", scene.serial());
    let lease = some_lease(scene.world, scene.random)?;
    let row = scene.world.leases.get(lease)?;
    let places = row.group().iter().chain(row.course.empty_places().map(|left| &left.had));
    let places: Vec<_> = places.filter_map(|a| scene.world.nodes.get(a.node)).collect();
    let own = scene.random.chance(950).then(|| scene.random.pick(&places).copied()).flatten();
    let node = own.or_else(|| some_node(scene.world, scene.random))?.spec.name.clone();
    Some(scene.ask(Input::ReplaceMember { lease, key, node, why: "no link".into(), author: "kim".into() }))
}

/// Their job died.
pub(super) fn abandon(scene: &mut Scene<'_>) -> Option<Input> {
    Some(Input::LeaseAbandoned { lease: some_lease(scene.world, scene.random)? })
}

pub(super) fn run(scene: &mut Scene<'_>) -> Option<Input> {
    let key = format!("run {}", scene.serial());
    let lease = some_lease(scene.world, scene.random)?;
    let wanted = if scene.random.chance(50) { Vec::new() } else { vec!["/bin/true".to_owned()] };
    let spec = RunSpec {
        role: scene.random.weighted(&[(6, ""), (3, "r0"), (1, "nobody")]).into(),
        command: wanted,
        environment: BTreeMap::new(),
        timeout_ms: None,
        junit: Vec::new(),
        stdin_sha256: String::new(),
    };
    Some(scene.ask(Input::StartRun { lease, key, spec }))
}

pub(super) fn stop(scene: &mut Scene<'_>) -> Option<Input> {
    let runs: Vec<_> = scene.world.runs.values().map(|r| r.id).collect();
    Some(Input::StopRun { run: *scene.random.pick(&runs)?, author: "kim".into() })
}

/// What was asked for before, with the same key.
pub(super) fn again(scene: &mut Scene<'_>) -> Option<Input> {
    scene.random.pick(&scene.people.asked).cloned()
}

pub(super) fn member(index: u64, world: &World, random: &mut Random) -> Member {
    let arch = random.weighted(&[
        (4, &[Arch::X86_64][..]),
        (2, &[Arch::Aarch64]),
        (1, &[Arch::Ppc64le]),
        (1, &[Arch::X86_64, Arch::Aarch64]),
        (2, &[]),
    ]);
    let mut nodes = BTreeSet::new();
    if random.chance(80) {
        nodes.extend((0..2).filter_map(|_| some_node(world, random)).map(|n| n.spec.name.clone()));
    }
    Member {
        role: format!("r{index}"),
        count: u32::try_from(1 + random.below(10) / 5).unwrap_or(1),
        at_most: random.chance(100).then_some(3),
        arch: arch.iter().copied().collect(),
        pool: random.weighted(&[(8, None), (3, Some("lab")), (1, Some("far"))]).map(Into::into),
        nodes,
        image: random.weighted(&[(8, "fedora"), (2, "debian")]).into(),
        constraint: random
            .weighted(&[(8, ""), (1, "cpu.cores >= 2"), (1, "not label.gpu = a100")])
            .parse()
            .ok(),
    }
}

fn terms(world: &World, random: &mut Random) -> Terms {
    let now = world.meta.now;
    let ahead = random.below(120_000);
    Terms {
        not_before: random.chance(100).then(|| Timestamp(now.0 + ahead)),
        keepalive_ms: random.chance(300).then_some(60_000),
        hold_ms: random.chance(300).then(|| 1 + random.below(300_000)),
        priority: random.weighted(&[(5, Band::Batch), (3, Band::Gate), (2, Band::Interactive)]),
        grace_ms: random.chance(700).then_some(60_000),
        reservation: some_reservation(world, random),
    }
}

/// Of anybody.
fn some_reservation(world: &World, random: &mut Random) -> Option<String> {
    let all = world.tenants.values().flat_map(|tenant| &tenant.reservations).map(|r| r.name.clone());
    random.pick(&all.collect::<Vec<_>>()).filter(|_| random.chance(400)).cloned()
}

fn groupings(random: &mut Random) -> Vec<Grouping> {
    random.weighted(&[(10, ""), (1, "same rack"), (1, "different rack")]).parse().into_iter().collect()
}

/// Makes a request that must be refused.
fn spoil(spec: &mut LeaseSpec, key: &mut String, random: &mut Random) {
    match random.below(8) {
        0 => key.clear(),
        7 => spec.terms.keepalive_ms = Some(1),
        1 => spec.members.clear(),
        2 => spec.members[0].count = 0,
        3 => spec.members.push(spec.members[0].clone()),
        4 => spec.members[0].image = "no such image".into(),
        5 => spec.duration_ms = 0,
        _ => spec.members[0].count = 2000,
    }
}

/// Active ones more often than others.
fn some_lease(world: &World, random: &mut Random) -> Option<LeaseId> {
    let active = |l: &LeaseState| matches!(l, LeaseState::Active { .. });
    let only_active = random.chance(850);
    let leases: Vec<_> =
        world.leases.values().filter(|l| !only_active || active(&l.state)).map(|l| l.id).collect();
    random.pick(&leases).copied()
}
