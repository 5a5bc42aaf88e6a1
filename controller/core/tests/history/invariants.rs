//! The invariants of the architecture, each as a function that names it and says what broke it.

use crate::inrush;
use crate::store::Store;
use hostler_core::ahead::{Ahead, AheadState};
use hostler_core::attempt::{PowerOutcome, Stage};
use hostler_core::calendar::Reservation;
use hostler_core::catalogue::{Image, ImageStatus, Kind};
use hostler_core::constraint::Likeness;
use hostler_core::explain;
use hostler_core::ids::{BootId, LeaseId, NodeId};
use hostler_core::input::{AdminAction, Effect, Input, JoinRequest, Outcome, Profile, Report};
use hostler_core::lease::{Assigned, Lease, LeaseState, Member};
use hostler_core::node::{Disk, Node, NodeState, Presence, Start};
use hostler_core::order;
use hostler_core::record::STRIKES;
use hostler_core::request::preview;
use hostler_core::schedule::{self, Decision};
use hostler_core::standby::Standby;
use hostler_core::world::{Change, World};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What a check says: nothing, or what is wrong.
pub(crate) type Verdict = Result<(), String>;

/// A node is in at most one lease that is not closed, and node and lease agree about it.
pub(crate) fn invariant_1_one_lease_for_each_node(world: &World) -> Verdict {
    let mut owner = BTreeMap::<NodeId, LeaseId>::new();
    for lease in world.leases.values() {
        for assigned in lease.group() {
            if let Some(other) = owner.insert(assigned.node, lease.id) {
                return Err(format!("{:?} is in both {other:?} and {:?}", assigned.node, lease.id));
            }
        }
    }
    for node in world.nodes.values() {
        if node.state.lease() != owner.get(&node.id).copied() {
            let (says, has) = (node.state.lease(), owner.get(&node.id));
            return Err(format!("{} says that it is in {says:?}, the groups say {has:?}", node.spec.name));
        }
    }
    Ok(())
}

/// A group is assigned whole or not at all; no node belongs to one that was not. In an active lease a machine that left is
/// replaced, or its place is empty. Nor does a lease wait that could start.
pub(crate) fn invariant_2_groups_are_whole(world: &World) -> Verdict {
    for lease in world.leases.values() {
        match &lease.state {
            LeaseState::Queued { .. } | LeaseState::Closed { .. } => {}
            LeaseState::Deploying { group, .. } => whole(world, lease, group)?,
            LeaseState::Active { group, .. } => {
                whole(world, lease, group)?;
                let in_hand = |a: &Assigned| {
                    world.nodes.get(a.node).is_some_and(|n| match n.state {
                        NodeState::Leased { .. } => true,
                        NodeState::Deploying { .. } => lease.course.taken_over(n.id).is_some(),
                        _ => false,
                    })
                };
                if !group.iter().all(in_hand) {
                    return Err(format!(
                        "{:?} is active, not all of its nodes are leased or coming",
                        lease.id
                    ));
                }
                if let Some(left) = lease.course.departures.iter().find(|left| left.until < left.since) {
                    return Err(format!("{:?} had {left:?} for less than no time", lease.id));
                }
            }
            // Who went on without any machine has none to clean, and is closed at once.
            LeaseState::Closing { group, ended } => {
                if group.is_empty() || !group.iter().all(|a| ended.had.contains(a)) {
                    return Err(format!("{:?} closes with {group:?} of {:?}", lease.id, ended.had));
                }
            }
        }
    }
    // What time alone opens is seen at the next tick.
    let startable = schedule::plan(world, world.meta.planned);
    match startable.iter().find(|d| matches!(d, Decision::Start { .. })) {
        Some(decision) => Err(format!("a lease waits that could start: {decision:?}")),
        None => Ok(()),
    }
}

/// Whoever was given the keys may ask for them again, and nobody else with the same invitation.
pub(crate) fn an_invitation_lets_one_process_in(
    joined: &mut BTreeMap<u32, String>,
    accepted: &Input,
) -> Verdict {
    let Input::Join(JoinRequest { number, by, .. }) = accepted else { return Ok(()) };
    match joined.insert(*number, by.clone()) {
        Some(first) if first != *by => Err(format!("invitation {number} let {first} in, and {by}")),
        _ => Ok(()),
    }
}

/// Nobody waits for whom there is room. Nobody in a history waits for long enough to keep machines free of others; only
/// what was given up for somebody is.
pub(crate) fn nothing_idles_for_whom_it_would_serve(world: &World) -> Verdict {
    if world.queue().iter().any(|lease| lease.course.claim.is_some()) {
        return Ok(());
    }
    // Where machines will be wanted otherwise, what begins now may be in the way of what must begin before that.
    let planned = world.nodes.values().any(|n| n.outage.is_some())
        || world.tenants.values().any(|tenant| !tenant.reservations.is_empty());
    let others_may_stand_before_it =
        |lease: &Lease| planned && world.queue().iter().any(|l| l.id != lease.id && l.promise.is_some());
    let waits = |lease: &&Lease| !lease.is_early() && !explain::lease(world, lease).starts_with("quota: ");
    for lease in world.queue().into_iter().filter(waits).filter(|l| !others_may_stand_before_it(l)) {
        let free: Vec<_> = world.nodes.values().filter(|n| n.is_free() && open_to(world, lease, n)).collect();
        let members = lease.spec.members.iter();
        let slots: Vec<_> = members.flat_map(|m| (0..m.count).map(move |_| m)).collect();
        let mut taken = vec![None; free.len()];
        let whole = (0..slots.len()).all(|slot| {
            place(slot, &slots, &mut taken, &mut vec![false; free.len()], |m, i| {
                could_have(world, m, free[i])
            })
        });
        // Where machines are compared with each other, there is no second opinion.
        let groupings = &lease.spec.groupings;
        let fits =
            || groupings.is_empty() || !planned && preview(world, Some(lease.tenant), &lease.spec).fits_now;
        if whole && fits() {
            let why = explain::lease(world, lease);
            return Err(format!("{:?} waits, and {:?} are free: {why}", lease.id, names(&free)));
        }
    }
    Ok(())
}

/// Deployments and cleanings take no longer in histories, where the clock is set ahead by an hour now and then.
const OVERHEAD_MS: u64 = 2 * 3_900_000;

/// True if a lease could have a machine until it is clean again, for all that was said about when it is wanted otherwise.
fn open_to(world: &World, lease: &Lease, node: &Node) -> bool {
    let (now, end) = (world.meta.planned, world.meta.now.0 + lease.spec.duration_ms + OVERHEAD_MS);
    let drained = node.outage.as_ref().is_some_and(|outage| outage.from.0 < end);
    let all = world.tenants.values().flat_map(|tenant| &tenant.reservations);
    let of_node = all.filter(|r| r.nodes.contains(&node.id)).collect::<Vec<_>>();
    let (own, others): (Vec<_>, Vec<_>) =
        of_node.into_iter().partition(|r| Some(r.id) == lease.course.reservation);
    let within = |r: &&Reservation| r.window().contains(now.0, end);
    let kept = lease.course.reservation.is_none() || own.iter().any(within);
    !drained && kept && !others.iter().any(|r| r.window().meets(now.0, end))
}

/// Whoever has just been given machines gives them back before they are wanted otherwise, as far as its time goes.
pub(crate) fn whoever_starts_is_done_in_time(had: &BTreeMap<LeaseId, bool>, after: &World) -> Verdict {
    for lease in after.leases.values().filter(|l| had.get(&l.id) != Some(&true)) {
        let LeaseState::Deploying { group, .. } = &lease.state else { continue };
        let (now, end) = (after.meta.now.0, after.meta.now.0 + lease.spec.duration_ms);
        for node in group.iter().filter_map(|assigned| after.nodes.get(assigned.node)) {
            let drained = node.outage.as_ref().is_some_and(|o| o.from.0 < end);
            let all = after.tenants.values().flat_map(|tenant| &tenant.reservations);
            let mut others = all.filter(|r| r.nodes.contains(&node.id));
            let own = lease.course.reservation;
            let taken = others.any(|r| Some(r.id) != own && r.window().meets(now, end));
            if drained || taken {
                return Err(format!("{:?} gets {}, which is wanted otherwise", lease.id, node.spec.name));
            }
        }
    }
    Ok(())
}

/// Gives a slot a machine, and the slot that had it another.
fn place(
    slot: usize,
    slots: &[&Member],
    taken: &mut [Option<usize>],
    tried: &mut [bool],
    suits: impl Fn(&Member, usize) -> bool + Copy,
) -> bool {
    for machine in 0..taken.len() {
        if suits(slots[slot], machine) && !std::mem::replace(&mut tried[machine], true) {
            let free = match taken[machine] {
                None => true,
                Some(other) => place(other, slots, taken, tried, suits),
            };
            if free {
                taken[machine] = Some(slot);
                return true;
            }
        }
    }
    false
}

fn names(nodes: &[&Node]) -> Vec<String> {
    nodes.iter().map(|n| n.spec.name.clone()).collect()
}

fn could_have(world: &World, member: &Member, node: &Node) -> bool {
    (member.arch.is_empty() || member.arch.contains(&node.spec.arch))
        && member.pool.as_ref().is_none_or(|p| *p == node.spec.pool)
        && (member.nodes.is_empty() || member.nodes.contains(&node.spec.name))
        && member
            .constraint
            .as_ref()
            .is_none_or(|c| c.verdict(node) == hostler_core::constraint::Verdict::Yes)
        && world
            .image_for(&member.image, node.spec.arch)
            .is_some_and(|image| image.status != ImageStatus::Suspect && fits(image, node))
}

/// A machine that has to be restarted keeps nothing in memory, and not every one has a disk that may be written.
fn fits(image: &Image, node: &Node) -> bool {
    let written = |d: &Disk| !d.remote && !node.spec.keep_disks.contains(&d.serial);
    match (&image.content.kind, &node.inventory) {
        (_, None) => true,
        (Kind::Diskless { .. }, Some(_)) => node.spec.start == Start::Kexec,
        (Kind::Disk { .. }, Some(inventory)) => inventory.disks.iter().any(written),
    }
}

fn whole(world: &World, lease: &Lease, group: &[Assigned]) -> Verdict {
    let distinct: BTreeSet<_> = group.iter().map(|a| a.node).collect();
    if distinct.len() != group.len() {
        return Err(format!("{:?} has a node twice: {group:?}", lease.id));
    }
    for (index, member) in lease.spec.members.iter().enumerate() {
        let role: Vec<_> = group.iter().filter(|a| a.member == index).collect();
        let empty = lease.course.empty_places().filter(|left| left.had.member == index).count();
        let active = matches!(lease.state, LeaseState::Active { .. });
        let places = role.len() + if active { empty } else { 0 };
        if !(member.count as usize..=member.most() as usize).contains(&places) {
            return Err(format!("{:?} has {} nodes for {member:?}", lease.id, role.len()));
        }
        for assigned in role {
            let node = world.nodes.get(assigned.node).ok_or("an assigned node is gone")?;
            let image = world.images.get(assigned.image).ok_or("an assigned image is gone")?;
            let suits = (member.arch.is_empty() || member.arch.contains(&node.spec.arch))
                && (member.nodes.is_empty() || member.nodes.contains(&node.spec.name))
                && image.arch == node.spec.arch
                && image.name == member.image;
            if !suits {
                return Err(format!("{:?}: {} with {image:?} for {member:?}", lease.id, node.spec.name));
            }
        }
    }
    if group.iter().any(|assigned| assigned.member >= lease.spec.members.len()) {
        return Err(format!("{:?} has nodes that it did not ask for", lease.id));
    }
    together(world, lease, group)
}

/// What is asked of the machines together holds.
fn together(world: &World, lease: &Lease, group: &[Assigned]) -> Verdict {
    for grouping in &lease.spec.groupings {
        let node =
            |a: &Assigned| world.nodes.get(a.node).map(|node| grouping.key(node).map(|k| format!("{k:?}")));
        let keys: Vec<_> = group.iter().filter_map(node).collect();
        let distinct: BTreeSet<_> = keys.iter().collect();
        let expected = match grouping.likeness {
            Likeness::Same => 1,
            Likeness::Different => keys.len(),
        };
        if distinct.len() != expected || keys.contains(&None) {
            return Err(format!("{:?} is not as asked, {grouping}: {keys:?}", lease.id));
        }
    }
    Ok(())
}

/// Why an input must change nothing: it is of an earlier boot or lease, or beyond what its profile may say.
pub(crate) fn must_change_nothing(world: &World, input: &Input) -> Option<&'static str> {
    let of_this_boot =
        |node: &NodeId, boot: &BootId| world.nodes.get(*node).and_then(|n| n.current(*boot).map(|b| (n, b)));
    match input {
        Input::Power { node, boot, .. } | Input::Enrol { node, boot, .. }
            if of_this_boot(node, boot).is_none() =>
        {
            Some("it is of another boot")
        }
        Input::Enrol { node, boot, mac, address, key } => {
            let (node, boot) = of_this_boot(node, boot)?;
            let of_this_machine = (*mac, *address) == (node.spec.mac, IpAddr::V4(node.spec.address));
            let bound_to_another = boot.key.as_ref().is_some_and(|known| known != key);
            (!of_this_machine || bound_to_another).then_some("the token is another's")
        }
        Input::Agent { node, boot, profile, report } => {
            let Some((node, boot)) = of_this_boot(node, boot) else { return Some("it is of another boot") };
            let leased = matches!(node.state, NodeState::Leased { .. });
            match (profile, report) {
                (Profile::Ramdisk, _) if leased && boot.stage == Stage::Deployed => {
                    Some("the ramdisk is over")
                }
                // A system in memory may be brought back; the machine is still the tenant's.
                (Profile::Ramdisk, Report::Inspected { .. } | Report::Wiped { .. }) if leased => {
                    Some("a tenant may be speaking")
                }
                (
                    Profile::Tenant,
                    Report::Inspected { .. }
                    | Report::Wiped { .. }
                    | Report::Deployed { .. }
                    | Report::WrittenAhead { .. }
                    | Report::Failed { .. }
                    | Report::SignRequest,
                ) => Some("a tenant may not say this"),
                (
                    _,
                    Report::Inspected { task, .. }
                    | Report::Wiped { task, .. }
                    | Report::Deployed { task, .. }
                    | Report::WrittenAhead { task, .. }
                    | Report::Failed { task, .. },
                ) => {
                    let ordered = order::for_ramdisk(world, node.id).map(|(task, _)| task);
                    (ordered != Some(*task) || order::task_id(boot) != *task)
                        .then_some("nothing like it is ordered")
                }
                (_, Report::RunStarted { run } | Report::RunFinished { run, .. }) => {
                    let lease = world.runs.get(*run).map(|r| r.lease);
                    (lease.is_none() || lease != node.state.lease()).then_some("it is of another lease's run")
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// An agent of an earlier boot or lease can neither report nor run anything: nothing changes but the record of it.
pub(crate) fn invariant_4_the_past_is_silent(
    why: Option<&str>,
    before: &Store,
    changes: &[Change],
    outcome: &Outcome,
) -> Verdict {
    let Some(why) = why else { return Ok(()) };
    if let Some(difference) = before.first_difference(changes) {
        return Err(format!("{why}, and yet it changed something: {difference}"));
    }
    if outcome.effects.is_empty() { Ok(()) } else { Err(format!("{why}, and yet: {:?}", outcome.effects)) }
}

/// Every effect may be carried out twice, or is an attempt whose repetition is a new attempt that the core decided: it
/// is in the state before it is in the world. And nobody touches the power of a node that a lease keeps.
pub(crate) fn invariant_6_power_is_an_attempt(
    leased: &BTreeMap<NodeId, LeaseId>,
    outcome: &Outcome,
    world: &World,
) -> Verdict {
    let last: BTreeMap<_, _> =
        outcome.effects.iter().map(|Effect::Power { node, boot, .. }| (node, boot)).collect();
    for Effect::Power { node: id, bmc, boot, rung } in &outcome.effects {
        let node = world.nodes.get(*id).ok_or("power for a node that does not exist")?;
        if let NodeState::Leased { .. } = node.state {
            return Err(format!("power for {}, which is leased", node.spec.name));
        }
        if let Some(lease) = leased.get(id) {
            let lease = world.leases.get(*lease);
            // A group that was dissolved may begin anew at once, without the machine. One that was given back is gone.
            let goes_on = |l: &&Lease| match l.state {
                LeaseState::Active { .. } | LeaseState::Deploying { .. } => {
                    l.group().iter().any(|a| a.node == *id)
                }
                _ => false,
            };
            if lease.as_ref().is_some_and(goes_on) {
                return Err(format!("power for {}, whose lease goes on: {lease:?}", node.spec.name));
            }
        }
        if last.get(id) != Some(&boot) {
            continue;
        }
        let ordered =
            node.current(*boot).is_some_and(|b| b.power == PowerOutcome::Outstanding && b.rung == *rung);
        if !ordered || node.bmc != *bmc {
            return Err(format!("{boot:?} of {} is ordered and not in the state", node.spec.name));
        }
    }
    Ok(())
}

/// The same input again is harmless: nothing is ordered and nothing is different. A repair begins anew, and whoever
/// invites twice has two invitations, of which each lets one process in.
pub(crate) fn invariant_6_twice_is_harmless(
    input: &Input,
    before: &Store,
    changes: &[Change],
    outcome: &Outcome,
) -> Verdict {
    if matches!(input, Input::Admin { action: AdminAction::Repair, .. } | Input::Invite { .. }) {
        return Ok(());
    }
    if !outcome.effects.is_empty() {
        return Err(format!("delivered twice: {:?}", outcome.effects));
    }
    match before.first_difference(changes) {
        Some(difference) => Err(format!("delivered twice: {difference}")),
        None => Ok(()),
    }
}

/// Every state but `Ready`, `Leased`, `Active`, `Retired` and `Closed` has a bounded exit; every state has a reason
/// that a person can read.
pub(crate) fn invariant_7_nothing_waits_for_ever(world: &World, longest_ms: u64) -> Verdict {
    for node in world.nodes.values() {
        if explain::node(world, node).trim().is_empty() {
            return Err(format!("{} cannot say why it is {:?}", node.spec.name, node.state.name()));
        }
        let rests = matches!(
            node.state,
            NodeState::Ready { .. }
                | NodeState::Leased { .. }
                | NodeState::Failed { .. }
                | NodeState::Retired
        );
        match node.deadline {
            // Nor does it: those for whom it waits do not.
            None if inrush::waits(node) => {}
            None if !rests => return Err(format!("{} waits for ever: {:?}", node.spec.name, node.state)),
            Some(at) if at.0 > world.meta.now.0 + longest_ms => {
                return Err(format!("{} waits for too long, until {at}", node.spec.name));
            }
            _ => {}
        }
    }
    for lease in world.leases.values() {
        if explain::lease(world, lease).trim().is_empty() {
            return Err(format!("{:?} cannot say why it is {:?}", lease.id, lease.state));
        }
        let waits_for =
            |a: &Assigned| world.nodes.get(a.node).is_some_and(|n| n.deadline.is_some() || inrush::waits(n));
        let bounded = match &lease.state {
            LeaseState::Queued { .. } | LeaseState::Active { .. } => lease.deadline().is_some(),
            LeaseState::Deploying { group, .. } => group.iter().any(waits_for),
            LeaseState::Closing { group, .. } => group.iter().all(waits_for),
            LeaseState::Closed { .. } => true,
        };
        if !bounded {
            return Err(format!("{:?} waits for ever: {:?}", lease.id, lease.state));
        }
    }
    Ok(())
}

/// Of machines that nobody uses no more have power than was said, nobody is unused for longer than was said, and as many
/// are warm as can be. Where somebody waits who could use them, or the network is out, they are left alone.
pub(crate) fn unused_machines_are_kept_as_was_said(world: &World) -> Verdict {
    if !world.queue().is_empty() {
        return Ok(());
    }
    let now = world.meta.looked;
    for pool in world.pools.values().filter(|pool| !world.meta.incidents.contains_key(&pool.name)) {
        let shares = |n: &Node| world.bmcs.get(n.bmc).is_none_or(|bmc| bmc.spec.shared);
        let tended = |n: &&Node| n.spec.pool == pool.name && n.holds.is_empty() && !shares(n);
        let nodes: Vec<_> = world.nodes.values().filter(tended).collect();
        let count = |kinds: &[Standby]| {
            nodes.iter().filter(|n| n.standby().is_some_and(|standby| kinds.contains(&standby))).count()
        };
        let (powered, warm) = (count(&[Standby::Warm, Standby::Cold]), count(&[Standby::Warm]));
        let most = pool.keep.max_powered.map_or(usize::MAX, |most| most.get() as usize);
        let spared = pool.keep.spared(pool.demand, now) as usize;
        let idle =
            |n: &Node| pool.keep.idle_off_ms.is_some_and(|ms| n.since.0.saturating_add(ms.get()) <= now.0);
        // Those that have to boot all the same go first.
        let is_warm = |n: &Node| n.standby() == Some(Standby::Warm);
        let mut to_spare: Vec<_> =
            nodes.iter().filter(|n| matches!(n.standby(), Some(Standby::Warm | Standby::Cold))).collect();
        to_spare.sort_by_key(|n| (is_warm(n), n.since, n.id));
        if powered > most || to_spare.iter().take(powered.saturating_sub(spared)).any(|n| idle(n)) {
            return Err(format!("{powered} machines have power of {pool:?}: {:?}", names(&nodes)));
        }
        let preparing =
            |n: &&&Node| matches!(n.state, NodeState::Inspecting { .. } | NodeState::Cleaning { .. });
        let coming = nodes.iter().filter(preparing).count();
        let rests = |n: &&Node| {
            let boot = n.state.boot();
            n.standby() == Some(Standby::Off)
                && boot.is_some_and(|boot| matches!(boot.power, PowerOutcome::Acknowledged { .. }))
        };
        let missing = warm + coming < pool.keep.warm as usize && powered + coming < most;
        if missing && nodes.iter().any(rests) {
            return Err(format!(
                "{warm} machines are warm of {pool:?}, and others rest: {:?}",
                names(&nodes)
            ));
        }
    }
    Ok(())
}

/// Images are written ahead to machines that are ready and to no others, and none for which leases may not ask. What may be left of one is known until the machine is wiped or deployed.
pub(crate) fn images_are_ahead_of_leases_only(world: &World) -> Verdict {
    for node in world.nodes.values() {
        let is_ready = matches!(node.state, NodeState::Ready { .. });
        let ahead = node.state.boot().and_then(|boot| boot.ahead.as_ref());
        if ahead.is_some() && (!is_ready || node.leftover_bytes == 0) {
            return Err(format!("{ahead:?} of {} in {:?}", node.spec.name, node.state));
        }
        if matches!(node.state, NodeState::Leased { .. }) && node.leftover_bytes > 0 {
            return Err(format!("{} may have something left of an image, and is leased", node.spec.name));
        }
        let Some(Ahead { image, state }) = node.ahead().filter(|_| node.holds.is_empty()) else { continue };
        let shares = world.bmcs.get(node.bmc).is_none_or(|bmc| bmc.spec.shared);
        let of_use = world.images.get(*image).is_some_and(Image::may_be_asked_for);
        if !of_use && !matches!(state, AheadState::Failed { .. }) && !shares {
            return Err(format!("{} has {image:?}, for which nobody may ask", node.spec.name));
        }
    }
    Ok(())
}

/// A machine that has to prove itself is nobody's before, and one that failed too often is held.
pub(crate) fn whoever_failed_is_proved_first(world: &World) -> Verdict {
    for node in world.nodes.values() {
        let (state, record) = (&node.state, &node.record);
        let free =
            matches!(state, NodeState::Ready { .. } | NodeState::Deploying { .. } | NodeState::Leased { .. });
        let held = matches!(state, NodeState::Failed { .. } | NodeState::Retired);
        if record.due && free || record.strikes() >= STRIKES && !held {
            return Err(format!("{} is {:?} with {record:?}", node.spec.name, state.name()));
        }
    }
    Ok(())
}

/// What waits for an agent is told to the one that is heard.
pub(crate) fn no_task_waits_for_an_agent_that_is_there(world: &World) -> Verdict {
    for run in world.runs.values() {
        for task in run.tasks.iter().filter(|t| t.state.is_untold()) {
            let node = world.nodes.get(task.node).ok_or("a task's node is gone")?;
            if node.agent == Presence::Heard && node.runs_deployed_system() {
                return Err(format!(
                    "{:?} waits for the agent of {}, which is heard",
                    run.id, node.spec.name
                ));
            }
        }
    }
    Ok(())
}

/// The core decides the same from the same history.
pub(crate) fn invariant_10_the_same_again(one: &Outcome, other: &Outcome) -> Verdict {
    if one.reply == other.reply && one.effects == other.effects {
        Ok(())
    } else {
        Err(format!("the same world answered {one:?} and {other:?}"))
    }
}

/// The copy that follows the writer's world says the same as that, whoever is asked.
pub(crate) fn the_copy_agrees(writer: &World, copy: &World) -> Verdict {
    let queue = |world: &World| world.queue().iter().map(|l| l.id).collect::<Vec<_>>();
    let runs = |world: &World, lease| world.runs_of(lease).map(|r| r.id).collect::<Vec<_>>();
    let same = writer.next_deadline() == copy.next_deadline()
        && queue(writer) == queue(copy)
        && writer.leases.values().all(|l| runs(writer, l.id) == runs(copy, l.id));
    let latest = |image: &&Image| image.status != ImageStatus::Retired;
    let mut images = copy.images.values().filter(latest);
    let found = images.all(|i| copy.image_for(&i.name, i.arch) == Some(i));
    if same && found { Ok(()) } else { Err("the published copy says something else than the writer".into()) }
}

/// What is looked up by name, Ethernet address or IP address is found in the writer's world and in the copy that
/// follows it.
pub(crate) fn the_indices_agree(world: &World) -> Verdict {
    let in_service = |n: &&Node| n.in_service();
    for node in world.nodes.values().filter(in_service) {
        let found = [
            world.node_named(&node.spec.name),
            world.node_by_mac(node.spec.mac),
            world.node_by_address(node.spec.address),
        ];
        if found.iter().any(|f| f.map(|n| n.id) != Some(node.id)) {
            return Err(format!("{:?} is not found by what it is registered with: {:?}", node.id, node.spec));
        }
    }
    for node in world.nodes.values().filter(|n| !n.in_service()) {
        let found = [
            world.node_named(&node.spec.name),
            world.node_by_mac(node.spec.mac),
            world.node_by_address(node.spec.address),
        ];
        if found.iter().flatten().any(|n| n.id == node.id) {
            return Err(format!("{:?} is retired and still found", node.id));
        }
    }
    for lease in world.leases.values() {
        if world.lease_by_key(lease.tenant, &lease.key).map(|l| l.id) != Some(lease.id) {
            return Err(format!("{:?} is not found by its key", lease.id));
        }
    }
    Ok(())
}
