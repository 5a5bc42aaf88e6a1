//! The controller of a history: it applies, looks, commits and dies.

use crate::history::{Applied, History};
use crate::inrush;
use crate::invariants::{self, Verdict};
use crate::quotas;
use hostler_core::explain;
use hostler_core::ids::{BootId, LeaseId, NodeId};
use hostler_core::input::{AdminAction, Effect, Input, Outcome};
use hostler_core::lease::{Lease, LeaseState};
use hostler_core::node::{HoldKind, Node, NodeState};
use hostler_core::order;
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::World;
use std::collections::BTreeMap;

impl History {
    pub(crate) fn apply(&mut self, input: &Input, from: Option<usize>, again: bool) -> Verdict {
        let silent = invariants::must_change_nothing(&self.writer, input);
        let leased = self.leased();
        if self.log.len().is_multiple_of(8) {
            // What a controller knows beside its rows changes nothing.
            self.twin = self.memory.load(&self.timing);
        }
        let before = quotas::with_machines(&self.writer);
        let starting = inrush::starting(&self.writer);
        let outcome = self.writer.apply(self.now, input.clone());
        let mirrored = self.twin.apply(self.now, input.clone());
        invariants::invariant_10_the_same_again(&outcome, &mirrored)?;
        let changes = self.twin.take_changes();
        invariants::invariant_4_the_past_is_silent(silent, &self.memory, &changes, &outcome)?;
        invariants::invariant_6_power_is_an_attempt(&leased, &outcome, &self.writer)?;
        inrush::nobody_starts_beyond_the_bound(&starting, &outcome, &self.writer)?;
        if again {
            invariants::invariant_6_twice_is_harmless(input, &self.memory, &changes, &outcome)?;
        }
        self.coverage.observe(&self.published, input, &outcome, &changes);
        self.memory.commit(&changes)?;
        self.look(&outcome)?;
        quotas::no_start_exceeds_a_quota(&before, &self.writer)?;
        invariants::whoever_starts_is_done_in_time(&before, &self.writer)?;
        self.coverage.starts(&before, &self.writer);
        quotas::what_is_in_use_is_counted(&self.writer)?;
        quotas::only_the_preemptible_give_way(&self.writer)?;
        quotas::nobody_else_goes_back(&self.published, &self.writer)?;
        let accepted = outcome.reply.is_ok();
        self.learn(input, accepted);
        self.tail.push(Applied { input: input.clone(), from, accepted, effects: outcome.effects });
        Ok(())
    }

    /// Checks what must hold after every input.
    fn look(&mut self, outcome: &Outcome) -> Verdict {
        invariants::invariant_1_one_lease_for_each_node(&self.writer)?;
        invariants::invariant_2_groups_are_whole(&self.writer)?;
        invariants::nothing_idles_for_whom_it_would_serve(&self.writer)?;
        self.invariant_3_nobody_finds_what_another_left()?;
        invariants::invariant_7_nothing_waits_for_ever(&self.writer, longest(&self.timing))?;
        inrush::nobody_waits_while_there_is_room(&self.writer)?;
        invariants::no_task_waits_for_an_agent_that_is_there(&self.writer)?;
        invariants::whoever_failed_is_proved_first(&self.writer)?;
        invariants::unused_machines_are_kept_as_was_said(&self.writer)?;
        invariants::images_are_ahead_of_leases_only(&self.writer)?;
        self.memory.compare(&self.writer)?;
        for Effect::Power { boot, .. } in &outcome.effects {
            self.last_boot = self.last_boot.max(*boot);
        }
        if self.writer.queue().iter().any(|l| explain::lease(&self.writer, l).starts_with("quota: ")) {
            self.coverage.count("kept waiting by a quota");
        }
        let taken = |n: &&Node| n.state.boot().is_some_and(|boot| boot.taken == Some(self.now));
        for _ in self.writer.nodes.values().filter(taken) {
            self.coverage.count("deployed where it was wiped");
        }
        for node in self.writer.nodes.values().filter(taken) {
            let before = self.published.nodes.get(node.id).and_then(Node::written);
            if before.is_some() && before == order::image_of(&self.writer, node.id).map(|image| image.id) {
                self.coverage.count("deployed where its image was");
            }
        }
        let has_claim = |l: &&Lease| {
            matches!(l.state, LeaseState::Deploying { .. }) && l.course.assigned == Some(self.now)
        };
        for lease in self.writer.leases.values().filter(has_claim) {
            if self.published.leases.get(lease.id).is_some_and(|known| known.course.claim.is_some()) {
                self.coverage.count("started with what others gave up");
            }
        }
        self.lab.machines.iter_mut().find_map(|m| m.violation.take()).map_or(Ok(()), Err)
    }

    /// No tenant ever gets a node that was not wiped, verified and booted afresh after the previous tenant. What the
    /// machine is counts, not what the world believes.
    fn invariant_3_nobody_finds_what_another_left(&mut self) -> Verdict {
        for node in self.writer.nodes.values() {
            let leased = match &node.state {
                NodeState::Leased { lease, boot } => Some((*lease, boot.id)),
                _ => None,
            };
            let before = self.in_hand.get(&node.id).copied();
            if before == leased.map(|(lease, _)| lease) {
                continue;
            }
            let Some(machine) = self.lab.machine_of(node) else { continue };
            if before.is_some() {
                machine.vacated = Some(self.last_boot);
                machine.wiped_in = None;
                self.in_hand.remove(&node.id);
            }
            if let Some((lease, boot)) = leased {
                self.in_hand.insert(node.id, lease);
                if let Some(vacated) = machine.vacated {
                    self.coverage.count("node leased again");
                    let (name, wiped) = (machine.name(), machine.wiped_in);
                    if !wiped.is_some_and(|wiped| wiped > vacated && boot >= wiped) {
                        return Err(format!(
                            "invariant 3: {name} came to lease {lease} in {boot:?}; it was vacated after {vacated:?} \
                             and wiped in {wiped:?}"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn leased(&self) -> BTreeMap<NodeId, LeaseId> {
        let nodes = self.writer.nodes.values();
        nodes
            .filter_map(|n| match n.state {
                NodeState::Leased { lease, .. } => Some((n.id, lease)),
                _ => None,
            })
            .collect()
    }

    /// What the harness itself has to remember of an input.
    fn learn(&mut self, input: &Input, accepted: bool) {
        if let Input::Admin { node, action: AdminAction::ApproveWipe, .. } = input
            && accepted
            && let Some(node) = self.writer.node_named(node)
            && let Some(machine) = self.lab.machine_of(node)
        {
            machine.approved = true;
        }
        for (kind, what) in
            [(HoldKind::AwaitingFirstWipe, "held awaiting first wipe"), (HoldKind::Miswired, "held miswired")]
        {
            if self.writer.nodes.values().any(|n| n.holds.get(&kind).is_some_and(|h| h.since == self.now)) {
                self.coverage.count(what);
            }
        }
    }

    /// One transaction: then, and only then, everybody hears of it.
    pub(crate) fn commit(&mut self) -> Verdict {
        let changes = self.writer.take_changes();
        self.disk.commit(&changes)?;
        self.published.restore(changes);
        self.disk.compare(&self.writer)?;
        invariants::the_indices_agree(&self.writer)?;
        invariants::the_indices_agree(&self.published)?;
        invariants::the_copy_agrees(&self.writer, &self.published)?;
        for applied in std::mem::take(&mut self.tail) {
            for effect in applied.effects {
                let Effect::Power { boot, .. } = effect;
                if !self.attempts.insert(boot) {
                    return Err(format!("invariant 6: {boot:?} was attempted before"));
                }
                self.lab.effects.push(effect);
            }
            if applied.accepted {
                invariants::an_invitation_lets_one_process_in(&mut self.joined, &applied.input)?;
            }
            if let Some(machine) = applied.from {
                self.lab.answered(machine, &applied.input, applied.accepted);
            }
        }
        Ok(())
    }

    /// `kill -9`, and a new start from what was stored.
    pub(crate) fn crash(&mut self) -> Verdict {
        self.coverage.count("crash");
        for _ in 0..self.tail.len() {
            self.coverage.count("inputs lost in a crash");
        }
        self.log.truncate(self.log.len() - self.tail.len());
        self.tail.clear();
        self.writer = self.disk.load(&self.timing);
        self.twin = self.writer.clone();
        self.memory = self.disk.clone();
        if json(&self.published)? != json(&self.writer)? {
            return Err("invariant 10: the restored world is not the published one".into());
        }
        self.published = self.disk.load(&self.timing);
        self.last_boot = self.attempts.last().copied().unwrap_or(BootId(0));
        self.in_hand = self.leased();
        self.lab.controller_died(&mut self.random);
        self.now = self.first_moment();
        self.deliver(Input::Started, None)
    }

    /// A controller that starts takes the wall clock's time, but not one before what it has stored.
    fn first_moment(&mut self) -> Timestamp {
        let wall = Timestamp(self.now.0.saturating_add_signed(self.wall_lead_ms));
        let first = wall.max(self.disk.now());
        self.wall_lead_ms = wall.0.cast_signed() - first.0.cast_signed();
        first
    }
}

const fn longest(timing: &Timing) -> u64 {
    timing.approval_ms
}

pub(crate) fn json(world: &World) -> Result<String, String> {
    serde_json::to_string(world).map_err(|e| e.to_string())
}
