//! Tenants and administrators: what they ask for, sensible or not.

use crate::lab::Lab;
use crate::random::Random;
use hostler_core::catalogue::{Content as ImageContent, Kind};
use hostler_core::constraint::Grouping;
use hostler_core::course::{MoreTime, Terms};
use hostler_core::hardware::Arch;
use hostler_core::ids::LeaseId;
use hostler_core::input::{AdminAction, Input};
use hostler_core::lease::{LeaseSpec, LeaseState, Member};
use hostler_core::node::{BmcSpec, HoldKind, Node, NodeSpec, NodeState, Sealed};
use hostler_core::pool::Limits;
use hostler_core::run::RunSpec;
use hostler_core::tenancy::{Band, NodeHours, Setting};
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// Tenants and administrators.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// For keys and digests that were never used before.
    serial: u64,
    /// What was asked for, to be asked again.
    asked: Vec<Input>,
}

const ADMIN: &str = "ada";

#[derive(Clone, Copy)]
enum Wish {
    Lease,
    Release,
    Extend,
    Abandon,
    Run,
    Stop,
    Again,
    Approve,
    Repair,
    Drain,
    Resume,
    Retire,
    Power,
    Image,
    Tenant,
    Allow,
    Register,
    Pool,
}

/// How often each wish comes up.
const WISHES: &[(u64, Wish)] = &[
    (35, Wish::Lease),
    (22, Wish::Release),
    (6, Wish::Extend),
    (4, Wish::Abandon),
    (25, Wish::Run),
    (3, Wish::Stop),
    (5, Wish::Again),
    (8, Wish::Approve),
    (20, Wish::Repair),
    (2, Wish::Drain),
    (6, Wish::Resume),
    (1, Wish::Retire),
    (1, Wish::Power),
    (2, Wish::Image),
    (1, Wish::Tenant),
    (3, Wish::Allow),
    (12, Wish::Register),
    (2, Wish::Pool),
];

impl People {
    /// The first day: tenants, images, machines.
    pub(crate) fn found(&mut self, lab: &Lab, random: &mut Random) -> Vec<Input> {
        let mut inputs: Vec<_> =
            ["kernel", "network"].map(|name| Input::AddTenant { name: name.into() }).into();
        let (author, name) = (ADMIN.to_owned(), "kernel".to_owned());
        inputs.push(Input::SetTenant { author, name, settings: vec![Setting::Priority(Band::Admin)] });
        for arch in Arch::ALL {
            for name in ["fedora", "debian"] {
                if name == "fedora" || random.chance(500) {
                    inputs.push(self.image(name, arch, random));
                }
            }
        }
        let late = random.below(3);
        let nodes: Vec<_> = (0..lab.machines.len())
            .filter(|i| *i as u64 >= late)
            .map(|i| mistaken(lab.registration(i), random))
            .collect();
        inputs.push(Input::Apply { author: ADMIN.into(), nodes });
        inputs
    }

    /// Somebody wants something.
    pub(crate) fn act(&mut self, world: &World, lab: &mut Lab, random: &mut Random) -> Option<Input> {
        let input = match random.weighted(WISHES) {
            Wish::Lease => self.request(world, random)?,
            Wish::Release => Input::ReleaseLease {
                lease: some_lease(world, random)?,
                author: "kim".into(),
                at_once: random.chance(300),
            },
            Wish::Extend => self.extend(world, random)?,
            Wish::Abandon => Input::LeaseAbandoned { lease: some_lease(world, random)? },
            Wish::Run => self.run(world, random)?,
            Wish::Stop => {
                let runs: Vec<_> = world.runs.values().map(|r| r.id).collect();
                Input::StopRun { run: *random.pick(&runs)?, author: "kim".into() }
            }
            Wish::Again => random.pick(&self.asked)?.clone(),
            Wish::Approve => approve(world, random)?,
            Wish::Repair => repair(world, lab, random)?,
            Wish::Drain => {
                admin(some_node(world, random)?, AdminAction::Drain { reason: "new cables".into() })
            }
            Wish::Resume => {
                let node = held(world, HoldKind::Drain, random).or_else(|| some_node(world, random))?;
                admin(node, AdminAction::Resume)
            }
            Wish::Retire => admin(some_node(world, random)?, AdminAction::Retire),
            Wish::Power => {
                let force = random.chance(500);
                admin(some_node(world, random)?, AdminAction::Power { action: "cycle".into(), force })
            }
            Wish::Image => {
                let arch = *random.pick(&Arch::ALL)?;
                self.image(random.weighted(&[(1, "fedora"), (1, "debian")]), arch, random)
            }
            Wish::Tenant => Input::AddTenant {
                name: random.weighted(&[(1, "kernel"), (1, "storage"), (1, "No Name")]).into(),
            },
            Wish::Allow => allow(world, random)?,
            Wish::Register => register(world, lab, random)?,
            Wish::Pool => bound(random),
        };
        if matches!(
            input,
            Input::RequestLease { .. }
                | Input::StartRun { .. }
                | Input::ReleaseLease { .. }
                | Input::ExtendLease { .. }
        ) {
            self.asked.push(input.clone());
        }
        Some(input)
    }

    /// An administrator who puts right what is wrong, one node at a time.
    pub(crate) fn tidy(world: &World, random: &mut Random) -> Option<Input> {
        let waiting: Vec<_> = world.nodes.values().filter_map(tidying).collect();
        random.pick(&waiting).cloned()
    }

    /// The registration as it should be.
    pub(crate) fn correct(lab: &Lab) -> Input {
        let nodes = (0..lab.machines.len()).map(|i| lab.registration(i)).collect();
        Input::Apply { author: ADMIN.into(), nodes }
    }

    fn image(&mut self, name: &str, arch: Arch, random: &mut Random) -> Input {
        self.serial += 1;
        let mut content = ImageContent::raw(format!("{:064x}", self.serial), 2);
        if random.chance(300) {
            content.kind = Kind::Diskless { kernel_bytes: 1, arguments: String::new() };
        }
        Input::AddImage { name: name.into(), arch, content }
    }

    fn request(&mut self, world: &World, random: &mut Random) -> Option<Input> {
        self.serial += 1;
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
        let mut key = format!("key {}", self.serial);
        if random.chance(50) {
            spoil(&mut spec, &mut key, random);
        }
        Some(Input::RequestLease { tenant, key, spec })
    }

    fn extend(&mut self, world: &World, random: &mut Random) -> Option<Input> {
        self.serial += 1;
        let lease = some_lease(world, random)?;
        let wanted = match random.below(2) {
            0 => MoreTime::By(random.below(300_000)),
            _ => MoreTime::Until(Timestamp(world.meta.now.0 + random.below(600_000))),
        };
        let (key, author) = (format!("extension {}", self.serial), "kim".into());
        Some(Input::ExtendLease { lease, key, wanted, author })
    }

    fn run(&mut self, world: &World, random: &mut Random) -> Option<Input> {
        self.serial += 1;
        let lease = some_lease(world, random)?;
        let wanted = if random.chance(50) { Vec::new() } else { vec!["/bin/true".to_owned()] };
        let spec = RunSpec {
            role: random.weighted(&[(6, ""), (3, "r0"), (1, "nobody")]).into(),
            command: wanted,
            environment: BTreeMap::new(),
            timeout_ms: None,
            junit: Vec::new(),
            stdin_sha256: String::new(),
        };
        Some(Input::StartRun { lease, key: format!("run {}", self.serial), spec })
    }
}

fn member(index: u64, world: &World, random: &mut Random) -> Member {
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
    }
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

/// Most often of one of the pools that there are, and often without a bound: who waits does nothing else.
fn bound(random: &mut Random) -> Input {
    let name = random.weighted(&[(6, "lab"), (3, "far"), (1, "annex"), (1, "No Pool")]);
    let some = |random: &mut Random| random.weighted(&[(2, None), (6, Some(0)), (1, Some(1)), (2, Some(3))]);
    let limits = Limits { max_booting: some(random), max_booting_per_rack: some(random) };
    Input::SetPool { author: ADMIN.into(), name: name.into(), limits }
}

fn admin(node: &Node, action: AdminAction) -> Input {
    Input::Admin { author: ADMIN.into(), node: node.spec.name.clone(), action }
}

fn some_node<'a>(world: &'a World, random: &mut Random) -> Option<&'a Node> {
    let nodes: Vec<_> = world.nodes.values().collect();
    random.pick(&nodes).copied()
}

fn held<'a>(world: &'a World, kind: HoldKind, random: &mut Random) -> Option<&'a Node> {
    let nodes: Vec<_> = world.nodes.values().filter(|n| n.holds.contains_key(&kind)).collect();
    random.pick(&nodes).copied()
}

/// Active ones more often than others.
fn some_lease(world: &World, random: &mut Random) -> Option<LeaseId> {
    let active = |l: &LeaseState| matches!(l, LeaseState::Active { .. });
    let only_active = random.chance(850);
    let leases: Vec<_> =
        world.leases.values().filter(|l| !only_active || active(&l.state)).map(|l| l.id).collect();
    random.pick(&leases).copied()
}

/// An administrator changes what a tenant may have; now and then to what makes no sense.
fn allow(world: &World, random: &mut Random) -> Option<Input> {
    let tenants: Vec<_> = world.tenants.values().map(|tenant| tenant.name.clone()).collect();
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

fn approve(world: &World, random: &mut Random) -> Option<Input> {
    let node = held(world, HoldKind::AwaitingFirstWipe, random)
        .filter(|_| random.chance(900))
        .or_else(|| some_node(world, random))?;
    Some(admin(node, AdminAction::ApproveWipe))
}

/// Looks what is wrong with a node, mends it and says so; or only says so.
fn repair(world: &World, lab: &mut Lab, random: &mut Random) -> Option<Input> {
    let broken: Vec<_> = world
        .nodes
        .values()
        .filter(|n| matches!(n.state, NodeState::Failed { .. }) || n.holds.contains_key(&HoldKind::Miswired))
        .collect();
    let node = match random.pick(&broken) {
        Some(node) => node,
        None if random.chance(30) => some_node(world, random)?,
        None => return None,
    };
    let name = node.spec.name.as_str();
    lab.crossed.retain(|from, to| from != name && to != name);
    lab.denied.remove(name);
    if let Some(machine) = lab.machine_of(node) {
        machine.dead = false;
    }
    Some(admin(node, AdminAction::Repair))
}

fn tidying(node: &Node) -> Option<Input> {
    if node.holds.contains_key(&HoldKind::Drain) {
        return Some(admin(node, AdminAction::Resume));
    }
    if node.holds.contains_key(&HoldKind::AwaitingFirstWipe) {
        return Some(admin(node, AdminAction::ApproveWipe));
    }
    let held = !node.holds.is_empty() && matches!(node.state, NodeState::Ready { .. });
    (held || matches!(node.state, NodeState::Failed { .. })).then(|| admin(node, AdminAction::Repair))
}

/// Applies machines again: as they are, with a mistake, or with something new about them.
fn register(world: &World, lab: &mut Lab, random: &mut Random) -> Option<Input> {
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

/// Two machines get each other's name.
fn exchanged(mut a: (NodeSpec, BmcSpec), mut b: (NodeSpec, BmcSpec)) -> Vec<(NodeSpec, BmcSpec)> {
    std::mem::swap(&mut a.0.name, &mut b.0.name);
    vec![a, b]
}

/// Now and then a digit of the serial number is wrong, or it is left out.
fn mistaken((mut spec, bmc): (NodeSpec, BmcSpec), random: &mut Random) -> (NodeSpec, BmcSpec) {
    match random.below(40) {
        0 => spec.serial = Some("S0".into()),
        1 => spec.serial = None,
        _ => {}
    }
    (spec, bmc)
}
