//! Powering off what nobody needs: an attempt like any other, of which only the BMC can give evidence.

use super::Result;
use crate::attempt::{Boot, Phase, PowerOutcome, Purpose, Rung};
use crate::event::Severity;
use crate::ids::{BootId, NodeId};
use crate::input::{Effect, PowerResult, Reply};
use crate::node::{HoldKind, NodeState, Presence};
use crate::world::World;

impl World {
    /// Orders that a machine which nobody uses is powered off. Nobody waits for it, so that it needs no turn.
    pub(super) fn power_off(&mut self, id: NodeId, rung: Rung, because: String) {
        let (now, deadline) = (self.meta.now, self.within(self.timing.power_ms));
        let Some(boot) = self.meta.counters.next_boot() else { return };
        let Some(node) = self.nodes.get_mut(id) else { return };
        if !matches!(node.state, NodeState::Ready { .. }) {
            return;
        }
        let attempt = Boot {
            power: PowerOutcome::Outstanding,
            because: Some(because),
            ..Boot::mint(boot, Purpose::Rest, rung, now)
        };
        node.agent = Presence::Absent;
        node.unexpected_boot = None;
        node.deadline = deadline;
        node.state = NodeState::Ready { boot: Box::new(attempt) };
        self.effects.push(Effect::Power { node: id, bmc: node.bmc, boot, rung });
    }

    /// True if this is the attempt to power a machine off, and it is the present one.
    pub(super) fn is_rest(&self, id: NodeId, boot: BootId) -> bool {
        let boot = self.nodes.get(id).and_then(|node| node.current(boot));
        boot.is_some_and(|boot| boot.purpose == Purpose::Rest)
    }

    /// What the BMC said to it. One answer counts; a late one only makes known what was unknown.
    pub(super) fn on_rest(&mut self, id: NodeId, result: PowerResult) -> Result {
        let (now, later) = (self.meta.now, self.within(self.timing.power_ms));
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        let name = node.spec.name.clone();
        let Some(attempt) = node.state.boot_mut() else { return Ok(Reply::Done) };
        let outstanding = attempt.power == PowerOutcome::Outstanding;
        if matches!(attempt.power, PowerOutcome::Acknowledged { .. }) {
            return Ok(Reply::Done);
        }
        match result {
            PowerResult::Acknowledged { guid, detail: _ } => {
                attempt.spend(Phase::Power, attempt.ordered, now);
                attempt.power = PowerOutcome::Acknowledged { at: now, guid };
                let because = attempt.because.clone().unwrap_or_default();
                node.deadline = None;
                self.tell(Severity::Info, "powered-off", id, format!("{name} is powered off: {because}"));
            }
            PowerResult::Denied { detail } => {
                let evidence = format!("the BMC refused the account: {detail}");
                self.inspect(id, None);
                self.fail(id, "power", evidence, HoldKind::Quarantine);
            }
            PowerResult::Failed { detail } if outstanding => {
                attempt.power = PowerOutcome::Unknown { at: now, detail };
                node.deadline = later;
            }
            PowerResult::Failed { .. } => {}
        }
        Ok(Reply::Done)
    }

    /// The machine was not seen to be off in time: once more, and then it is looked at as one with which something is
    /// wrong. That goes through its BMC as well.
    pub(super) fn rest_is_overdue(&mut self, id: NodeId) {
        let (now, later) = (self.meta.now, self.within(self.timing.power_ms));
        let Some(node) = self.nodes.get_mut(id) else { return };
        let Some(attempt) = node.state.boot_mut() else { return };
        match &attempt.power {
            PowerOutcome::Waiting | PowerOutcome::Acknowledged { .. } => node.deadline = None,
            PowerOutcome::Outstanding => {
                attempt.power = PowerOutcome::Unknown { at: now, detail: "no answer in time".into() };
                node.deadline = later;
            }
            PowerOutcome::Unknown { detail, .. } => {
                let why = format!("it could not be powered off: {detail}");
                let because = attempt.because.clone().unwrap_or_default();
                if attempt.rung == Rung::First {
                    return self.power_off(id, Rung::Repeat, because);
                }
                let message = format!("{}: {why}", node.spec.name);
                self.tell(Severity::Warning, "power-off-failed", id, message);
                self.inspect(id, Some(why));
            }
        }
    }
}
