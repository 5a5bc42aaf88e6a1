//! A machine as it really is: what is on its disks, what it runs, and what it therefore says.
//!
//! What is written here is the truth of a history, against which the world's opinion is held. A machine obeys: it
//! boots what [`boot::decide`] says and does what [`order`] says, and now and then it breaks.

use crate::random::Random;
use hostler_core::boot::{self, BootPlan, NetworkEvidence};
use hostler_core::catalogue::{Image, Kind};
use hostler_core::ids::{BootId, LeaseId, NodeId, RunId};
use hostler_core::input::{Blame, Input, Profile, Report};
use hostler_core::node::{Disk, DiskWipe, Inventory, Node, NodeSpec, NodeState, Presence};
use hostler_core::order::{self, Order, RunOrder};
use hostler_core::record::Check;
use hostler_core::run::TaskResult;
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What the digest of an image begins with that hardly ever can be deployed.
pub(crate) const BROKEN: &str = "b";

/// A machine as it really is.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// As a truthful registration would have it.
    pub(crate) hardware: NodeSpec,
    /// What its BMC says that it is.
    pub(crate) guid: Option<String>,
    pub(crate) disks: Vec<Platter>,
    pub(crate) running: Running,
    /// The network does not reach it.
    pub(crate) cut: bool,
    /// Its firmware does not start.
    pub(crate) dead: bool,
    /// An administrator agreed to lose what was on it.
    pub(crate) approved: bool,
    pub(crate) installed: Option<Installed>,
    /// The boot in which it was last wiped and read back.
    pub(crate) wiped_in: Option<BootId>,
    /// The last boot that was ordered before the last tenant left it.
    pub(crate) vacated: Option<BootId>,
    /// How often a payload was started, by run.
    pub(crate) started: BTreeMap<RunId, u32>,
    /// What must never happen to a machine, and did.
    pub(crate) violation: Option<String>,
}

/// A disk and what is on it.
#[derive(Clone, Debug)]
pub(crate) struct Platter {
    pub(crate) disk: Disk,
    pub(crate) content: Content,
    /// This boot does not see it.
    pub(crate) hidden: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Blank,
    /// Was there before anybody registered the machine.
    Precious,
    /// Came with an image, or from the payloads of this lease.
    Of(LeaseId),
    /// An image that was written ahead.
    Ahead,
}

/// The deployed system.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    /// It ends with the power, or a restart.
    in_memory: bool,
    boot: BootId,
    node: NodeId,
    lease: LeaseId,
    starts: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Running {
    Off,
    /// It has done this many of: DHCP, TFTP, boot script.
    Firmware(u8),
    Ramdisk {
        boot: BootId,
        node: NodeId,
        key: String,
        contact: Contact,
    },
    Deployed {
        boot: BootId,
        node: NodeId,
        incarnation: u32,
        runs: BTreeSet<RunId>,
        contact: Contact,
    },
}

/// How far an agent is with the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    Enrolling,
    Enrolled,
    Connected,
    Refused,
}

/// What a machine sees of the rest.
pub(crate) struct Surroundings<'a> {
    /// As published.
    pub(crate) world: &'a World,
    pub(crate) now: Timestamp,
    /// How often something breaks, in a thousand.
    pub(crate) faults: u64,
}

impl Surroundings<'_> {
    /// The deployed system's agent speaks, and the controller takes its machine for restarting.
    fn misses(&self, node: NodeId) -> bool {
        let absent = |n: &Node| n.agent == Presence::Absent && n.runs_deployed_system();
        self.world.nodes.get(node).is_some_and(absent)
    }
}

impl Machine {
    pub(crate) fn name(&self) -> &str {
        &self.hardware.name
    }

    /// Somebody pressed the button.
    pub(crate) fn reset(&mut self) {
        self.forget();
        self.running = if self.dead { Running::Off } else { Running::Firmware(0) };
    }

    /// Somebody held the button.
    pub(crate) fn power_off(&mut self) {
        self.forget();
        self.running = Running::Off;
    }

    /// What was in memory is gone.
    fn forget(&mut self) {
        self.installed.take_if(|installed| installed.in_memory);
    }

    /// The agent that it runs, if that is connected.
    pub(crate) fn connection(&self) -> Option<(NodeId, BootId, Profile)> {
        match &self.running {
            Running::Ramdisk { boot, node, contact: Contact::Connected, .. } => {
                Some((*node, *boot, Profile::Ramdisk))
            }
            Running::Deployed { boot, node, contact: Contact::Connected, .. } => {
                Some((*node, *boot, Profile::Tenant))
            }
            _ => None,
        }
    }

    /// The controller does not answer any more: its agent will say hello again.
    pub(crate) fn disconnect(&mut self) {
        if let Running::Ramdisk { contact, .. } | Running::Deployed { contact, .. } = &mut self.running
            && *contact == Contact::Connected
        {
            *contact = Contact::Enrolled;
        }
    }

    /// Its next step, and what the controller hears of it.
    pub(crate) fn act(&mut self, see: &Surroundings<'_>, random: &mut Random) -> Vec<Input> {
        if self.cut {
            return Vec::new();
        }
        if random.chance(see.faults / 4) {
            self.break_down(random);
            return Vec::new();
        }
        match self.running.clone() {
            Running::Off => Vec::new(),
            Running::Firmware(step) => self.firmware(step, see, random),
            Running::Ramdisk { boot, node, key, contact } => match contact {
                Contact::Enrolling => vec![self.enrol(boot, node, key, see)],
                Contact::Enrolled => vec![says(node, boot, Profile::Ramdisk, hello(0, []))],
                Contact::Connected => self.obey(node, boot, see, random),
                Contact::Refused => Vec::new(),
            },
            Running::Deployed { boot, node, incarnation, runs, contact } => match contact {
                Contact::Connected if see.misses(node) => {
                    vec![says(node, boot, Profile::Tenant, Report::Back)]
                }
                Contact::Connected => self.pay(node, boot, see, random),
                _ => vec![says(node, boot, Profile::Tenant, hello(incarnation, runs))],
            },
        }
    }

    /// What its last words led to.
    pub(crate) fn answered(&mut self, input: &Input, accepted: bool) {
        let (boot, next) = match input {
            Input::Enrol { boot, .. } if accepted => (boot, Contact::Enrolled),
            Input::Enrol { boot, .. } => (boot, Contact::Refused),
            Input::Agent { boot, report: Report::Hello { .. }, .. } if accepted => (boot, Contact::Connected),
            _ => return,
        };
        match &mut self.running {
            Running::Ramdisk { boot: mine, contact, .. } | Running::Deployed { boot: mine, contact, .. }
                if *mine == *boot && *contact != Contact::Connected =>
            {
                *contact = next;
            }
            _ => {}
        }
    }

    fn break_down(&mut self, random: &mut Random) {
        self.forget();
        self.running = match random.below(3) {
            0 => Running::Off,
            _ => Running::Firmware(0),
        };
    }

    fn firmware(&mut self, step: u8, see: &Surroundings<'_>, random: &mut Random) -> Vec<Input> {
        let Some(node) = see.world.node_by_mac(self.hardware.mac) else { return Vec::new() };
        let evidence = match step {
            0 => NetworkEvidence::Dhcp,
            1 => NetworkEvidence::Tftp,
            _ => NetworkEvidence::Script,
        };
        let began = Timestamp(see.now.0.saturating_sub(random.below(50)));
        let detail = format!("{} of {}", node.spec.address, self.name());
        let seen = Input::Network { node: node.id, evidence, began, detail };
        if step < 2 {
            self.running = Running::Firmware(step + 1);
            return vec![seen];
        }
        match boot::decide(node) {
            BootPlan::Ramdisk { boot, arch } => {
                if arch != self.hardware.arch {
                    self.violation = Some(format!("{} was given a kernel for {arch}", self.name()));
                }
                self.hide_disks(node.inventory.is_some(), see, random);
                let key = format!("{:016x}", random.next());
                self.running = Running::Ramdisk { boot, node: node.id, key, contact: Contact::Enrolling };
            }
            BootPlan::LocalDisk { .. } => {
                if order::image_of(see.world, node.id).is_some_and(is_diskless) {
                    self.violation =
                        Some(format!("{} was sent to its disk, which has no system", self.name()));
                }
                self.hide_disks(true, see, random);
                self.start_installed();
            }
            BootPlan::Wait { .. } => {}
        }
        vec![seen]
    }

    /// A boot may not see every disk. Those of a machine that nobody has looked at yet, or that somebody has just
    /// repaired, are all there.
    fn hide_disks(&mut self, known: bool, see: &Surroundings<'_>, random: &mut Random) {
        for platter in self.disks.iter_mut().skip(1) {
            platter.hidden = known && random.chance(see.faults * 2);
        }
    }

    fn start_installed(&mut self) {
        let Some(installed) = &mut self.installed else {
            self.running = Running::Off;
            return;
        };
        installed.starts += 1;
        let (boot, node, lease) = (installed.boot, installed.node, installed.lease);
        let incarnation = installed.starts;
        let hardware = &self.hardware;
        for platter in self.disks.iter_mut().filter(|p| p.may_be_wiped(&hardware.keep_disks)) {
            if platter.content == Content::Ahead {
                let (name, path) = (&hardware.name, &platter.disk.path);
                self.violation = Some(format!("{name} starts with what was written ahead to {path}"));
            }
            if let Content::Of(former) = platter.content
                && former != lease
            {
                let (name, path) = (&hardware.name, &platter.disk.path);
                self.violation =
                    Some(format!("invariant 3: lease {lease} finds what {former} left on {path} of {name}"));
            }
            platter.content = Content::Of(lease);
        }
        let runs = BTreeSet::new();
        self.running = Running::Deployed { boot, node, incarnation, runs, contact: Contact::Enrolled };
    }

    fn enrol(&self, boot: BootId, node: NodeId, key: String, see: &Surroundings<'_>) -> Input {
        let spec = see.world.nodes.get(node).map_or(&self.hardware, |n| &n.spec);
        Input::Enrol { boot, node, mac: self.hardware.mac, address: IpAddr::V4(spec.address), key }
    }

    /// What the ramdisk agent does.
    fn obey(
        &mut self,
        node: NodeId,
        boot: BootId,
        see: &Surroundings<'_>,
        random: &mut Random,
    ) -> Vec<Input> {
        let world = see.world;
        let current = world.nodes.get(node).is_some_and(|n| n.current(boot).is_some());
        let Some((task, order)) = order::for_ramdisk(world, node).filter(|_| current) else {
            return Vec::new();
        };
        let say = |report| says(node, boot, Profile::Ramdisk, report);
        if random.chance(see.faults / 4) {
            return vec![say(Report::Failed {
                task,
                reason: "the disk answers with errors".into(),
                blame: Blame::Machine,
            })];
        }
        match order {
            Order::Inspect => vec![say(Report::Inspected { task, inventory: self.inventory() })],
            Order::Wipe { keep } => {
                let sloppy = random.chance(see.faults / 4);
                vec![say(Report::Wiped { task, disks: self.wipe(&keep, boot, sloppy) })]
            }
            Order::Prove { .. } => {
                vec![say(Report::Proved { task, took_ms: 1, checks: burn_in(see, random) })]
            }
            Order::WriteAhead { image, keep } => {
                if random.chance(see.faults) {
                    let reason = "the server answers with errors".into();
                    return vec![say(Report::Failed { task, reason, blame: Blame::Machine })];
                }
                self.write_ahead(&keep);
                vec![say(Report::WrittenAhead { task, sha256: image.content.sha256.clone() })]
            }
            Order::Deploy { image, .. }
                if image.content.sha256.starts_with(BROKEN) && random.chance(see.faults * 20) =>
            {
                let reason = "the image does not fit".into();
                vec![say(Report::Failed { task, reason, blame: Blame::Machine })]
            }
            Order::Deploy { image, .. } => {
                self.clear(see.world.nodes.get(node).map_or(0, |n| n.leftover_bytes));
                self.write_image(node, boot, world, is_diskless(image));
                let wrong = random.chance(see.faults / 4);
                let sha256 = if wrong { "0bad".to_owned() } else { image.content.sha256.clone() };
                vec![say(Report::SignRequest), say(Report::Deployed { task, sha256, host_keys: Vec::new() })]
            }
            Order::Start(_) => {
                self.start_installed();
                Vec::new()
            }
        }
    }

    /// It goes to the last disk: an image that is deployed goes to the first one.
    fn write_ahead(&mut self, keep: &[String]) {
        let keep = keep.iter().cloned().collect();
        let disk = self.disks.iter_mut().rfind(|p| p.may_be_wiped(&keep));
        if let Some(platter) = disk.filter(|p| p.content == Content::Blank) {
            platter.content = Content::Ahead;
        }
    }

    /// What was written ahead has to go, if the agent is told that there may be something.
    fn clear(&mut self, bytes: u64) {
        for platter in self.disks.iter_mut().filter(|p| bytes > 0 && p.content == Content::Ahead) {
            platter.content = Content::Blank;
        }
    }

    fn write_image(&mut self, node: NodeId, boot: BootId, world: &World, in_memory: bool) {
        let Some(NodeState::Deploying { lease, .. } | NodeState::Leased { lease, .. }) =
            world.nodes.get(node).map(|n| &n.state)
        else {
            return;
        };
        self.installed = Some(Installed { in_memory, boot, node, lease: *lease, starts: 0 });
        if in_memory {
            return;
        }
        for platter in self.disks.iter_mut().filter(|p| !p.disk.remote && !p.hidden).take(1) {
            platter.content = Content::Of(*lease);
        }
    }

    fn wipe(&mut self, keep: &[String], boot: BootId, sloppy: bool) -> Vec<DiskWipe> {
        let mut wipes = Vec::new();
        let keep = keep.iter().cloned().collect();
        for platter in self.disks.iter_mut().filter(|p| p.may_be_wiped(&keep)) {
            if platter.content == Content::Precious && !self.approved {
                self.violation = Some(format!("{} was wiped though nobody agreed", self.hardware.name));
            }
            if !sloppy {
                platter.content = Content::Blank;
            }
            wipes.push(DiskWipe {
                serial: platter.disk.serial.clone(),
                path: platter.disk.path.clone(),
                method: "zeros".into(),
                verified: !sloppy,
                ..DiskWipe::default()
            });
        }
        self.installed = None;
        if !sloppy || wipes.is_empty() {
            self.wiped_in = Some(boot);
        }
        wipes
    }

    fn inventory(&self) -> Inventory {
        let disk = |p: &Platter| Disk { blank: p.content == Content::Blank, ..p.disk.clone() };
        Inventory {
            serial: self.hardware.serial.clone().unwrap_or_default(),
            uuid: self.hardware.uuid.clone().unwrap_or_default(),
            cpus: 8,
            cpu_cores: 4,
            disks: self.disks.iter().filter(|p| !p.hidden).map(disk).collect(),
            ..Inventory::default()
        }
    }

    /// What the deployed system's agent does about payloads.
    fn pay(&mut self, node: NodeId, boot: BootId, see: &Surroundings<'_>, random: &mut Random) -> Vec<Input> {
        let current = see.world.nodes.get(node).is_some_and(|n| n.current(boot).is_some());
        let orders = if current { order::for_tenant(see.world, node) } else { Vec::new() };
        let say = |report| says(node, boot, Profile::Tenant, report);
        let Running::Deployed { runs, .. } = &mut self.running else { return Vec::new() };
        for order in &orders {
            match order {
                RunOrder::Start(run) if runs.insert(run.id) => {
                    let times = self.started.entry(run.id).or_default();
                    *times += 1;
                    if *times > 1 {
                        self.violation = Some(format!("run {} was started {times} times", run.id));
                    }
                    if random.chance(see.faults) {
                        // The payload brings the machine down before anybody hears of it.
                        self.running = Running::Firmware(0);
                        return Vec::new();
                    }
                    return vec![say(Report::RunStarted { run: run.id })];
                }
                RunOrder::Stop(run, why) => {
                    runs.insert(*run);
                    let result = TaskResult { killed: (*why).to_owned(), ..TaskResult::default() };
                    return vec![say(Report::RunFinished { run: *run, result })];
                }
                RunOrder::Start(_) => {}
            }
        }
        let running: Vec<_> = runs.iter().copied().collect();
        match random.pick(&running) {
            Some(run) if random.chance(300) => {
                let exit_code = i32::from(random.chance(300));
                vec![say(Report::RunFinished {
                    run: *run,
                    result: TaskResult { exit_code, ..TaskResult::default() },
                })]
            }
            _ => Vec::new(),
        }
    }
}

impl Platter {
    /// It is a local disk that this boot sees, and nobody said to keep it.
    fn may_be_wiped(&self, keep: &BTreeSet<String>) -> bool {
        !self.hidden && !self.disk.remote && !keep.contains(&self.disk.serial)
    }
}

pub(crate) fn says(node: NodeId, boot: BootId, profile: Profile, report: Report) -> Input {
    Input::Agent { node, boot, profile, report }
}

fn hello(incarnation: u32, runs: impl IntoIterator<Item = RunId>) -> Report {
    Report::Hello { incarnation, runs: runs.into_iter().collect(), proves: true }
}

/// What a burn-in finds, now and then.
fn burn_in(see: &Surroundings<'_>, random: &mut Random) -> Vec<Check> {
    let passed = !random.chance(see.faults);
    vec![Check { part: "memory".into(), passed, detail: "a pattern was written and read".into() }]
}

const fn is_diskless(image: &Image) -> bool {
    matches!(image.content.kind, Kind::Diskless { .. })
}
