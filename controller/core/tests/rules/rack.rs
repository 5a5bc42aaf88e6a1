//! A small rack whose machines do as they are told, one word at a time, for telling what should happen when they do
//! not.

use crate::given::{bmc, disk, groupings, hello, image, members, name_of, proved, rows, spec, wiped};
use hostler_core::attempt::{Boot, EvidenceKind, PowerOutcome, Rung, Stage};
use hostler_core::boot::NetworkEvidence;
use hostler_core::course::Terms;
use hostler_core::event::Event;
use hostler_core::explain;
use hostler_core::hardware::Arch;
use hostler_core::ids::{LeaseId, NodeId, RunId, TenantId};
use hostler_core::input::{AdminAction, Effect, Input, PowerResult, Profile, Refusal, Reply, Report};
use hostler_core::lease::{LeaseSpec, LeaseState};
use hostler_core::node::{HoldKind, Inventory, Node, NodeSpec, StateName};
use hostler_core::order;
use hostler_core::run::RunSpec;
use hostler_core::tenancy::Setting;
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A world with one tenant and the image `fedora` for every architecture.
pub(crate) struct Rack {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
    /// What the agents read, where it is not simply what is registered and one blank disk.
    pub(crate) inventories: BTreeMap<String, Inventory>,
    /// What the BMCs report as system GUID.
    pub(crate) guids: BTreeMap<String, String>,
    powered: Vec<(String, Rung)>,
    events: Vec<Event>,
    keys: u32,
}

pub(crate) const TENANT: TenantId = TenantId(1);
pub(crate) const SECOND: u64 = 1_000;

impl Rack {
    pub(crate) fn new() -> Self {
        let mut rack = Self {
            world: World::new(Timing::default()),
            now: Timestamp(1_000_000 * SECOND),
            inventories: BTreeMap::new(),
            guids: BTreeMap::new(),
            powered: Vec::new(),
            events: Vec::new(),
            keys: 0,
        };
        rack.accept(Input::AddTenant { name: "kernel".into() });
        for arch in Arch::ALL {
            rack.accept(image("fedora", arch, "f0"));
        }
        rack
    }

    /// These machines, registered, wiped and ready. Each is written as "name [architecture] [pool]".
    pub(crate) fn with(machines: &[&str]) -> Self {
        let mut rack = Self::new();
        for machine in machines {
            rack.register(spec(machine));
        }
        for machine in machines {
            rack.work(name_of(machine), StateName::Ready);
        }
        rack.powered.clear();
        rack
    }

    /// The same, but their agents are not heard any more: whoever gets them has to boot them.
    pub(crate) fn with_cold(machines: &[&str]) -> Self {
        let mut rack = Self::with(machines);
        for machine in machines {
            rack.chill(name_of(machine));
        }
        rack
    }

    /// The agent of a machine that waits is not heard any more.
    #[track_caller]
    pub(crate) fn chill(&mut self, name: &str) {
        let lost = self.agent(name, Profile::Ramdisk, Report::Lost);
        self.accept(lost);
    }

    pub(crate) fn register(&mut self, spec: NodeSpec) {
        let bmc = bmc(&spec);
        self.accept(Input::Apply { author: "ada".into(), nodes: vec![(spec, bmc)] });
    }

    /// A second passes, and this happens.
    pub(crate) fn tell(&mut self, input: Input) -> Result<Reply, Refusal> {
        self.now = Timestamp(self.now.0 + SECOND);
        self.tell_at_once(input)
    }

    fn tell_at_once(&mut self, input: Input) -> Result<Reply, Refusal> {
        let outcome = self.world.apply(self.now, input);
        for Effect::Power { node, rung, .. } in outcome.effects {
            let name = self.world.nodes.get(node).map(|n| n.spec.name.clone()).unwrap_or_default();
            self.powered.push((name, rung));
        }
        self.events.extend(self.world.take_changes().into_iter().filter_map(|change| match change {
            Change::Event(event) => Some(event),
            _ => None,
        }));
        outcome.reply
    }

    #[track_caller]
    pub(crate) fn accept(&mut self, input: Input) -> Reply {
        match self.tell(input.clone()) {
            Ok(reply) => reply,
            Err(refusal) => panic!("{input:?} was refused: {refusal}"),
        }
    }

    #[track_caller]
    pub(crate) fn refuse(&mut self, input: Input) -> Refusal {
        match self.tell(input.clone()) {
            Ok(reply) => panic!("{input:?} was accepted: {reply:?}"),
            Err(refusal) => refusal,
        }
    }

    pub(crate) fn admin(&mut self, node: &str, action: AdminAction) -> Result<Reply, Refusal> {
        self.tell(Input::Admin { author: "ada".into(), node: node.into(), action })
    }

    #[track_caller]
    pub(crate) fn node(&self, name: &str) -> &Node {
        let mut nodes = self.world.nodes.values();
        nodes.rfind(|n| n.spec.name == name).unwrap_or_else(|| panic!("there is no node {name}"))
    }

    #[track_caller]
    pub(crate) fn id(&self, name: &str) -> NodeId {
        self.node(name).id
    }

    #[track_caller]
    pub(crate) fn state(&self, name: &str) -> StateName {
        self.node(name).state.name()
    }

    #[track_caller]
    pub(crate) fn boot(&self, name: &str) -> &Boot {
        self.node(name).state.boot().unwrap_or_else(|| panic!("{name} has no boot"))
    }

    #[track_caller]
    pub(crate) fn stage(&self, name: &str) -> Stage {
        self.boot(name).stage
    }

    pub(crate) fn holds(&self, name: &str) -> Vec<HoldKind> {
        self.node(name).holds.keys().copied().collect()
    }

    /// The power attempts since this was last asked.
    pub(crate) fn powered(&mut self) -> Vec<(String, Rung)> {
        std::mem::take(&mut self.powered)
    }

    /// The kinds of the events since this was last asked.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events).into_iter().map(|e| e.kind).collect()
    }

    /// The machine does its work, step by step, until its node is in this state.
    #[track_caller]
    pub(crate) fn work(&mut self, name: &str, until: StateName) {
        for _ in 0..40 {
            if self.state(name) == until {
                return;
            }
            self.word(name);
        }
        panic!("{name} does not become {until:?}: {:?}", self.node(name));
    }

    /// The machine is inspected and wiped; what happens to it then is another matter.
    #[track_caller]
    pub(crate) fn clean(&mut self, name: &str) {
        for _ in 0..40 {
            if !matches!(self.state(name), StateName::Inspecting | StateName::Cleaning) {
                return;
            }
            self.word(name);
        }
        panic!("{name} does not become clean: {:?}", self.node(name));
    }

    /// The machine does its work until its agent is to do this.
    #[track_caller]
    pub(crate) fn work_to(&mut self, name: &str, until: Stage) {
        for _ in 0..20 {
            if self.stage(name) >= until {
                return;
            }
            self.word(name);
        }
        panic!("{name} does not come to {until:?}: {:?}", self.node(name));
    }

    /// The machine's next word, which is accepted.
    #[track_caller]
    pub(crate) fn word(&mut self, name: &str) {
        let input = self.next_word(name);
        self.accept(input);
    }

    /// What a machine that works says next.
    #[track_caller]
    pub(crate) fn next_word(&self, name: &str) -> Input {
        let node = self.node(name);
        let boot = self.boot(name);
        let task = order::task_id(boot);
        let ramdisk = |report| self.agent(name, Profile::Ramdisk, report);
        match (&boot.power, boot.stage) {
            (PowerOutcome::Waiting, _) => panic!("{name} waits to be powered on"),
            (PowerOutcome::Outstanding, _) => self.ack(name),
            (_, Stage::Firmware) if boot.seen(EvidenceKind::Dhcp).is_none() => {
                self.network(name, NetworkEvidence::Dhcp)
            }
            (_, Stage::Firmware) if boot.seen(EvidenceKind::Script).is_none() => {
                self.network(name, NetworkEvidence::Script)
            }
            (_, Stage::Firmware) => self.enrol(name),
            (_, Stage::Enrolled) => ramdisk(hello(0, &[])),
            (_, Stage::Inspect) => ramdisk(Report::Inspected { task, inventory: self.inventory(name) }),
            (_, Stage::Wipe) => ramdisk(Report::Wiped { task, disks: wiped(node) }),
            (_, Stage::Prove) => {
                ramdisk(Report::Proved { task, took_ms: 60_000, checks: vec![proved(None)] })
            }
            (_, Stage::Deploy) => {
                let sha256 = order::image_of(&self.world, node.id)
                    .map(|i| i.content.sha256.clone())
                    .unwrap_or_default();
                ramdisk(Report::Deployed { task, sha256, host_keys: Vec::new() })
            }
            (_, Stage::Start | Stage::Deployed) => self.agent(name, Profile::Tenant, hello(1, &[])),
            (_, Stage::Idle) => panic!("{name} has nothing to do: {node:?}"),
        }
    }

    /// An agent of the node's present boot.
    pub(crate) fn agent(&self, name: &str, profile: Profile, report: Report) -> Input {
        Input::Agent { node: self.id(name), boot: self.boot(name).id, profile, report }
    }

    pub(crate) fn ack(&self, name: &str) -> Input {
        let guid = self.guids.get(name).cloned();
        self.answer(name, PowerResult::Acknowledged { guid, detail: "on".into() })
    }

    pub(crate) fn answer(&self, name: &str, result: PowerResult) -> Input {
        Input::Power { node: self.id(name), boot: self.boot(name).id, result }
    }

    /// Nothing is heard of it where it waits, and its BMC refuses the account: it fails.
    #[track_caller]
    pub(crate) fn fail(&mut self, name: &str) {
        self.wait_for(name);
        let denied = self.answer(name, PowerResult::Denied { detail: "no".into() });
        self.accept(denied);
        assert_eq!(self.state(name), StateName::Failed);
    }

    pub(crate) fn network(&self, name: &str, evidence: NetworkEvidence) -> Input {
        let began = Timestamp(self.now.0 + SECOND / 2);
        Input::Network { node: self.id(name), evidence, began, detail: "seen".into() }
    }

    pub(crate) fn enrol(&self, name: &str) -> Input {
        let spec = &self.node(name).spec;
        Input::Enrol {
            boot: self.boot(name).id,
            node: self.id(name),
            mac: spec.mac,
            address: IpAddr::V4(spec.address),
            key: format!("key of {name}"),
        }
    }

    /// What the machine's agent reads.
    pub(crate) fn inventory(&self, name: &str) -> Inventory {
        let spec = &self.node(name).spec;
        let known = self.inventories.get(name).cloned();
        known.unwrap_or_else(|| Inventory {
            serial: spec.serial.clone().unwrap_or_default(),
            uuid: spec.uuid.clone().unwrap_or_default(),
            disks: vec![disk("D1", true)],
            ..Inventory::default()
        })
    }

    /// Nothing happens until the next deadline has passed.
    pub(crate) fn wait(&mut self) {
        let next = self.world.next_deadline().unwrap_or(self.now);
        self.wait_ms(next.since(self.now).as_millis().try_into().expect("a time that comes"));
    }

    /// Nothing happens for so long.
    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.now = Timestamp(self.now.0 + ms);
        self.tell_at_once(Input::Tick).expect("time is never refused");
    }

    /// Nothing happens until the node's present wait is over.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, name: &str) {
        let before = self.node(name).clone();
        for _ in 0..100 {
            self.wait();
            if *self.node(name) != before {
                return;
            }
        }
        panic!("{name} waits for ever: {before:?}");
    }

    /// Asks for a group, in the words of [`members`].
    pub(crate) fn ask(&mut self, request: &str) -> Input {
        self.keys += 1;
        let spec = LeaseSpec {
            members: members(request),
            groupings: groupings(request),
            duration_ms: 3600 * SECOND,
            max_wait_ms: 7200 * SECOND,
            purpose: "a test".into(),
            ssh_keys: Vec::new(),
            terms: Terms::default(),
        };
        Input::RequestLease { tenant: TENANT, key: format!("key {}", self.keys), spec }
    }

    #[track_caller]
    pub(crate) fn lease(&mut self, request: &str) -> LeaseId {
        self.lease_as(request, |_, _| ())
    }

    /// Asks for a group in other words.
    pub(crate) fn ask_as(
        &mut self,
        request: &str,
        change: impl FnOnce(&mut TenantId, &mut LeaseSpec),
    ) -> Input {
        let Input::RequestLease { mut tenant, key, mut spec } = self.ask(request) else {
            panic!("no request")
        };
        change(&mut tenant, &mut spec);
        Input::RequestLease { tenant, key, spec }
    }

    #[track_caller]
    pub(crate) fn lease_as(
        &mut self,
        request: &str,
        change: impl FnOnce(&mut TenantId, &mut LeaseSpec),
    ) -> LeaseId {
        let input = self.ask_as(request, change);
        match self.accept(input) {
            Reply::Lease(id) => id,
            other => panic!("asked for a lease, got {other:?}"),
        }
    }

    /// An administrator says what the tenant may have.
    #[track_caller]
    pub(crate) fn set(&mut self, settings: &[Setting]) {
        let settings = settings.to_vec();
        self.accept(Input::SetTenant { author: "ada".into(), name: "kernel".into(), settings });
    }

    /// Why the lease is in the state it is in.
    #[track_caller]
    pub(crate) fn why(&self, lease: LeaseId) -> String {
        explain::lease(&self.world, self.world.leases.get(lease).expect("it is remembered"))
    }

    /// A lease whose machines have all come up.
    #[track_caller]
    pub(crate) fn active(&mut self, request: &str) -> LeaseId {
        let lease = self.lease(request);
        for name in self.group(lease) {
            self.work(&name, StateName::Leased);
        }
        lease
    }

    pub(crate) fn release(&mut self, lease: LeaseId) {
        self.accept(Input::ReleaseLease { lease, author: "kim".into(), at_once: false });
    }

    #[track_caller]
    pub(crate) fn lease_state(&self, lease: LeaseId) -> &LeaseState {
        &self.world.leases.get(lease).unwrap_or_else(|| panic!("{lease:?} is forgotten")).state
    }

    /// The names of the nodes that the lease has, slot by slot.
    #[track_caller]
    pub(crate) fn group(&self, lease: LeaseId) -> Vec<String> {
        let lease = self.world.leases.get(lease).unwrap_or_else(|| panic!("{lease:?} is forgotten"));
        let name = |id| self.world.nodes.get(id).map(|n| n.spec.name.clone()).unwrap_or_default();
        lease.group().iter().map(|a| name(a.node)).collect()
    }

    pub(crate) fn start_run(&self, lease: LeaseId, key: &str) -> Input {
        let spec = RunSpec {
            role: String::new(),
            command: vec!["/bin/true".into()],
            environment: BTreeMap::new(),
            timeout_ms: None,
            junit: Vec::new(),
            stdin_sha256: String::new(),
        };
        Input::StartRun { lease, key: key.into(), spec }
    }

    #[track_caller]
    pub(crate) fn run(&mut self, lease: LeaseId, key: &str) -> RunId {
        let input = self.start_run(lease, key);
        match self.accept(input) {
            Reply::Run(id) => id,
            other => panic!("asked for a run, got {other:?}"),
        }
    }

    /// `kill -9` and a new start: the world as a store that keeps every row would give it.
    pub(crate) fn restart(&mut self) {
        let mut loaded = World::new(self.world.timing.clone());
        let rows = rows(&self.world);
        loaded.restore(rows);
        self.world = loaded;
        self.accept(Input::Started);
    }
}
