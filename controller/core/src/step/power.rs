//! Attempts to boot a machine, evidence from the network, and the ladder that missing evidence climbs.

use super::{Result, is_working};
use crate::attempt::{Boot, EvidenceKind, Phase, PowerOutcome, Purpose, Rung, Stage};
use crate::boot::NetworkEvidence;
use crate::event::Severity;
use crate::ids::{BootId, NodeId};
use crate::input::{PowerResult, Refusal, Reply};
use crate::node::{HoldKind, Node, NodeState, Presence};
use crate::order;
use crate::record::Failure;
use crate::text::clip;
use crate::time::Timestamp;
use crate::world::World;
use std::time::Duration;

impl World {
    /// Looks at a machine anew: a boot of its own, then `Cleaning`.
    pub(super) fn inspect(&mut self, id: NodeId, because: Option<String>) {
        let Some(boot) = self.order_boot(Purpose::Prepare, Rung::First, because) else { return };
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.agent = Presence::Absent;
        node.unexpected_boot = None;
        node.enter(NodeState::Inspecting { boot }, now, None);
    }

    /// Makes a boot, whose power attempt is handed out when its turn comes: most often at the end of this input. The
    /// caller puts it into the node's state.
    pub(super) fn order_boot(
        &mut self,
        purpose: Purpose,
        rung: Rung,
        because: Option<String>,
    ) -> Option<Box<Boot>> {
        let mut boot = Boot::mint(self.meta.counters.next_boot()?, purpose, rung, self.meta.now);
        boot.because = because;
        Some(Box::new(boot))
    }

    /// When a token ends whose machine may take `power_ms` until it is powered.
    pub(super) fn token_expiry(&self, power_ms: u64) -> Timestamp {
        let t = &self.timing;
        let span_ms = power_ms.saturating_add(t.firmware_ms).saturating_add(t.enrol_ms);
        self.meta.now.after(Duration::from_millis(span_ms))
    }

    /// This long from now.
    pub(super) fn within(&self, span_ms: u64) -> Option<Timestamp> {
        Some(self.meta.now.after(Duration::from_millis(span_ms)))
    }

    pub(super) fn on_power(&mut self, id: NodeId, boot: BootId, result: PowerResult) -> Result {
        if self.is_rest(id, boot) {
            return self.on_rest(id, result);
        }
        let (now, firmware) = (self.meta.now, self.within(self.timing.firmware_ms));
        let Some(node) = self.current_mut(id, boot).filter(|n| is_working(n)) else { return Ok(Reply::Done) };
        let name = node.spec.name.clone();
        let Some(attempt) = node.state.boot_mut() else { return Ok(Reply::Done) };
        // One answer counts; a late one only makes known what was unknown.
        let outstanding = attempt.power == PowerOutcome::Outstanding;
        if matches!(attempt.power, PowerOutcome::Waiting | PowerOutcome::Acknowledged { .. }) {
            return Ok(Reply::Done);
        }
        match result {
            PowerResult::Acknowledged { guid, detail: _ } => {
                if !attempt.was_seen() {
                    attempt.spend(Phase::Power, attempt.ordered, now);
                    node.deadline = firmware;
                }
                attempt.power = PowerOutcome::Acknowledged { at: now, guid };
            }
            PowerResult::Denied { detail } if !attempt.was_seen() => {
                let evidence = format!("the BMC refused the account: {detail}");
                self.fail(id, "power", evidence, HoldKind::Quarantine);
            }
            PowerResult::Failed { detail } if outstanding => {
                node.deadline = firmware;
                attempt.power = PowerOutcome::Unknown { at: now, detail: detail.clone() };
                let message = format!("{name}: outcome of power attempt {boot} is unknown: {detail}");
                self.tell(Severity::Warning, "power-unknown", id, message);
            }
            PowerResult::Denied { .. } | PowerResult::Failed { .. } => {}
        }
        Ok(Reply::Done)
    }

    /// What the boot server saw. Evidence that began before what it would speak of is of something earlier.
    pub(super) fn on_network(
        &mut self,
        id: NodeId,
        evidence: NetworkEvidence,
        began: Timestamp,
        detail: &str,
    ) -> Result {
        let (now, enrol) = (self.meta.now, self.within(self.timing.enrol_ms));
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        if !is_working(node) {
            if began > node.since {
                self.on_unordered(id, evidence, began);
            }
            return Ok(Reply::Done);
        }
        let Some(boot) = node.state.boot_mut() else { return Ok(Reply::Done) };
        let on_disk = boot.stage >= Stage::Start && !boot.is_diskless();
        if boot.is_unanswered() || on_disk || began < boot.ordered {
            // The machine may still be running the boot before this one; or it starts the deployed system.
            return Ok(Reply::Done);
        }
        match boot.seen(EvidenceKind::Enrolled) {
            None => {
                let first = !boot.was_seen();
                record(boot, evidence, began, now, detail);
                // No loader asks for an address once it has its script: the firmware does, which runs again.
                if evidence == NetworkEvidence::Dhcp
                    && boot.seen(EvidenceKind::Script).is_some_and(|read| read < began)
                {
                    boot.witness(EvidenceKind::UnexpectedRestart, &clip(detail), now);
                }
                if first {
                    node.deadline = enrol;
                }
            }
            Some(enrolled) if evidence == NetworkEvidence::Script && began > enrolled => {
                boot.witness(EvidenceKind::UnexpectedRestart, &clip(detail), now);
                self.escalate(id, "the machine restarted by itself: its boot script was asked for again");
            }
            // A transfer is told of when it is over, which the agent that it brought may overtake.
            Some(enrolled) if began <= enrolled => record(boot, evidence, began, now.min(enrolled), detail),
            Some(_) => {}
        }
        Ok(Reply::Done)
    }

    /// Evidence of a machine that nobody powered.
    fn on_unordered(&mut self, id: NodeId, evidence: NetworkEvidence, began: Timestamp) {
        if matches!(evidence, NetworkEvidence::Dhcp | NetworkEvidence::Script) {
            self.expect_hello(id);
        }
        if evidence == NetworkEvidence::Script {
            self.saw_unordered_boot(id);
            self.bring_back(id, began);
        }
    }

    /// A leased machine seems to restart: its agent is not there until it speaks again. Where it was only a deployed
    /// system that renews its address, or the evidence was late, the agent's next word says so.
    fn expect_hello(&mut self, id: NodeId) {
        if self.nodes.get(id).is_some_and(|n| n.agent == Presence::Heard && n.runs_deployed_system())
            && let Some(node) = self.nodes.get_mut(id)
        {
            node.agent = Presence::Absent;
        }
    }

    /// A machine that nobody powered asks for a boot program. Told once a minute at most: it asks again and again.
    fn saw_unordered_boot(&mut self, id: NodeId) {
        let now = self.meta.now;
        let Some(node) = self.nodes.get(id).filter(|n| n.in_service()) else { return };
        if node.unexpected_boot.is_some_and(|at| now.since(at) < Duration::from_secs(60)) {
            return;
        }
        let (name, lease) = (node.spec.name.clone(), node.state.lease());
        if let Some(node) = self.nodes.get_mut(id) {
            node.unexpected_boot = Some(now);
        }
        match lease {
            Some(_) => self.tell(Severity::Info, "restart", (id, lease), format!("{name} is restarting")),
            None => {
                let message = format!("{name} boots, though no boot was ordered");
                self.tell(Severity::Warning, "unordered-boot", id, message);
            }
        }
    }

    /// A leased machine whose system was in memory has restarted, and the system is gone: a new boot deploys it again.
    /// Nothing is powered and nothing waited for, since that is the tenant's affair.
    fn bring_back(&mut self, id: NodeId, began: Timestamp) {
        let (now, expires) = (self.meta.now, self.token_expiry(0));
        let Some(NodeState::Leased { boot, lease }) = self.nodes.get(id).map(|n| &n.state) else { return };
        let used = boot.seen(EvidenceKind::Enrolled).is_some_and(|enrolled| began > enrolled);
        if !boot.is_diskless() || !(used || boot.token_expires < now) {
            return;
        }
        let (purpose, lease) = (boot.purpose, *lease);
        let Some(fresh) = self.meta.counters.next_boot() else { return };
        let mut fresh = Boot::mint(fresh, purpose, Rung::First, now);
        fresh.token_expires = expires;
        fresh.power = PowerOutcome::Acknowledged { at: now, guid: None };
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.agent = Presence::Absent;
        node.state = NodeState::Leased { boot: Box::new(fresh), lease };
        self.lose_tasks_of(id, "the machine restarted, and its system was in memory");
    }

    /// What was waited for did not happen: the next rung, or the end of the ladder. In `Leased` the ladder is empty.
    pub(super) fn escalate(&mut self, id: NodeId, why: &str) {
        let Some(node) = self.nodes.get(id) else { return };
        if !is_working(node) {
            return;
        }
        if self.meta.incidents.contains_key(&node.spec.pool) {
            let later = self.within(self.timing.silence_ms);
            if let Some(node) = self.nodes.get_mut(id) {
                node.deadline = later;
            }
            return;
        }
        if let Some(other) = self.powered_instead(node) {
            return self.crosswired(id, other);
        }
        match self.next_rung(node) {
            Some(rung) => self.climb(id, rung, why),
            None => self.ladder_is_exhausted(id, why),
        }
    }

    fn ladder_is_exhausted(&mut self, id: NodeId, why: &str) {
        let Some(node) = self.nodes.get(id) else { return };
        let evidence = format!("{why}; {}", tried(node));
        match node.state {
            NodeState::Deploying { lease, .. } => self.deployment_failed(id, lease, evidence),
            _ => self.fail(id, "boot", evidence, HoldKind::Quarantine),
        }
    }

    /// A BMC is not reset while a tenant has a machine that it serves, nor for what an agent reports: that one speaks
    /// shows that the BMC does as it is told.
    fn next_rung(&self, node: &Node) -> Option<Rung> {
        let boot = node.state.boot()?;
        if boot.taken.is_some() {
            // It was spared its own first boot so far.
            return Some(Rung::First);
        }
        let next = boot.rung.next()?;
        let sibling_leased = || {
            self.nodes
                .values()
                .any(|n| n.bmc == node.bmc && n.id != node.id && matches!(n.state, NodeState::Leased { .. }))
        };
        let in_vain = || boot.seen(EvidenceKind::Hello).is_some() || sibling_leased();
        (next != Rung::BmcReset || !in_vain()).then_some(next)
    }

    fn climb(&mut self, id: NodeId, rung: Rung, why: &str) {
        let Some(purpose) = self.nodes.get(id).and_then(|n| n.state.boot()).map(|b| b.purpose) else {
            return;
        };
        let Some(fresh) = self.order_boot(purpose, rung, Some(why.to_owned())) else { return };
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.agent = Presence::Absent;
        node.deadline = None;
        if let Some(boot) = node.state.boot_mut() {
            *boot = *fresh;
        }
        let lease = node.state.lease();
        let message = format!("{}: {why}; next: {}", node.spec.name, rung.as_str());
        self.tell(Severity::Warning, "ladder", (id, lease), message);
    }

    /// Gives a node up for something that no further try would help.
    pub(super) fn fail(&mut self, id: NodeId, step: &str, evidence: String, kind: HoldKind) {
        let (at, image) = (self.meta.now, order::image_of(self, id).map(|image| image.id));
        if let Some(node) = self.nodes.get_mut(id) {
            let (step, evidence) = (step.to_owned(), evidence.clone());
            node.record.note(Failure { at, step, evidence, image, counts: false });
        }
        self.give_up(id, step, evidence, kind);
    }

    /// Gives a node up, with a hold and the evidence. A group that it was to be part of gets another or is dissolved.
    pub(super) fn give_up(&mut self, id: NodeId, step: &str, evidence: String, kind: HoldKind) {
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return };
        let lease = node.state.lease();
        node.agent = Presence::Absent;
        node.enter(NodeState::Failed { step: step.to_owned(), evidence: evidence.clone() }, now, None);
        self.hold(id, kind, "hostlerd", format!("{step}: {evidence}"));
        if let Some(lease) = lease {
            self.lost_member(lease, id, &evidence);
        }
    }

    /// The one node that woke up when `node` was powered, if `node` itself gave no sign. Leased machines restart when
    /// their tenants want, and when several woke up, it was something else.
    fn powered_instead(&self, node: &Node) -> Option<NodeId> {
        let boot = node.state.boot().filter(|b| !b.was_seen())?;
        let PowerOutcome::Acknowledged { .. } = boot.power else { return None };
        let woke = |other: &&Node| {
            let idle = other.in_service() && !is_working(other) && other.state.lease().is_none();
            idle && other.unexpected_boot.is_some_and(|at| at >= boot.ordered)
        };
        let mut awake = self.nodes.values().filter(woke);
        let only = awake.next()?;
        awake.next().is_none().then_some(only.id)
    }

    fn crosswired(&mut self, powered: NodeId, seen: NodeId) {
        let name = |id| self.nodes.get(id).map(|n| n.spec.name.clone()).unwrap_or_default();
        let evidence = format!(
            "power was given to {}, but {} booted: check their BMC addresses",
            name(powered),
            name(seen)
        );
        self.hold(seen, HoldKind::Miswired, "hostlerd", evidence.clone());
        self.fail(powered, "wiring", evidence, HoldKind::Miswired);
    }

    /// The node, if `boot` is its present boot.
    pub(super) fn current_mut(&mut self, id: NodeId, boot: BootId) -> Option<&mut Node> {
        self.nodes.get(id)?.current(boot)?;
        self.nodes.get_mut(id)
    }

    pub(super) fn on_refused(&mut self, node: Option<NodeId>, kind: &str, message: String) -> Result {
        match node {
            Some(id) => self.tell(Severity::Incident, kind, id, message),
            None => self.tell(Severity::Incident, kind, (), message),
        }
        Err(Refusal::Forbidden("refused and recorded".into()))
    }
}

fn record(boot: &mut Boot, evidence: NetworkEvidence, began: Timestamp, now: Timestamp, detail: &str) {
    let (kind, phase) = match evidence {
        NetworkEvidence::Dhcp => (EvidenceKind::Dhcp, Some(Phase::Dhcp)),
        NetworkEvidence::Tftp => (EvidenceKind::Tftp, Some(Phase::Tftp)),
        NetworkEvidence::Http => (EvidenceKind::Http, Some(Phase::Http)),
        NetworkEvidence::Script => (EvidenceKind::Script, None),
    };
    let first = boot.witness(kind, &clip(detail), now);
    let start = match phase {
        // Firmware takes its time before it asks for an address; that counts as well. Loaders ask once more, later:
        // that is within the phases that follow.
        Some(Phase::Dhcp) if !first => return,
        Some(Phase::Dhcp) => boot.last_end(),
        _ => began.min(now),
    };
    if let Some(phase) = phase {
        boot.spend(phase, start.min(now), now);
    }
}

fn tried(node: &Node) -> String {
    let Some(boot) = node.state.boot() else { return String::new() };
    let power = match &boot.power {
        PowerOutcome::Waiting => "nobody asked the BMC yet".to_owned(),
        PowerOutcome::Outstanding => "the BMC never answered".to_owned(),
        PowerOutcome::Acknowledged { .. } => "the BMC said OK".to_owned(),
        PowerOutcome::Unknown { detail, .. } => format!("the BMC: {detail}"),
    };
    let seen: Vec<_> = boot.evidence.iter().map(|e| e.kind.as_str()).collect();
    let seen = if seen.is_empty() { "nothing".to_owned() } else { seen.join(", ") };
    format!("last of all {}: {power}, and of the machine was seen: {seen}", boot.rung.as_str())
}
