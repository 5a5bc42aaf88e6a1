//! Silence, incidents, restarts of the controller, and everything that time alone brings about.

use super::Result;
use crate::attempt::{PowerOutcome, Stage};
use crate::event::Severity;
use crate::ids::{LeaseId, NodeId};
use crate::input::Reply;
use crate::lease::{CloseReason, LeaseState};
use crate::node::{HoldKind, Node, NodeState, Presence};
use crate::time::Timestamp;
use crate::world::World;
use std::time::Duration;

impl World {
    /// The moment of the next thing that time alone brings about.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let nodes = self.nodes.values().filter_map(|n| n.deadline);
        let leases = self.leases.values().filter_map(|l| l.deadline().or_else(|| self.forget_at(&l.state)));
        nodes.chain(leases).min()
    }

    pub(super) fn on_tick(&mut self) -> Result {
        let now = self.meta.now;
        let nodes: Vec<_> =
            self.nodes.values().filter(|n| n.deadline.is_some_and(|d| d <= now)).map(|n| n.id).collect();
        for node in nodes {
            self.on_overdue(node);
        }
        let leases: Vec<_> =
            self.leases.values().filter(|l| l.deadline().is_some_and(|d| d <= now)).map(|l| l.id).collect();
        for lease in leases {
            self.on_lease_deadline(lease);
        }
        let over = |state: &LeaseState| self.forget_at(state).is_some_and(|d| d <= now);
        let closed: Vec<_> = self.leases.values().filter(|l| over(&l.state)).map(|l| l.id).collect();
        for lease in closed {
            self.forget_lease(lease);
        }
        Ok(Reply::Done)
    }

    fn forget_at(&self, state: &LeaseState) -> Option<Timestamp> {
        match state {
            LeaseState::Closed { at, .. } => Some(at.after(Duration::from_millis(self.timing.remember_ms))),
            _ => None,
        }
    }

    fn on_lease_deadline(&mut self, id: LeaseId) {
        let Some(lease) = self.leases.get(id) else { return };
        let (reason, detail) = match (&lease.state, &lease.setback) {
            (LeaseState::Active { .. }, _) => (CloseReason::Expired, "its time was over".to_owned()),
            (_, Some(setback)) => {
                (CloseReason::Infrastructure, format!("the bound on waiting passed; {setback}"))
            }
            (LeaseState::Queued { reason }, None) => {
                (CloseReason::WaitedTooLong, format!("the bound on waiting passed; {reason}"))
            }
            _ => return,
        };
        self.end_lease(id, reason, detail);
    }

    fn on_overdue(&mut self, id: NodeId) {
        let later = self.within(self.timing.firmware_ms);
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.deadline = None;
        let silent = matches!(node.agent, Presence::Silent { .. });
        let Some(boot) = node.state.boot_mut() else { return };
        if boot.power == PowerOutcome::Outstanding {
            // Whether the command was carried out is unknown; the machine itself may still show it.
            boot.power = PowerOutcome::Unknown { at: self.meta.now, detail: "no answer in time".into() };
            node.deadline = later;
            return;
        }
        match boot.stage {
            Stage::Firmware if !boot.was_seen() => self.escalate(id, "no sign of the machine's firmware"),
            Stage::Firmware => self.escalate(id, "the firmware was seen, the agent was not"),
            Stage::Enrolled => self.escalate(id, "the agent enrolled and never said hello"),
            Stage::Idle => {
                let text = "nobody approved the first wipe in time".to_owned();
                self.fail(id, "first wipe", text, HoldKind::Quarantine);
            }
            Stage::Start | Stage::Deployed => self.escalate(id, "the deployed system's agent was not seen"),
            stage if silent => self.escalate(id, &format!("the agent went silent ({})", stage_word(stage))),
            stage => self.escalate(id, &format!("{} took too long", stage_word(stage))),
        }
    }

    pub(super) fn on_lost(&mut self, id: NodeId) -> Result {
        let (now, grace) = (self.meta.now, self.within(self.timing.silence_ms));
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        if matches!(node.agent, Presence::Silent { .. }) {
            return Ok(Reply::Done);
        }
        node.agent = Presence::Silent { since: now };
        let working = matches!(
            node.state,
            NodeState::Inspecting { .. } | NodeState::Cleaning { .. } | NodeState::Deploying { .. }
        );
        if working && node.state.boot().is_some_and(|b| b.stage < Stage::Start) {
            // One more window before the ladder, in which it may turn out to be the network.
            node.deadline = node.deadline.min(grace);
        }
        let lease = node.state.lease();
        let message = format!("{}: agent is silent", node.spec.name);
        self.tell(Severity::Warning, "agent-lost", (id, lease), message);
        self.review_incident(id);
        Ok(Reply::Done)
    }

    /// Opens an incident when too many machines of a pool went silent within one window, and closes it when they
    /// are back: it is the network, not the machines.
    pub(super) fn review_incident(&mut self, id: NodeId) {
        let now = self.meta.now;
        let Some(pool) = self.nodes.get(id).map(|n| n.spec.pool.clone()) else { return };
        let window = Duration::from_millis(self.timing.silence_ms);
        let open = self.meta.incidents.get(&pool).copied();
        let begin =
            open.unwrap_or(Timestamp(now.0.saturating_sub(u64::try_from(window.as_millis()).unwrap_or(0))));
        let members = || self.nodes.values().filter(|n| n.spec.pool == pool && n.in_service());
        let silent = members().filter(|n| silent_since(n).is_some_and(|at| at >= begin)).count();
        let bound = (members().count() / 10).max(5);
        if silent > bound && open.is_none() {
            self.meta.incidents.insert(pool.clone(), begin);
            let message = format!(
                "{silent} machines of pool {pool} went silent within {} s: this looks like the network; no power is \
                 touched there until they are back",
                window.as_secs()
            );
            self.tell(Severity::Incident, "pool-silent", (), message);
        } else if silent <= bound && open.is_some() {
            self.meta.incidents.remove(&pool);
            self.tell(Severity::Info, "pool-back", (), format!("machines of pool {pool} are heard again"));
            self.restart_windows(|n| n.spec.pool == pool);
        }
    }

    pub(super) fn on_started(&mut self) -> Result {
        let now = self.meta.now;
        let ids: Vec<_> = self.nodes.values().map(|n| n.id).collect();
        for id in ids {
            let outstanding = self
                .nodes
                .get(id)
                .and_then(|n| n.state.boot())
                .is_some_and(|b| b.power == PowerOutcome::Outstanding);
            if outstanding && let Some(boot) = self.nodes.get_mut(id).and_then(|n| n.state.boot_mut()) {
                boot.power = PowerOutcome::Unknown { at: now, detail: "the controller was restarted".into() };
            }
        }
        self.restart_windows(|_| true);
        self.tell(Severity::Info, "controller-started", (), "the controller started");
        self.reschedule = true;
        Ok(Reply::Done)
    }

    /// Gives every wait of the chosen nodes its full time again.
    fn restart_windows(&mut self, chosen: impl Fn(&Node) -> bool) {
        let waiting: Vec<_> =
            self.nodes.values().filter(|n| chosen(n) && n.deadline.is_some()).map(|n| n.id).collect();
        for id in waiting {
            let Some(span) = self.nodes.get(id).and_then(|n| self.window(n)) else { continue };
            let fresh = self.within(span);
            if let Some(node) = self.nodes.get_mut(id) {
                node.deadline = node.deadline.max(fresh);
            }
        }
    }

    fn window(&self, node: &Node) -> Option<u64> {
        let (boot, t) = (node.state.boot()?, &self.timing);
        Some(match boot.stage {
            Stage::Firmware if boot.power == PowerOutcome::Outstanding => t.power_ms,
            Stage::Firmware if !boot.was_seen() => t.firmware_ms,
            Stage::Firmware | Stage::Enrolled => t.enrol_ms,
            Stage::Inspect => t.inspect_ms,
            Stage::Idle => t.approval_ms,
            Stage::Wipe => t.wipe_ms,
            Stage::Deploy => t.deploy_ms,
            Stage::Start | Stage::Deployed => t.deployed_ms,
        })
    }

    pub(super) fn on_clock_step(&mut self, by_ms: i64) -> Result {
        let message =
            format!("the wall clock differs from the controller's by {by_ms} ms; no deadline is touched");
        self.tell(Severity::Warning, "clock-stepped", (), message);
        Ok(Reply::Done)
    }
}

const fn silent_since(node: &Node) -> Option<Timestamp> {
    match node.agent {
        Presence::Silent { since } => Some(since),
        _ => None,
    }
}

const fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Firmware => "firmware",
        Stage::Enrolled => "enrolment",
        Stage::Inspect => "inspection",
        Stage::Idle => "approval",
        Stage::Wipe => "wipe",
        Stage::Deploy => "image write",
        Stage::Start => "start of the deployed system",
        Stage::Deployed => "deployed system",
    }
}
