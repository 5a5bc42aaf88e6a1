//! What happened in the histories, so that a test that passes cannot have passed for want of anything to see.

use hostler_core::attempt::PowerOutcome;
use hostler_core::ids::LeaseId;
use hostler_core::input::{AdminAction, Input, Outcome};
use hostler_core::lease::LeaseState;
use hostler_core::node::{StateName, TRANSITIONS};
use hostler_core::record::Proof;
use hostler_core::run::TaskState;
use hostler_core::world::{Change, World};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How often what happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) counts: BTreeMap<String, u64>,
    transitions: BTreeMap<(StateName, StateName), u64>,
}

impl Coverage {
    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// Who got machines that had none.
    pub(crate) fn starts(&mut self, had: &BTreeMap<LeaseId, bool>, world: &World) {
        let started =
            world.leases.values().filter(|l| !l.group().is_empty() && had.get(&l.id) != Some(&true));
        if started.filter(|lease| lease.course.reservation.is_some()).count() > 0 {
            self.count("started in a reservation");
        }
    }

    /// Looks at what one input did; `before` is the world that it met.
    pub(crate) fn observe(&mut self, before: &World, input: &Input, outcome: &Outcome, changes: &[Change]) {
        let answer = if outcome.reply.is_ok() { "accepted" } else { "refused" };
        self.count(format!("{answer} {}", kind(input)));
        for change in changes {
            match change {
                Change::Event(event) => self.count(format!("event {}", event.kind)),
                Change::Node(node) => {
                    if let Some(known) = before.nodes.get(node.id) {
                        if known.record.proof != node.record.proof {
                            let problem = node.record.proof.as_ref().and_then(Proof::problem);
                            self.count(problem.map_or("node proved", |_| "node failed its proof"));
                        }
                        let (from, to) = (known.state.name(), node.state.name());
                        if from != to || known.state.boot().map(|b| b.id) != node.state.boot().map(|b| b.id) {
                            *self.transitions.entry((from, to)).or_default() += 1;
                        }
                    }
                    if let Some(boot) = node.state.boot() {
                        self.count(format!("rung {:?}", boot.rung));
                        if boot.power == PowerOutcome::Waiting {
                            self.count("waits to be powered on");
                        }
                    }
                }
                Change::Lease(lease) => {
                    let known = before.leases.get(lease.id).map_or("new", |l| word(&l.state));
                    if known != word(&lease.state) {
                        self.count(format!("lease {known} -> {}", word(&lease.state)));
                    }
                    if let LeaseState::Closed { ended, .. } = &lease.state {
                        self.count(format!("closed {:?}", ended.reason));
                    }
                }
                Change::Run(run) => {
                    for task in &run.tasks {
                        self.count(format!("task {}", task_word(&task.state)));
                    }
                }
                Change::ForgetLease(_) => self.count("lease forgotten"),
                Change::ForgetRun(_) => self.count("run forgotten"),
                _ => {}
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, times) in &other.counts {
            *self.counts.entry(what.clone()).or_default() += times;
        }
        for (transition, times) in &other.transitions {
            *self.transitions.entry(*transition).or_default() += times;
        }
    }

    /// Fails unless everything that the invariants speak of has happened, and often.
    pub(crate) fn assert_enough(&self, steps: u64) {
        let mut missing = String::new();
        // Nobody ever sees a node that is only registered: its first boot is ordered at once.
        for (from, to, _) in TRANSITIONS.iter().filter(|(from, ..)| *from != StateName::Registered) {
            if !self.transitions.contains_key(&(*from, *to)) {
                let _ = writeln!(missing, "no node went from {} to {}", from.as_str(), to.as_str());
            }
        }
        for (what, per_100_000) in EXPECTED {
            let (seen, bound) = (self.counts.get(*what).copied().unwrap_or(0), per_100_000 * steps / 100_000);
            if seen < bound.max(1) {
                let _ = writeln!(missing, "{what}: {seen} times in {steps} steps, at least {bound} expected");
            }
        }
        assert!(missing.is_empty(), "the histories are too tame:\n{missing}\nof all: {:#?}", self.counts);
    }
}

/// What has to happen in 100,000 steps, and how often at least.
const EXPECTED: &[(&str, u64)] = &[
    ("lease Deploying -> Active", 500),
    ("lease Active -> Closing", 500),
    ("lease Closing -> Closed", 500),
    ("node leased again", 500),
    ("closed Released", 300),
    ("closed Expired", 20),
    ("closed WaitedTooLong", 10),
    ("closed Infrastructure", 1),
    ("closed Abandoned", 10),
    ("accepted pool", 50),
    ("refused pool", 2),
    ("waits to be powered on", 200),
    ("accepted extend", 20),
    ("refused extend", 20),
    ("accepted replace", 50),
    ("refused replace", 50),
    ("event member-up", 10),
    ("event lease-held", 10),
    ("event lease-expiring", 50),
    ("accepted set-tenant", 50),
    ("refused set-tenant", 2),
    ("event promise-withdrawn", 5),
    ("kept waiting by a quota", 50),
    ("event lease-preemption", 10),
    ("event lease-preemption-withdrawn", 1),
    ("event lease-preempted", 3),
    ("started with what others gave up", 1),
    ("accepted reserve", 10),
    ("refused reserve", 10),
    ("event drain-announced", 10),
    ("event lease-shortened", 1),
    ("event reservation-ended", 5),
    ("event reservation-mended", 1),
    ("event reservation-short", 1),
    ("started in a reservation", 1),
    ("accepted invite", 20),
    ("refused invite", 1),
    ("accepted join", 20),
    ("refused join", 20),
    ("lease forgotten", 300),
    ("run forgotten", 50),
    ("task pending", 100),
    ("task untold", 20),
    ("task running", 100),
    ("task finished", 100),
    ("task lost", 20),
    ("rung Repeat", 50),
    ("rung HardCycle", 20),
    ("rung BmcReset", 10),
    ("event member-replaced", 10),
    ("event group-dissolved", 10),
    ("event ladder", 50),
    ("event unordered-boot", 10),
    ("event restart", 10),
    ("event redeployed", 5),
    ("event agent-lost", 50),
    ("event agent-back", 50),
    ("event pool-silent", 5),
    ("event pool-back", 5),
    ("event power-unknown", 10),
    ("event powered-off", 20),
    ("event power-off-failed", 1),
    ("deployed where it was wiped", 50),
    ("event image-ahead", 20),
    ("event image-ahead-failed", 1),
    ("deployed where its image was", 3),
    ("event token-refused", 50),
    ("event hold", 50),
    ("event hold-lifted", 20),
    ("event image-good", 5),
    ("event image-suspect", 1),
    ("event image-cleared", 1),
    ("node proved", 20),
    ("node failed its proof", 1),
    ("event member-replaced", 10),
    ("held awaiting first wipe", 10),
    ("held miswired", 10),
    ("accepted approve-wipe", 10),
    ("accepted repair", 50),
    ("accepted retire", 1),
    ("refused request", 20),
    ("refused enrol", 50),
    ("refused agent", 200),
    ("refused apply", 5),
    ("crash", 100),
    ("clock set ahead", 20),
    ("clock set back", 20),
    ("inputs lost in a crash", 50),
    ("delivered twice", 2_000),
    ("delivered late", 200),
];

fn kind(input: &Input) -> &'static str {
    match input {
        Input::Tick => "tick",
        Input::Started => "started",
        Input::ClockStepped { .. } => "clock-stepped",
        Input::Apply { .. } => "apply",
        Input::Invite { .. } => "invite",
        Input::Join(_) => "join",
        Input::Admin { action, .. } => match action {
            AdminAction::Drain { .. } => "drain",
            AdminAction::Resume => "resume",
            AdminAction::Repair => "repair",
            AdminAction::Retire => "retire",
            AdminAction::ApproveWipe => "approve-wipe",
            AdminAction::Power { .. } => "power-by-hand",
        },
        Input::AddTenant { .. } => "tenant",
        Input::SetTenant { .. } => "set-tenant",
        Input::SetPool { .. } => "pool",
        Input::Reserve { .. } => "reserve",
        Input::EndReservation { .. } => "end-reservation",
        Input::AddImage { .. } => "image",
        Input::ClearImage { .. } => "clear-image",
        Input::RequestLease { .. } => "request",
        Input::ReleaseLease { .. } => "release",
        Input::ExtendLease { .. } => "extend",
        Input::ReplaceMember { .. } => "replace",
        Input::LeaseAbandoned { .. } => "abandoned",
        Input::StartRun { .. } => "run",
        Input::StopRun { .. } => "stop",
        Input::Power { .. } => "power",
        Input::Network { .. } => "network",
        Input::Enrol { .. } => "enrol",
        Input::Refused { .. } => "refused",
        Input::Agent { .. } => "agent",
    }
}

const fn word(state: &LeaseState) -> &'static str {
    match state {
        LeaseState::Queued { .. } => "Queued",
        LeaseState::Deploying { .. } => "Deploying",
        LeaseState::Active { .. } => "Active",
        LeaseState::Closing { .. } => "Closing",
        LeaseState::Closed { .. } => "Closed",
    }
}

const fn task_word(state: &TaskState) -> &'static str {
    match state {
        TaskState::Pending { incarnation: None } => "untold",
        TaskState::Pending { .. } => "pending",
        TaskState::Running { .. } => "running",
        TaskState::Finished { .. } => "finished",
        TaskState::Lost { .. } => "lost",
    }
}
