//! Enrolment, and what agents report. Every report is for one boot, and only the present boot's agent is believed.

use super::{Result, is_working};
use crate::attempt::{EvidenceKind, Phase, Stage};
use crate::event::Severity;
use crate::hardware::Mac;
use crate::ids::{BootId, NodeId};
use crate::input::{Blame, Profile, Refusal, Reply, Report};
use crate::lease::CloseReason;
use crate::node::{NodeState, Presence};
use crate::order;
use crate::text::clip;
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
        if current.is_unanswered() {
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
            (_, Report::Back) => self.on_back(id),
            (Profile::Ramdisk, Report::Hello { proves, .. }) => self.on_ramdisk_hello(id, proves),
            (Profile::Ramdisk, Report::Inspected { task, inventory }) => {
                self.on_inspected(id, task, inventory)
            }
            (Profile::Ramdisk, Report::Wiped { task, disks }) => self.on_wiped(id, task, disks),
            (Profile::Ramdisk, Report::Proved { task, took_ms, checks }) => {
                self.on_proved(id, task, took_ms, checks)
            }
            (Profile::Ramdisk, Report::SignRequest) => self.on_sign_request(id),
            (Profile::Ramdisk, Report::Deployed { task, sha256, host_keys }) => {
                self.on_deployed(id, task, &sha256, host_keys)
            }
            (Profile::Ramdisk, Report::WrittenAhead { task, sha256 }) => {
                self.on_written_ahead(id, task, &sha256)
            }
            (Profile::Ramdisk, Report::Failed { task, reason, blame }) => {
                self.on_step_failed(id, task, &reason, blame)
            }
            (Profile::Tenant, Report::Hello { incarnation, runs, .. }) => {
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

    fn on_ramdisk_hello(&mut self, id: NodeId, proves: bool) -> Result {
        let now = self.meta.now;
        self.on_heard(id)?;
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        let leased = matches!(node.state, NodeState::Leased { .. });
        let Some(boot) = node.state.boot_mut() else { return Ok(Reply::Done) };
        if boot.stage == Stage::Enrolled {
            let from = boot.last_end();
            boot.spend(Phase::Agent, from, now);
            boot.witness(EvidenceKind::Hello, "ramdisk agent", now);
            boot.proves = proves;
            if leased {
                // A system in memory is brought back. No disk is touched, and a tenant could be speaking: nothing that
                // it says of the machine is wanted.
                self.advance(id, Stage::Deploy, self.timing.deploy_ms);
            } else {
                self.advance(id, Stage::Inspect, self.timing.inspect_ms);
            }
        }
        Ok(Reply::Done)
    }

    /// True if `task` is what the node is told to do now; else the report is of something that is over.
    pub(super) fn is_ordered(&self, id: NodeId, task: u64, stage: Stage) -> bool {
        self.nodes
            .get(id)
            .and_then(|n| n.state.boot())
            .is_some_and(|b| b.stage == stage && order::task_id(b) == task)
    }

    /// Orders the next step. In a tenant's hands it may take as long as it likes.
    pub(super) fn advance(&mut self, id: NodeId, stage: Stage, span_ms: u64) {
        let deadline = self.within(span_ms);
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.deadline = deadline.filter(|_| is_working(node));
        if let Some(boot) = node.state.boot_mut() {
            boot.stage = stage;
        }
    }

    fn on_sign_request(&mut self, id: NodeId) -> Result {
        let deploying = self.nodes.get(id).is_some_and(|n| {
            matches!(&n.state, NodeState::Deploying { boot, .. } | NodeState::Leased { boot, .. }
                if boot.stage == Stage::Deploy || boot.stage == Stage::Start)
        });
        if deploying {
            Ok(Reply::Done)
        } else {
            Err(Refusal::Forbidden(
                "a certificate for a deployed agent is signed while an image is deployed".into(),
            ))
        }
    }

    fn on_deployed(&mut self, id: NodeId, task: u64, sha256: &str, host_keys: Vec<String>) -> Result {
        if !self.is_ordered(id, task, Stage::Deploy) {
            return Ok(Reply::Done);
        }
        let now = self.meta.now;
        let image = order::image_of(self, id).map(|i| i.content.sha256.clone());
        let Some(expected) = image else { return Ok(Reply::Done) };
        if expected != sha256 {
            self.escalate(id, &format!("the image written has the digest {}, not {expected}", clip(sha256)));
            return Ok(Reply::Done);
        }
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        node.leftover_bytes = 0;
        if let Some(boot) = node.state.boot_mut() {
            let from = boot.last_end();
            boot.spend(Phase::Image, from, now);
            boot.witness(EvidenceKind::Deployed, sha256, now);
            boot.host_keys = host_keys;
        }
        self.advance(id, Stage::Start, self.timing.deployed_ms);
        Ok(Reply::Done)
    }

    /// A failure is the machine's, unless the agent blames an image that no machine has booted yet: trying that on
    /// node after node would quarantine them all. That ends the lease, and is held against the image.
    fn on_step_failed(&mut self, id: NodeId, task: u64, reason: &str, blame: Blame) -> Result {
        if order::for_ramdisk(self, id).is_none_or(|(ordered, _)| ordered != task)
            || self.ahead_has_failed(id, task, reason, blame)
        {
            return Ok(Reply::Done);
        }
        if !self.nodes.get(id).is_some_and(is_working) {
            self.not_brought_back(id, &clip(reason));
            return Ok(Reply::Done);
        }
        let lease = self.nodes.get(id).and_then(|n| n.state.lease());
        // An active lease goes on without the machine.
        let lease = lease.filter(|lease| self.leases.get(*lease).is_none_or(|lease| !lease.is_active()));
        let untried = order::image_of(self, id).filter(|i| !i.was_ever_booted()).cloned();
        match (blame, untried, lease) {
            (Blame::Image, Some(image), Some(lease)) => {
                let text = format!("image {} cannot be deployed: {}", image.name, clip(reason));
                self.tell(Severity::Warning, "image-failed", (id, Some(lease)), text.clone());
                self.blamed_by(id, image, clip(reason));
                self.end_lease(lease, CloseReason::Image, text);
            }
            _ => self.escalate(id, &format!("the agent reports: {}", clip(reason))),
        }
        Ok(Reply::Done)
    }

    /// The tenant may restart the machine for another try, or give it back.
    fn not_brought_back(&mut self, id: NodeId, reason: &str) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let (name, lease) = (node.spec.name.clone(), node.state.lease());
        if let Some(boot) = node.state.boot_mut() {
            boot.because = Some(reason.to_owned());
        }
        let message = format!("{name}: its system cannot be deployed again: {reason}");
        self.tell(Severity::Warning, "redeploy-failed", (id, lease), message);
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
        let mut up = false;
        if let Some(boot) = node.state.boot_mut().filter(|boot| boot.stage == Stage::Start) {
            up = true;
            let from = boot.last_end();
            boot.spend(Phase::Deployed, from, now);
            boot.witness(EvidenceKind::DeployedHello, "agent of the deployed system", now);
            boot.stage = Stage::Deployed;
        }
        if let NodeState::Deploying { boot, lease } = node.state.clone() {
            node.enter(NodeState::Leased { boot, lease }, now, None);
            self.deployment_succeeded(id, image);
            self.member_is_up(lease, id);
        } else if up {
            let (lease, message) =
                (node.state.lease(), format!("{}: its system is there again", node.spec.name));
            self.tell(Severity::Info, "redeployed", (id, lease), message);
        }
        self.reconcile_runs(id, incarnation, runs);
        Ok(Reply::Done)
    }

    fn on_back(&mut self, id: NodeId) -> Result {
        self.on_heard(id)?;
        self.bind_tasks(id);
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
