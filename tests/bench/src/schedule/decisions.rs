//! What the core's decisions cost with everything that surrounds the scheduler: machines that are booted and wiped, leases
//! as they are stored, ten thousand of them waiting.

use super::passes::{WAITING, percentiles};
use super::workload::{Job, MACHINES};
use crate::control_plane::evidence::{of_boot, taken_over};
use crate::figure::Figure;
use crate::store::start::node;
use anyhow::{Context as _, bail};
use hostler_core::catalogue::Content;
use hostler_core::course::Terms;
use hostler_core::hardware::Arch;
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::input::{Effect, Input, Reply, Report};
use hostler_core::lease::{LeaseSpec, LeaseState, Member};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Instant;

/// Leases that end before anything is measured.
const WARM_UP: usize = 100;

/// Leases that end while it is measured.
const MEASURED: usize = 1_000;

/// Nobody gives up waiting.
const PATIENCE_MS: u64 = 30 * 24 * 3_600_000;

/// Applies to a world of so many machines what happens where ten thousand groups wait, and times each request and each
/// report of a machine that is free again, which is what starts somebody else.
///
/// # Errors
/// If the core refuses something, which would be no measurement.
pub fn figures(bench: &'static str, jobs: &[Job], machines: u32) -> anyhow::Result<Vec<Figure>> {
    let mut lab = Lab::new(machines)?;
    for job in jobs.iter().cycle().take(WAITING) {
        lab.request(job)?;
    }
    for _ in 0..WARM_UP {
        lab.turn(jobs)?;
    }
    (lab.requests, lab.returns) = (Vec::new(), Vec::new());
    for _ in 0..MEASURED {
        lab.turn(jobs)?;
    }
    let requests = percentiles(bench, format!("nodes{machines}/world_request"), &lab.requests);
    let returns = percentiles(bench, format!("nodes{machines}/world_return"), &lab.returns);
    Ok(requests.into_iter().chain(returns).collect())
}

/// A world whose machines need no time, and what its inputs took, in nanoseconds.
struct Lab {
    world: World,
    now: u64,
    tenants: BTreeMap<u32, TenantId>,
    /// For each lease, what it is of the workload.
    asked: BTreeMap<LeaseId, Job>,
    ends: BinaryHeap<Reverse<(u64, LeaseId)>>,
    requests: Vec<u64>,
    returns: Vec<u64>,
}

impl Lab {
    fn new(machines: u32) -> anyhow::Result<Self> {
        let mut lab = Self {
            world: World::new(Timing::default()),
            now: 1_000_000,
            tenants: BTreeMap::new(),
            asked: BTreeMap::new(),
            ends: BinaryHeap::new(),
            requests: Vec::new(),
            returns: Vec::new(),
        };
        for arch in Arch::ALL {
            let content = Content::raw("0".repeat(64), 1);
            lab.tell(Input::AddImage { name: "image".into(), arch, content })?;
        }
        let whole = u64::from(MACHINES.iter().sum::<u32>());
        let [x86, arm, _] = MACHINES.map(|count| u64::from(count) * u64::from(machines) / whole);
        let nodes = (1..=machines).map(|number| {
            let arch = match u64::from(number) {
                place if place <= x86 => Arch::X86_64,
                place if place <= x86 + arm => Arch::Aarch64,
                _ => Arch::Ppc64le,
            };
            node(number, arch)
        });
        lab.tell(Input::Apply { author: "bench".into(), nodes: nodes.collect() })?;
        Ok(lab)
    }

    /// Applies an input, and the evidence of each boot that it leads to. Nothing may be refused.
    fn tell(&mut self, input: Input) -> anyhow::Result<Reply> {
        let mut waiting = VecDeque::from([input]);
        let mut first = None;
        while let Some(input) = waiting.pop_front() {
            let is_return = matches!(&input, Input::Agent { report: Report::Wiped { .. }, .. });
            let is_request = matches!(&input, Input::RequestLease { .. });
            let begun = Instant::now();
            let outcome = self.world.apply(Timestamp(self.now), input);
            let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if is_return {
                self.returns.push(took);
            } else if is_request {
                self.requests.push(took);
            }
            for Effect::Power { node, boot, .. } in outcome.effects {
                waiting.extend(of_boot(&self.world, node, boot).context("the boot is over already")?);
            }
            let reply = outcome.reply?;
            first.get_or_insert(reply);
            // As a writer does; what is not taken would pile up.
            let changed = self.world.take_changes();
            let nodes = changed.into_iter().filter_map(|change| match change {
                Change::Node(node) => taken_over(&self.world, node.id),
                _ => None,
            });
            for (node, boot) in nodes {
                waiting.extend(of_boot(&self.world, node, boot).context("the boot is over already")?);
            }
        }
        first.context("nothing was applied")
    }

    fn request(&mut self, job: &Job) -> anyhow::Result<()> {
        let tenant = match self.tenants.get(&job.user) {
            Some(tenant) => *tenant,
            None => {
                let Reply::Tenant(tenant) = self.tell(Input::AddTenant { name: format!("u{}", job.user) })?
                else {
                    bail!("no tenant was added")
                };
                self.tenants.insert(job.user, tenant);
                tenant
            }
        };
        self.now += 1;
        let key = self.now.to_string();
        let Reply::Lease(lease) = self.tell(Input::RequestLease { tenant, key, spec: spec(job) })? else {
            bail!("no lease was made")
        };
        self.asked.insert(lease, job.clone());
        self.started(lease);
        Ok(())
    }

    /// Notes when a lease that is active will be given back.
    fn started(&mut self, lease: LeaseId) {
        let active =
            self.world.leases.get(lease).is_some_and(|l| matches!(l.state, LeaseState::Active { .. }));
        if let Some(job) = self.asked.get(&lease).filter(|_| active) {
            self.ends.push(Reverse((self.now + job.run_ms, lease)));
        }
    }

    /// The next lease that ends is given back; for each that starts another one comes, so that as many wait as before.
    fn turn(&mut self, jobs: &[Job]) -> anyhow::Result<()> {
        let Some(Reverse((at, lease))) = self.ends.pop() else { bail!("no lease is active") };
        self.now = self.now.max(at);
        self.asked.remove(&lease);
        let waiting: Vec<_> = self.world.queue().iter().map(|lease| lease.id).collect();
        self.tell(Input::ReleaseLease { lease, author: "bench".into(), at_once: true })?;
        let is_active = |id: &LeaseId| self.world.leases.get(*id).is_some_and(|lease| !lease.is_queued());
        let started: Vec<_> = waiting.into_iter().filter(is_active).collect();
        for lease in &started {
            self.started(*lease);
        }
        for _ in started {
            let next = self.requests.len() % jobs.len();
            self.request(&jobs[next])?;
        }
        Ok(())
    }
}

fn spec(job: &Job) -> LeaseSpec {
    let arches = Arch::ALL.into_iter().zip(job.need).filter(|(_, count)| *count > 0);
    let members = arches.map(|(arch, count)| Member {
        role: arch.as_str().replace('_', "-"),
        count,
        at_most: None,
        arch: [arch].into(),
        pool: None,
        nodes: [].into(),
        image: "image".into(),
        constraint: None,
    });
    LeaseSpec {
        members: members.collect(),
        groupings: Vec::new(),
        duration_ms: job.limit_ms,
        max_wait_ms: PATIENCE_MS,
        purpose: String::new(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    }
}
