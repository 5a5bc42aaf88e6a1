//! Enrolment, and what agents report. Every report is for one boot, and only the present boot's agent is believed.

use super::Result;
use crate::attempt::{EvidenceKind, Phase, PowerOutcome, Stage};
use crate::catalogue::ImageStatus;
use crate::event::Severity;
use crate::hardware::Mac;
use crate::ids::{BootId, NodeId};
use crate::input::{DiskWipe, Profile, Refusal, Reply, Report};
use crate::node::{Disk, FirstWipe, HoldKind, Inventory, Node, NodeState, Presence};
use crate::order;
use crate::world::World;
use std::net::IpAddr;

impl World {
    pub(super) fn on_enrol(
        &mut self,
        boot: BootId,
        id: NodeId,
        mac: Mac,
        address: IpAddr,
        key: String,
    ) -> Result {
        match self.check_enrolment(boot, id, mac, address, &key) {
            Ok(()) => {
                let now = self.meta.now;
                if let Some(b) = self.current_mut(id, boot).and_then(|n| n.state.boot_mut()) {
                    b.key = Some(key);
                    b.stage = b.stage.max(Stage::Enrolled);
                    b.witness(EvidenceKind::Enrolled, &address.to_string(), now);
                }
                Ok(Reply::Done)
            }
            Err(why) => {
                let name = self.nodes.get(id).map_or_else(|| id.to_string(), |n| n.spec.name.clone());
                let message = format!("token of boot {boot} of {name} from {address} refused: {why}");
                self.tell(Severity::Incident, "token-refused", id, message);
                Err(Refusal::Forbidden(format!("token refused: {why}")))
            }
        }
    }

    fn check_enrolment(
        &self,
        boot: BootId,
        id: NodeId,
        mac: Mac,
        address: IpAddr,
        key: &str,
    ) -> std::result::Result<(), String> {
        let node = self.nodes.get(id).ok_or("there is no such node")?;
        let current = node.current(boot).ok_or("a newer boot was ordered")?;
        if node.spec.mac != mac {
            return Err(format!("it was made for the Ethernet address {mac}"));
        }
        if IpAddr::V4(node.spec.address) != address {
            return Err(format!("it may only be used from {}", node.spec.address));
        }
        if current.power == PowerOutcome::Outstanding {
            return Err("its power attempt is not answered yet".into());
        }
        if current.token_expires < self.meta.now {
            return Err("it has expired".into());
        }
        if current.key.as_deref().is_some_and(|known| known != key) {
            return Err("it was used with another key".into());
        }
        if current.stage > Stage::Idle
            || matches!(node.state, NodeState::Ready { .. }) && current.key.is_none()
        {
            return Err("its boot is past enrolment".into());
        }
        Ok(())
    }

    pub(super) fn on_agent(&mut self, id: NodeId, boot: BootId, profile: Profile, report: Report) -> Result {
        let stage =
            self.nodes.get(id).and_then(|n| n.current(boot)).map(|b| b.stage).ok_or_else(|| {
                Refusal::Forbidden(format!("boot {boot} is over: a newer boot was ordered"))
            })?;
        let speaks = match profile {
            Profile::Ramdisk => stage >= Stage::Enrolled && stage < Stage::Deployed,
            Profile::Tenant => stage >= Stage::Start,
        };
        if !speaks {
            let text = format!("boot {boot} does not expect an agent of the profile {}", profile.as_str());
            return Err(Refusal::Forbidden(text));
        }
        match (profile, report) {
            (Profile::Ramdisk, Report::Lost) if stage == Stage::Start => self.on_left_ramdisk(id),
            (_, Report::Lost) => self.on_lost(id),
            (_, Report::Back) => self.on_heard(id),
            (Profile::Ramdisk, Report::Hello { .. }) => self.on_ramdisk_hello(id),
            (Profile::Ramdisk, Report::Inspected { task, inventory }) => {
                self.on_inspected(id, task, inventory)
            }
            (Profile::Ramdisk, Report::Wiped { task, disks }) => self.on_wiped(id, task, &disks),
            (Profile::Ramdisk, Report::SignRequest) => self.on_sign_request(id),
            (Profile::Ramdisk, Report::Deployed { task, sha256 }) => self.on_deployed(id, task, &sha256),
            (Profile::Ramdisk, Report::Failed { task, reason }) => self.on_step_failed(id, task, &reason),
            (Profile::Tenant, Report::Hello { incarnation, runs }) => {
                self.on_tenant_hello(id, boot, incarnation, &runs)
            }
            (Profile::Tenant, Report::RunStarted { run }) => self.on_run_started(id, run),
            (Profile::Tenant, Report::RunFinished { run, result }) => self.on_run_finished(id, run, result),
            (profile, _) => Err(Refusal::Forbidden(format!(
                "an agent of the profile {} may not report this",
                profile.as_str()
            ))),
        }
    }

    fn on_ramdisk_hello(&mut self, id: NodeId) -> Result {
        let (now, inspect) = (self.meta.now, self.within(self.timing.inspect_ms));
        self.on_heard(id)?;
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        let Some(boot) = node.state.boot_mut() else { return Ok(Reply::Done) };
        if boot.stage == Stage::Enrolled {
            let from = boot.last_end();
            boot.spend(Phase::Agent, from, now);
            boot.witness(EvidenceKind::Hello, "ramdisk agent", now);
            boot.stage = Stage::Inspect;
            node.deadline = inspect;
        }
        Ok(Reply::Done)
    }

    /// True if `task` is what the node is told to do now; else the report is of something that is over.
    fn is_ordered(&self, id: NodeId, task: u64, stage: Stage) -> bool {
        self.nodes
            .get(id)
            .and_then(|n| n.state.boot())
            .is_some_and(|b| b.stage == stage && order::task_id(b) == task)
    }

    fn on_inspected(&mut self, id: NodeId, task: u64, inventory: Inventory) -> Result {
        if !self.is_ordered(id, task, Stage::Inspect) {
            return Ok(Reply::Done);
        }
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        let verdict = identity(node, &inventory);
        node.inventory = Some(inventory);
        if let Err(mismatch) = verdict {
            self.other_machine(id, mismatch);
            return Ok(Reply::Done);
        }
        let Some(boot) = node.state.boot_mut() else { return Ok(Reply::Done) };
        let from = boot.last_end();
        boot.spend(Phase::Inspect, from, now);
        boot.witness(EvidenceKind::Identity, "as registered", now);
        boot.stage = Stage::Idle;
        match node.state.clone() {
            NodeState::Inspecting { boot } => {
                node.enter(NodeState::Cleaning { boot, lease: None }, now, None);
                self.consider_wipe(id);
            }
            NodeState::Cleaning { .. } => self.consider_wipe(id),
            NodeState::Deploying { .. } => self.advance(id, Stage::Deploy, self.timing.deploy_ms),
            _ => {}
        }
        Ok(Reply::Done)
    }

    /// What the agent read is not what is registered: this is another machine, and nothing is done to it.
    fn other_machine(&mut self, id: NodeId, mismatch: String) {
        let read = self.nodes.get(id).and_then(|n| n.inventory.as_ref()).map(|i| i.serial.clone());
        let twin = self
            .nodes
            .values()
            .find(|n| n.id != id && n.in_service() && n.spec.serial.is_some() && n.spec.serial == read)
            .map(|n| (n.id, n.spec.name.clone()));
        let twin_name =
            twin.as_ref().map(|(_, name)| format!("; {name} is registered with it")).unwrap_or_default();
        if let Some((twin, name)) = twin {
            let text = format!("its serial was read on another node's boot: {mismatch}");
            self.hold(twin, HoldKind::Miswired, "hostlerd", format!("{name}: {text}"));
        }
        self.fail(id, "inspection", format!("{mismatch}{twin_name}"), HoldKind::Miswired);
    }

    /// Begins the wipe, unless it is the first of this node and somebody has to agree.
    fn consider_wipe(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(id) else { return };
        if node.first_wipe != FirstWipe::Pending {
            return self.begin_wipe(id);
        }
        let full: Vec<_> = wiped_disks(node).filter(|d| !d.blank).map(describe).collect();
        let known = node.spec.serial.is_some() || node.spec.uuid.is_some();
        let reason = match (full.is_empty(), known) {
            (true, true) => return self.begin_wipe(id),
            (true, false) => "neither serial nor UUID is registered: is this the machine?".to_owned(),
            (false, _) => format!("not empty: {}", full.join(", ")),
        };
        let approval = self.within(self.timing.approval_ms);
        if let Some(node) = self.nodes.get_mut(id) {
            node.deadline = approval;
        }
        self.hold(id, HoldKind::AwaitingFirstWipe, "hostlerd", reason);
    }

    pub(super) fn begin_wipe(&mut self, id: NodeId) {
        self.advance(id, Stage::Wipe, self.timing.wipe_ms);
    }

    fn advance(&mut self, id: NodeId, stage: Stage, span_ms: u64) {
        let deadline = self.within(span_ms);
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.deadline = deadline;
        if let Some(boot) = node.state.boot_mut() {
            boot.stage = stage;
        }
    }

    fn on_wiped(&mut self, id: NodeId, task: u64, disks: &[DiskWipe]) -> Result {
        if !self.is_ordered(id, task, Stage::Wipe) {
            return Ok(Reply::Done);
        }
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        let missed = wiped_disks(node).find(|d| !was_verified(d, disks)).map(describe);
        if let Some(missed) = missed {
            self.escalate(id, &format!("the wipe of {missed} was not verified"));
            return Ok(Reply::Done);
        }
        node.first_wipe = FirstWipe::Done;
        node.holds.remove(&HoldKind::AwaitingFirstWipe);
        let NodeState::Cleaning { boot, lease } = &mut node.state else { return Ok(Reply::Done) };
        let from = boot.last_end();
        boot.spend(Phase::Wipe, from, now);
        let methods: Vec<_> = disks.iter().map(|d| format!("{} by {}", d.path, d.method)).collect();
        boot.witness(EvidenceKind::Wiped, &methods.join(", "), now);
        boot.stage = Stage::Idle;
        let (boot, lease) = (boot.clone(), *lease);
        node.enter(NodeState::Ready { boot }, now, None);
        if let Some(lease) = lease {
            self.member_is_clean(lease, id);
        }
        self.reschedule = true;
        Ok(Reply::Done)
    }

    fn on_sign_request(&mut self, id: NodeId) -> Result {
        let deploying = self.nodes.get(id).is_some_and(|n| {
            matches!(&n.state, NodeState::Deploying { boot, .. } if boot.stage == Stage::Deploy || boot.stage == Stage::Start)
        });
        if deploying {
            Ok(Reply::Done)
        } else {
            Err(Refusal::Forbidden(
                "a certificate for a deployed agent is signed while an image is deployed".into(),
            ))
        }
    }

    fn on_deployed(&mut self, id: NodeId, task: u64, sha256: &str) -> Result {
        if !self.is_ordered(id, task, Stage::Deploy) {
            return Ok(Reply::Done);
        }
        let now = self.meta.now;
        let image = order::image_of(self, id).map(|i| (i.id, i.sha256.clone()));
        let Some((_, expected)) = image else { return Ok(Reply::Done) };
        if expected != sha256 {
            self.escalate(id, &format!("the image written has the digest {sha256}, not {expected}"));
            return Ok(Reply::Done);
        }
        if let Some(boot) = self.nodes.get_mut(id).and_then(|n| n.state.boot_mut()) {
            let from = boot.last_end();
            boot.spend(Phase::Image, from, now);
            boot.witness(EvidenceKind::Deployed, sha256, now);
        }
        self.advance(id, Stage::Start, self.timing.deployed_ms);
        Ok(Reply::Done)
    }

    fn on_step_failed(&mut self, id: NodeId, task: u64, reason: &str) -> Result {
        let stage = self.nodes.get(id).and_then(|n| n.state.boot()).map(|b| b.stage);
        if stage.is_some_and(|stage| self.is_ordered(id, task, stage)) {
            self.escalate(id, &format!("the agent reports: {reason}"));
        }
        Ok(Reply::Done)
    }

    fn on_tenant_hello(
        &mut self,
        id: NodeId,
        boot: BootId,
        incarnation: u32,
        runs: &[crate::ids::RunId],
    ) -> Result {
        let now = self.meta.now;
        self.on_heard(id)?;
        let image = order::image_of(self, id).map(|i| i.id);
        let Some(node) = self.current_mut(id, boot) else { return Ok(Reply::Done) };
        if let Some(b) = node.state.boot_mut() {
            b.incarnation = b.incarnation.max(incarnation);
        }
        if let NodeState::Deploying { boot, lease } = node.state.clone() {
            let mut boot = boot;
            let from = boot.last_end();
            boot.spend(Phase::Deployed, from, now);
            boot.witness(EvidenceKind::DeployedHello, "agent of the deployed system", now);
            boot.stage = Stage::Deployed;
            node.enter(NodeState::Leased { boot, lease }, now, None);
            if let Some(image) = image.and_then(|i| self.images.get_mut(i)) {
                image.status = match image.status {
                    ImageStatus::Candidate => ImageStatus::Good,
                    other => other,
                };
            }
            self.member_is_up(lease);
        }
        self.reconcile_runs(id, incarnation, runs);
        Ok(Reply::Done)
    }

    pub(super) fn on_heard(&mut self, id: NodeId) -> Result {
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        let was = std::mem::replace(&mut node.agent, Presence::Heard);
        if let Presence::Silent { since } = was {
            let (lease, pool) = (node.state.lease(), node.spec.pool.clone());
            let gone = self.meta.now.since(since);
            let message = format!("{}: agent is heard again after {} s", node.spec.name, gone.as_secs());
            self.tell(Severity::Info, "agent-back", (id, lease), message);
            self.review_incident(&pool);
        }
        Ok(Reply::Done)
    }
}

/// Whether what the agent read is the registered machine (and, where the BMC has a GUID, the machine behind it).
fn identity(node: &Node, read: &Inventory) -> std::result::Result<(), String> {
    let spec = &node.spec;
    if let Some(serial) = spec.serial.as_ref().filter(|s| **s != read.serial) {
        return Err(format!("the registered serial is {serial:?}, the machine's is {:?}", read.serial));
    }
    if let Some(uuid) = spec.uuid.as_ref().filter(|u| !u.eq_ignore_ascii_case(&read.uuid)) {
        return Err(format!("the registered UUID is {uuid}, the machine's is {:?}", read.uuid));
    }
    let guid = match node.state.boot().map(|b| &b.power) {
        Some(PowerOutcome::Acknowledged { guid, .. }) => guid.as_deref(),
        _ => None,
    };
    match guid {
        Some(guid) if !read.uuid.is_empty() && !same_uuid(guid, &read.uuid) => {
            Err(format!("the BMC belongs to the system {guid}, the agent runs on {}", read.uuid))
        }
        _ => Ok(()),
    }
}

/// BMCs disagree on the byte order of the first three fields (IPMI v2.0 section 20.8 against SMBIOS 2.6).
fn same_uuid(a: &str, b: &str) -> bool {
    let (Ok(a), Ok(b)) = (a.parse::<uuid::Uuid>(), b.parse::<uuid::Uuid>()) else {
        return a.eq_ignore_ascii_case(b);
    };
    a == b || a.to_bytes_le() == *b.as_bytes() || a.as_bytes().iter().rev().eq(b.as_bytes())
}

/// The disks that are wiped: not those that an administrator keeps or that are reached over a network.
fn wiped_disks(node: &Node) -> impl Iterator<Item = &Disk> {
    let disks = node.inventory.iter().flat_map(|i| &i.disks);
    disks.filter(|d| !d.remote && !node.spec.keep_disks.contains(&d.serial))
}

fn was_verified(disk: &Disk, wipes: &[DiskWipe]) -> bool {
    wipes.iter().any(|w| w.path == disk.path && w.serial == disk.serial && w.verified)
}

fn describe(disk: &Disk) -> String {
    format!(
        "{} ({}, serial {:?}, {} GB)",
        disk.path,
        disk.model,
        disk.serial,
        disk.size_bytes / 1_000_000_000
    )
}
