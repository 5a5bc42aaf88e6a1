//! Silence, incidents, restarts of the controller, and everything that time alone brings about.

use super::Result;
use crate::attempt::{Boot, EvidenceKind, PowerOutcome, Stage};
use crate::event::Severity;
use crate::ids::NodeId;
use crate::input::Reply;
use crate::node::{HoldKind, Node, NodeState, Presence};
use crate::tenancy;
use crate::time::Timestamp;
use crate::world::World;
use std::time::Duration;

/// Of deadlines that make others pass; more are left to the next tick.
const ROUNDS: usize = 8;

impl World {
    /// The moment of the next thing that time alone brings about.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let node = self.nodes.values().filter_map(|n| self.due(n)).min();
        let lease = self.index().due().next().map(|(at, _)| at);
        let forgotten = self.index().closed().next().map(|(at, _)| self.forgotten(at));
        let incident = self.meta.incidents.values().map(|began| self.incident_ends(*began)).min();
        let promised = self.index().promised().next().map(|(latest, _)| just_after(latest));
        let opening = tenancy::next_opening(self);
        let (reserved, unused) = (self.next_reservation(), self.next_unused());
        let (aging, preemption) = (self.next_aging(), self.next_preemption());
        let others = [forgotten, incident, promised, aging, preemption, opening, reserved, unused];
        [node, lease].into_iter().chain(others).flatten().min()
    }

    /// When the next reservation begins or ends.
    fn next_reservation(&self) -> Option<Timestamp> {
        let reservations = self.tenants.values().flat_map(|tenant| &tenant.reservations);
        reservations.filter_map(|r| r.window().next_edge(self.meta.now.0)).min().map(Timestamp)
    }

    pub(super) fn on_tick(&mut self) -> Result {
        let now = self.meta.now;
        self.meta.looked = now;
        // What happens to a lease or a machine may end an incident, and that may let others of its pool be overdue.
        for _ in 0..ROUNDS {
            if !self.pass_deadlines(now) {
                break;
            }
        }
        let late: Vec<_> = self.index().promised().take_while(|(latest, _)| *latest < now).collect();
        for (_, lease) in late {
            self.break_promise(lease);
        }
        self.forget_reservations();
        // Whoever has become old enough goes first from now on.
        let somebody_waits = self.index().queue().next().is_some();
        self.reschedule |= somebody_waits;
        let old: Vec<_> = self.index().closed().take_while(|(at, _)| self.forgotten(*at) <= now).collect();
        for (_, lease) in old {
            self.forget_lease(lease);
        }
        Ok(Reply::Done)
    }

    /// True if a machine or a lease was overdue: each of them waits for something later then.
    fn pass_deadlines(&mut self, now: Timestamp) -> bool {
        let silent_pools: Vec<_> = self.meta.incidents.keys().cloned().collect();
        for pool in silent_pools {
            self.review_incident(&pool);
        }
        let nodes: Vec<_> =
            self.nodes.values().filter(|n| self.due(n).is_some_and(|d| d <= now)).map(|n| n.id).collect();
        for node in &nodes {
            self.on_overdue(*node);
        }
        let leases: Vec<_> = self.index().due().take_while(|(at, _)| *at <= now).collect();
        for (_, lease) in &leases {
            self.on_lease_due(*lease);
        }
        !nodes.is_empty() || !leases.is_empty()
    }

    /// When the next queued lease is old enough to go before others.
    fn next_aging(&self) -> Option<Timestamp> {
        let busy = &self.meta.busy;
        let oldest_young = Timestamp(self.meta.now.0.saturating_sub(busy.age_ms()));
        let requested = self.index().first_queued_since(oldest_young)?;
        Some(just_after(busy.goes_first(requested)))
    }

    /// When time alone brings something about: a drain begins or ends, or the wait of the node is over.
    fn due(&self, node: &Node) -> Option<Timestamp> {
        let is_drained = node.holds.contains_key(&HoldKind::Drain);
        let outage = node.outage.as_ref().and_then(|outage| outage.due(is_drained));
        outage.into_iter().chain(self.given_up(node)).min()
    }

    /// When the wait of a node is over: at its deadline, or when its agent was silent for too long. While a whole pool
    /// is silent, silence says nothing about the machine.
    fn given_up(&self, node: &Node) -> Option<Timestamp> {
        let silence_counts = node.state.boot().is_some_and(|b| b.stage < Stage::Start)
            && is_working(node)
            && !self.meta.incidents.contains_key(&node.spec.pool);
        let silent = silent_since(node).filter(|_| silence_counts).map(|since| since.after(self.silence()));
        node.deadline.into_iter().chain(silent).min()
    }

    const fn silence(&self) -> Duration {
        Duration::from_millis(self.timing.silence_ms)
    }

    /// When a lease that was closed at this moment leaves memory.
    fn forgotten(&self, closed: Timestamp) -> Timestamp {
        closed.after(Duration::from_millis(self.timing.remember_ms))
    }

    /// What a node waited for did not happen. What happened to another a moment ago may have given this one a new wait.
    fn on_overdue(&mut self, id: NodeId) {
        let (now, later) = (self.meta.now, self.within(self.timing.firmware_ms));
        self.on_outage_due(id);
        if self.nodes.get(id).and_then(|n| self.given_up(n)).is_none_or(|due| due > now) {
            return;
        }
        let Some(node) = self.nodes.get_mut(id) else { return };
        if node.standby().is_some() {
            return self.rest_is_overdue(id);
        }
        let silent = silent_since(node).is_some();
        let Some(boot) = node.state.boot_mut() else { return };
        if boot.power == PowerOutcome::Outstanding {
            // Whether the command was carried out is unknown; the machine itself may still show it.
            boot.power = PowerOutcome::Unknown { at: now, detail: "no answer in time".into() };
            node.deadline = later;
            return;
        }
        match boot.stage {
            Stage::Firmware => {
                let stuck = how_far(boot);
                self.escalate(id, stuck);
            }
            Stage::Enrolled => self.escalate(id, "the agent enrolled and never said hello"),
            Stage::Idle if !silent => {
                let text = "nobody approved the first wipe in time".to_owned();
                self.fail(id, "first wipe", text, HoldKind::Quarantine);
            }
            Stage::Start | Stage::Deployed => self.escalate(id, "the deployed system's agent was not seen"),
            stage if silent => self.escalate(id, &format!("the agent went silent ({})", stage_word(stage))),
            stage => self.escalate(id, &format!("{} took too long", stage_word(stage))),
        }
    }

    /// An agent fell silent. The ladder waits for one window more, in which it may turn out to be the network.
    pub(super) fn on_lost(&mut self, id: NodeId) -> Result {
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id).filter(|n| silent_since(n).is_none()) else {
            return Ok(Reply::Done);
        };
        node.agent = Presence::Silent { since: now };
        let (lease, pool) = (node.state.lease(), node.spec.pool.clone());
        let message = format!("{}: agent is silent", node.spec.name);
        self.tell(Severity::Warning, "agent-lost", (id, lease), message);
        self.review_incident(&pool);
        Ok(Reply::Done)
    }

    /// The ramdisk goes down to start what was deployed: this silence is as ordered.
    pub(super) fn on_left_ramdisk(&mut self, id: NodeId) -> Result {
        if let Some(node) = self.nodes.get_mut(id) {
            node.agent = Presence::Absent;
        }
        Ok(Reply::Done)
    }

    /// Opens an incident when too many machines of a pool went silent within one window: it is the network, not the
    /// machines. Closes it when they are back, or when it has lasted for too long to wait for.
    pub(super) fn review_incident(&mut self, pool: &str) {
        let now = self.meta.now;
        let open = self.meta.incidents.get(pool).copied();
        let window = self.timing.silence_ms;
        let begin = open.unwrap_or(Timestamp(now.0.saturating_sub(window)));
        let members = || self.nodes.values().filter(|n| n.spec.pool == pool && n.in_service());
        let silent = members().filter(|n| silent_since(n).is_some_and(|at| at >= begin)).count();
        let bound = (members().count() / 10).max(5);
        if silent > bound && open.is_none() {
            self.meta.incidents.insert(pool.to_owned(), begin);
            let message = format!(
                "{silent} machines of pool {pool} went silent within {} s: this looks like the network; no power is \
                 touched there until they are back",
                window / 1000
            );
            self.tell(Severity::Incident, "pool-silent", (), message);
        } else if silent <= bound && open.is_some() {
            self.close_incident(pool, format!("machines of pool {pool} are heard again"));
            self.forgive_silence(|n| n.spec.pool == pool);
        } else if open.is_some_and(|began| self.incident_ends(began) <= now) {
            let text =
                format!("pool {pool} was silent for too long: its machines are tried one by one again");
            self.close_incident(pool, text);
        }
    }

    fn incident_ends(&self, began: Timestamp) -> Timestamp {
        began.after(Duration::from_millis(self.timing.incident_ms))
    }

    fn close_incident(&mut self, pool: &str, message: String) {
        self.meta.incidents.remove(pool);
        self.tell(Severity::Info, "pool-back", (), message);
        self.restart_windows(|n| n.spec.pool == pool);
    }

    /// The silence of agents that are still silent begins anew.
    fn forgive_silence(&mut self, chosen: impl Fn(&Node) -> bool) {
        let now = self.meta.now;
        let silent: Vec<_> = self
            .nodes
            .values()
            .filter(|n| chosen(n) && is_working(n) && silent_since(n).is_some())
            .map(|n| n.id)
            .collect();
        for id in silent {
            if let Some(node) = self.nodes.get_mut(id) {
                node.agent = Presence::Silent { since: now };
            }
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
        self.count_machines();
        self.expect_hellos();
        self.restart_windows(|_| true);
        self.forgive_silence(|_| true);
        self.tell(Severity::Info, "controller-started", (), "the controller started");
        self.reschedule = true;
        Ok(Reply::Done)
    }

    /// Nobody is connected to a controller that starts. Which system a leased machine runs by now, its agent will say.
    fn expect_hellos(&mut self) {
        let heard = |n: &&Node| n.agent == Presence::Heard && n.runs_deployed_system();
        let expected: Vec<_> = self.nodes.values().filter(heard).map(|n| n.id).collect();
        for id in expected {
            if let Some(node) = self.nodes.get_mut(id) {
                node.agent = Presence::Absent;
            }
        }
    }

    /// Gives every wait of the chosen nodes its full time again.
    fn restart_windows(&mut self, chosen: impl Fn(&Node) -> bool) {
        let waiting: Vec<_> =
            self.nodes.values().filter(|n| chosen(n) && n.deadline.is_some()).map(|n| n.id).collect();
        for id in waiting {
            let Some(span) = self.nodes.get(id).and_then(|n| self.window(n)) else { continue };
            let (fresh, token) = (self.within(span), self.token_expiry(0));
            if let Some(node) = self.nodes.get_mut(id) {
                node.deadline = node.deadline.max(fresh);
                if let Some(boot) = node.state.boot_mut().filter(|b| b.stage == Stage::Firmware) {
                    boot.token_expires = boot.token_expires.max(token);
                }
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
            Stage::Prove => t.prove_ms,
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

/// True while a node does something that the ladder watches over.
pub(crate) const fn is_working(node: &Node) -> bool {
    matches!(
        node.state,
        NodeState::Inspecting { .. } | NodeState::Cleaning { .. } | NodeState::Deploying { .. }
    )
}

const fn just_after(moment: Timestamp) -> Timestamp {
    Timestamp(moment.0.saturating_add(1))
}

const fn silent_since(node: &Node) -> Option<Timestamp> {
    match node.agent {
        Presence::Silent { since } => Some(since),
        _ => None,
    }
}

/// How far a machine came whose agent was not seen.
fn how_far(boot: &Boot) -> &'static str {
    let seen = |kind| boot.seen(kind).is_some();
    if !boot.was_seen() {
        "no sign of the machine's firmware"
    } else if seen(EvidenceKind::UnexpectedRestart) {
        "its boot script was read, then the machine began again from its firmware: kernel or ramdisk do not run on it, \
         its console says why"
    } else if seen(EvidenceKind::Script) {
        "its boot script was read, the agent was not seen"
    } else {
        "the firmware was seen, its boot script was not read"
    }
}

const fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Firmware => "firmware",
        Stage::Enrolled => "enrolment",
        Stage::Inspect => "inspection",
        Stage::Idle => "approval",
        Stage::Wipe => "wipe",
        Stage::Prove => "burn-in",
        Stage::Deploy => "image write",
        Stage::Start => "start of the deployed system",
        Stage::Deployed => "deployed system",
    }
}
