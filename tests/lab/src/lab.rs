//! A lab as a whole.

use crate::bmc;
use crate::command::run;
use crate::control;
use crate::controller::Controller;
use crate::guard::Guard;
use crate::layout::{self, Layout};
use crate::loaders;
use crate::machine::{Machine, chassis};
use crate::namespace::Namespace;
use crate::network::{self, Fault};
use crate::ramdisks::Ramdisks;
use crate::registration;
use crate::room::{Identity, RoomSpec, check_name};
use crate::setup::foreign::Foreign;
use crate::setup::tools;
use anyhow::{Context as _, bail};
use hostler_checkout::programs::Programs;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Who answers machines that boot from the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Server {
    /// `hostlerd`, which is told of the machines.
    #[default]
    Hostlerd,
    /// dnsmasq and nginx, for comparison. Machines are powered on, and what they say to them is recorded in
    /// `capture.pcap`.
    Control,
}

/// How a lab is made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What tells it from other labs on this host.
    pub name: String,
    /// Its machines.
    pub room: RoomSpec,
    /// Changes to the controller's configuration.
    pub settings: toml::Table,
    /// What its machines boot.
    pub ramdisks: Ramdisks,
    /// Who answers them.
    pub server: Server,
    /// The programs under test.
    pub programs: Programs,
}

impl Plan {
    /// A lab of `room` with the programs that cargo builds from this checkout.
    ///
    /// # Errors
    /// If they cannot be built.
    pub fn new(name: &str, room: RoomSpec) -> anyhow::Result<Self> {
        Ok(Self::with_programs(name, room, Programs::given_or_built()?))
    }

    /// A lab of `room` with these programs.
    #[must_use]
    pub fn with_programs(name: &str, room: RoomSpec, programs: Programs) -> Self {
        Self {
            name: name.to_owned(),
            room,
            settings: toml::Table::new(),
            ramdisks: Ramdisks::default(),
            server: Server::default(),
            programs,
        }
    }
}

/// A running lab. Dropped, it is taken down, unless it was left running or belongs to another process.
#[derive(Debug)]
pub struct Lab {
    name: String,
    dir: PathBuf,
    namespace: Namespace,
    machines: Vec<Machine>,
    controller: Controller,
    guard: Option<Guard>,
}

/// What other processes have to know of a lab.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    room: RoomSpec,
    programs: PathBuf,
}

const RECORD: &str = "lab.json";

impl Lab {
    /// Makes a lab: networks, BMCs, a controller that knows the machines. One of the same name is taken down first.
    /// When this returns, the controller is about to power the machines on to inspect them.
    ///
    /// # Errors
    /// If something that it needs is missing or does not start. Nothing is left behind then.
    pub fn up(plan: &Plan) -> anyhow::Result<Self> {
        check_name(&plan.name)?;
        plan.room.check()?;
        tools::check()?;
        let (layout, archs) = (Layout::new(), plan.room.architectures());
        let foreign = Foreign::new(&layout);
        let missing = foreign.missing(&archs);
        if !missing.is_empty() {
            bail!("not fetched yet: {}; --setup fetches them", missing.join(", "));
        }
        Self::down(&plan.name)?;
        let dir = layout.lab(&plan.name);
        // What a lab of this name left for whoever wanted to read it.
        let _ = fs::remove_dir_all(&dir);
        layout::make_dir(&dir)?;
        let guard = Guard::start(&plan.programs, &plan.name)?;
        let mut lab = Self::assemble(plan, dir)?;
        lab.guard = Some(guard);
        let boot = lab.controller.dir().join("boot");
        loaders::lay_out(&boot, &archs, &foreign)?;
        plan.ramdisks.lay_out(&boot, &archs, &layout, &foreign, &plan.programs)?;
        lab.start_networks()?;
        match plan.server {
            Server::Hostlerd => lab.start_controller(&plan.settings)?,
            Server::Control => lab.start_control(&boot, &foreign)?,
        }
        Ok(lab)
    }

    /// Writes down what the lab consists of.
    fn assemble(plan: &Plan, dir: PathBuf) -> anyhow::Result<Self> {
        let (sockets, program) = (layout::sockets(&plan.name), plan.programs.path("hostler-lab"));
        let machines = plan.room.identities().into_iter().map(|identity| {
            let own = dir.join("machines").join(&identity.spec.name);
            Machine::create(identity, &own, &sockets, &program)
        });
        let machines = machines.collect::<anyhow::Result<Vec<_>>>()?;
        layout::write(&dir.join("machines.toml"), registration::file(&plan.room.identities()))?;
        let record = Record { room: plan.room.clone(), programs: plan.programs.dir().to_owned() };
        layout::write(&dir.join(RECORD), serde_json::to_vec_pretty(&record)?)?;
        Ok(Self::of(&plan.name, dir, machines, plan.programs.clone()))
    }

    fn of(name: &str, dir: PathBuf, machines: Vec<Machine>, programs: Programs) -> Self {
        let namespace = Namespace::of(name);
        let controller = Controller::new(dir.join("controller"), namespace.clone(), programs);
        Self { name: name.to_owned(), dir, namespace, machines, controller, guard: None }
    }

    fn start_networks(&self) -> anyhow::Result<()> {
        crate::say("making the networks");
        network::create(&self.namespace, &self.identities())?;
        crate::say("starting the management controllers");
        self.machines.iter().try_for_each(|machine| bmc::start(&self.namespace, machine))
    }

    fn start_controller(&self, settings: &toml::Table) -> anyhow::Result<()> {
        let router = network::start_router(&self.namespace, &self.dir)?;
        crate::say("starting hostlerd");
        self.controller.create(settings)?;
        self.controller.start()?;
        // By now, those that could not start have ended.
        anyhow::ensure!(router.is_alive(), "dnsmasq ended; its log is router.log in {}", self.dir.display());
        for machine in &self.machines {
            let dir = machine.dir().join("bmc");
            anyhow::ensure!(bmc::process(machine).is_some(), "a BMC ended; its log is in {}", dir.display());
        }
        crate::say("registering the machines: hostler apply -f machines.toml");
        let file = self.dir.join("machines.toml");
        run(&mut self.hostler([OsStr::new("apply"), OsStr::new("-f"), file.as_os_str()])).map(|_| ())
    }

    fn start_control(&self, boot: &Path, foreign: &Foreign) -> anyhow::Result<()> {
        crate::say("starting dnsmasq and nginx in the place of hostlerd");
        let nginx = foreign.nginx();
        layout::exists(&nginx).context("it serves HTTP, and is fetched for rooms with an x86 machine")?;
        let servers = control::start(&self.namespace, &self.dir, boot, &nginx, &self.identities())?;
        for machine in &self.machines {
            self.press(machine, &["set", "boot", "pxe", "power", "1"])?;
        }
        let dir = self.dir.display();
        anyhow::ensure!(
            servers.iter().all(|server| server.is_alive()),
            "a server ended; its log is in {dir}"
        );
        Ok(())
    }

    fn identities(&self) -> Vec<Identity> {
        self.machines.iter().map(|machine| machine.identity.clone()).collect()
    }

    /// Presses buttons of a machine, from within the namespace that its network device is in.
    fn press(&self, machine: &Machine, words: &[&str]) -> anyhow::Result<()> {
        let mut chassis = self.namespace.command(&machine.program);
        run(chassis.arg("chassis").arg(machine.dir()).args(words)).map(|_| ())
    }

    /// The lab `name` that another process made.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(name: &str) -> anyhow::Result<Self> {
        check_name(name)?;
        let dir = Layout::new().lab(name);
        if !Namespace::of(name).exists() {
            bail!("there is no lab {name}; `cargo xtask lab up` makes one");
        }
        let text = fs::read(dir.join(RECORD)).with_context(|| format!("the lab {name} has no record"))?;
        let record: Record = serde_json::from_slice(&text)?;
        let machine = |spec: &crate::room::MachineSpec| Machine::load(&dir.join("machines").join(&spec.name));
        let machines = record.room.machines.iter().map(machine).collect::<anyhow::Result<_>>()?;
        let programs = Programs::in_dir(record.programs);
        Ok(Self::of(name, dir.clone(), machines, programs))
    }

    /// Takes the lab `name` down, whoever made it: every process, every device. What it recorded stays until a lab of
    /// this name is made again. Without effect if there is none.
    ///
    /// # Errors
    /// If a process does not end.
    pub fn down(name: &str) -> anyhow::Result<()> {
        check_name(name)?;
        Namespace::of(name).remove()?;
        let sockets = layout::sockets(name);
        if sockets.exists() {
            fs::remove_dir_all(&sockets).with_context(|| format!("cannot remove {}", sockets.display()))?;
        }
        Ok(())
    }

    /// Leaves it running when this process ends.
    ///
    /// # Errors
    /// If the guard cannot be told.
    pub fn keep(mut self) -> anyhow::Result<()> {
        self.guard.take().map_or(Ok(()), Guard::dismiss)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything that it records is in this directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its namespace, to run things in.
    #[must_use]
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its machines.
    #[must_use]
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// One machine.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn machine(&self, name: &str) -> anyhow::Result<&Machine> {
        let found = self.machines.iter().find(|machine| machine.name() == name);
        found.with_context(|| format!("the lab {} has no machine {name:?}", self.name))
    }

    /// The command line, as the administrator.
    #[must_use]
    pub fn hostler<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        self.controller.hostler(args)
    }

    /// What the command line answers for programs to words that are separated by single spaces.
    ///
    /// # Errors
    /// If it fails, or answers something else than JSON.
    pub fn hostler_json(&self, words: &str) -> anyhow::Result<Value> {
        let text = run(&mut self.hostler(words.split(' ').chain(["--output", "json"])))?;
        serde_json::from_str(&text).with_context(|| format!("hostler {words}: no JSON: {text}"))
    }

    /// The state of a node, as the controller has it now.
    ///
    /// # Errors
    /// If the controller does not answer or does not know it.
    pub fn node(&self, name: &str) -> anyhow::Result<Value> {
        self.hostler_json(&format!("node show {name}"))
    }

    /// Waits until a node is in one of `states`.
    ///
    /// # Errors
    /// If it is not in time; with its state and the end of its console.
    pub fn wait_for_state(&self, name: &str, states: &[&str], cap: Duration) -> anyhow::Result<Value> {
        let machine = self.machine(name)?;
        let what = format!("{name} to be {}", states.join(" or "));
        let waited = crate::wait::until(&what, cap, || {
            // The controller may be down on purpose.
            let Ok(node) = self.node(name) else { return Ok(None) };
            let reached = node["state"].as_str().is_some_and(|state| states.contains(&state));
            Ok(reached.then_some(node))
        });
        waited.with_context(|| {
            let state = self.node(name).map_or_else(|e| format!("{e:#}"), |node| node.to_string());
            format!("{state}\n{}", crate::console::tail(&machine.console(), 20))
        })
    }

    /// Waits until a machine has written `text` to its console since it was powered on.
    ///
    /// # Errors
    /// If it has not in time; with the end of what it wrote.
    pub fn wait_for_console(&self, name: &str, text: &str, cap: Duration) -> anyhow::Result<()> {
        let machine = self.machine(name)?;
        let what = format!("{text:?} on the console of {name}");
        crate::wait::until(&what, cap, || Ok(machine.console().contains(text).then_some(())))
            .with_context(|| crate::console::tail(&machine.console(), 20))
    }

    /// Waits until the agent runs on every machine, with whatever server; when that was first seen, in Unix time.
    ///
    /// # Errors
    /// If one does not boot.
    pub fn wait_for_agents(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        /// The first line of the agent.
        const UP: &str = "is init under Linux";
        /// For the slowest machine on a busy host.
        const CAP: Duration = Duration::from_secs(900);
        let mut up = BTreeMap::new();
        crate::wait::until("an agent on every machine", CAP, || {
            for machine in &self.machines {
                if !up.contains_key(machine.name()) && machine.console().contains(UP) {
                    let now = clock_gettime(ClockId::Realtime);
                    up.insert(machine.name().to_owned(), now.tv_sec as f64 + now.tv_nsec as f64 / 1e9);
                }
            }
            Ok((up.len() == self.machines.len()).then_some(()))
        })?;
        Ok(up)
    }

    /// Gives a machine power, as a hand on its button would. It starts its disk, or the network if that is empty.
    ///
    /// # Errors
    /// If there is no such machine, or its emulator does not start.
    pub fn power_on(&self, name: &str) -> anyhow::Result<()> {
        self.press(self.machine(name)?, &["set", "power", "1"])
    }

    /// Takes the power of a machine away, as if its plug was pulled.
    ///
    /// # Errors
    /// If there is no such machine, or its emulator does not end.
    pub fn power_off(&self, name: &str) -> anyhow::Result<()> {
        chassis::power_off(self.machine(name)?)
    }

    /// Ends the BMC of a machine; the machine goes on.
    ///
    /// # Errors
    /// If there is no such machine, or its BMC does not end.
    pub fn kill_bmc(&self, name: &str) -> anyhow::Result<()> {
        bmc::kill(self.machine(name)?)
    }

    /// Starts the BMC of a machine again.
    ///
    /// # Errors
    /// If there is no such machine, or its BMC does not start.
    pub fn start_bmc(&self, name: &str) -> anyhow::Result<()> {
        bmc::start(&self.namespace, self.machine(name)?)
    }

    /// Ends `hostlerd` as the loss of power would.
    ///
    /// # Errors
    /// If it does not end.
    pub fn kill_hostlerd(&self) -> anyhow::Result<()> {
        self.controller.kill()
    }

    /// Starts `hostlerd` again, and waits until it answers.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_hostlerd(&self) -> anyhow::Result<()> {
        self.controller.start()
    }

    /// Replaces the faults of the boot network by these; none heals it.
    ///
    /// # Errors
    /// If there is no such machine, or the kernel refuses.
    pub fn set_faults(&self, faults: &[(&str, Fault)]) -> anyhow::Result<()> {
        let named = faults.iter().map(|(name, fault)| Ok((&self.machine(name)?.identity, *fault)));
        network::set_faults(&self.namespace, &named.collect::<anyhow::Result<Vec<_>>>()?)
    }

    /// The controller's directory, with its configuration, credentials and log.
    #[must_use]
    pub fn controller_dir(&self) -> &Path {
        self.controller.dir()
    }

    /// What `hostlerd` logged.
    #[must_use]
    pub fn hostlerd_log(&self) -> PathBuf {
        self.controller.log()
    }

    /// True while `hostlerd` runs.
    #[must_use]
    pub fn has_hostlerd(&self) -> bool {
        self.controller.process().is_some()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take()
            && let Err(error) = Self::down(&self.name).and_then(|()| guard.dismiss())
        {
            eprintln!("lab {}: {error:#}", self.name);
        }
    }
}
