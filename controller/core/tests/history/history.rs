//! One history: a controller with its store, a rack and its people, and a seed that decides what happens next.

use crate::coverage::Coverage;
use crate::invariants::{self, Verdict};
use crate::lab::{Lab, Message};
use crate::noise;
use crate::people::People;
use crate::random::Random;
use crate::store::Store;
use hostler_core::ids::{BootId, LeaseId, NodeId};
use hostler_core::input::{AdminAction, Effect, Input, Outcome};
use hostler_core::lease::LeaseState;
use hostler_core::node::{HoldKind, NodeState};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// A controller, what it has stored, and everything around it.
pub(crate) struct History {
    pub(crate) random: Random,
    pub(crate) now: Timestamp,
    timing: Timing,
    /// The writer's world. Its changes are taken when a batch is committed.
    writer: World,
    /// Gets the same inputs; its changes are taken after each.
    twin: World,
    /// What everybody sees: follows the commits.
    published: World,
    /// What is left after a crash.
    disk: Store,
    /// What the store would be if every input were committed at once.
    memory: Store,
    /// Inputs that were applied and not committed.
    tail: Vec<Applied>,
    /// Every committed input.
    pub(crate) log: Vec<(Timestamp, Input)>,
    pub(crate) lab: Lab,
    people: People,
    pub(crate) coverage: Coverage,
    /// Power attempts that left the controller.
    attempts: BTreeSet<BootId>,
    last_boot: BootId,
    /// Which nodes are in whose hands, as last looked at.
    in_hand: BTreeMap<NodeId, LeaseId>,
    /// How often a batch goes on, in a thousand.
    batching: u64,
}

/// An input that was applied, and what is to be done when it is committed.
#[derive(Clone, Debug)]
struct Applied {
    input: Input,
    from: Option<usize>,
    accepted: bool,
    effects: Vec<Effect>,
}

#[derive(Clone, Copy)]
enum Turn {
    Machine,
    Bmc,
    Late,
    Silence,
    Person,
    Noise,
    Replay,
    Tick,
    Deadline,
    LongTime,
    Storm,
    Mend,
    Started,
    Crash,
}

impl History {
    pub(crate) fn begin(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let faults = random.weighted(&[(2, 0), (2, 8), (3, 25), (1, 70)]);
        let machines = random.weighted(&[(1, 1), (2, 4), (4, 8), (2, 13), (1, 24)]);
        let timing = timing();
        let world = World::new(timing.clone());
        Self {
            now: Timestamp(1_000_000),
            writer: world.clone(),
            twin: world.clone(),
            published: world,
            disk: Store::default(),
            memory: Store::default(),
            tail: Vec::new(),
            log: Vec::new(),
            lab: Lab::build(machines, faults, &mut random),
            people: People::default(),
            coverage: Coverage::default(),
            attempts: BTreeSet::new(),
            last_boot: BootId(0),
            in_hand: BTreeMap::new(),
            batching: random.below(600),
            timing,
            random,
        }
    }

    pub(crate) fn found(&mut self) -> Verdict {
        for input in self.people.found(&self.lab, &mut self.random) {
            self.deliver(input, None)?;
        }
        Ok(())
    }

    /// Something happens.
    pub(crate) fn step(&mut self) -> Verdict {
        self.now = Timestamp(self.now.0 + self.random.below(300));
        match self.random.weighted(self.turns()) {
            Turn::Machine => {
                let messages = self.lab.act(&self.published, self.now, &mut self.random);
                messages.into_iter().try_for_each(|message| self.entrust(message))
            }
            Turn::Bmc => {
                let answer = self.lab.carry_out(&self.published, &mut self.random);
                answer.map_or(Ok(()), |input| self.entrust(Message { input, from: None }))
            }
            Turn::Late => {
                let late = self.random.take(&mut self.lab.late);
                self.coverage.count("delivered late");
                self.deliver_some(late)
            }
            Turn::Silence => {
                let silent = self.lab.notice_silence(&mut self.random);
                self.deliver_some(silent)
            }
            Turn::Person => {
                let wish = self.people.act(&self.published, &mut self.lab, &mut self.random);
                self.deliver_some(wish)
            }
            Turn::Noise => {
                let noise = noise::make(&self.writer, &self.lab, self.now, &mut self.random);
                self.deliver_some(noise)
            }
            Turn::Replay => {
                let replay = self.replayed();
                self.deliver_some(replay)
            }
            Turn::Storm => self.storm(),
            Turn::Mend => self.mend(),
            Turn::Started => self.deliver(Input::Started, None),
            Turn::Crash => self.crash(),
            turn => self.wait(turn),
        }
    }

    fn turns(&self) -> &'static [(u64, Turn)] {
        if self.lab.faults > 0 { TURNS } else { CALM_TURNS }
    }

    /// Time passes.
    fn wait(&mut self, turn: Turn) -> Verdict {
        let ms = match turn {
            Turn::Deadline => {
                let next = self.writer.next_deadline().unwrap_or(self.now);
                next.since(self.now).as_millis().try_into().unwrap_or(0)
            }
            Turn::LongTime => self.random.below(7_200_000),
            _ => self.random.below(2_000),
        };
        self.now = Timestamp(self.now.0 + ms);
        self.deliver(Input::Tick, None)
    }

    /// Evidence that was heard before.
    fn replayed(&mut self) -> Option<Input> {
        let (_, input) = self.random.pick(&self.log)?;
        let evidence = matches!(
            input,
            Input::Power { .. } | Input::Network { .. } | Input::Enrol { .. } | Input::Agent { .. }
        );
        evidence.then(|| input.clone())
    }

    /// The network falls silent, and the shell notices most of it within one window.
    fn storm(&mut self) -> Verdict {
        self.lab.cut(&mut self.random);
        while let Some(lost) = self.lab.notice_silence(&mut self.random).filter(|_| !self.random.chance(50)) {
            self.deliver(lost, None)?;
        }
        Ok(())
    }

    pub(crate) fn mend(&mut self) -> Verdict {
        self.lab.mend().into_iter().try_for_each(|input| self.deliver(input, None))
    }

    /// Hands a message to the network, which may lose, double or delay it.
    fn entrust(&mut self, message: Message) -> Verdict {
        if !self.random.chance(self.lab.faults) {
            return self.deliver(message.input, message.from);
        }
        match self.random.below(3) {
            0 => Ok(()),
            1 => {
                self.lab.late.push(message.input);
                Ok(())
            }
            _ => {
                self.lab.late.push(message.input.clone());
                self.deliver(message.input, message.from)
            }
        }
    }

    fn deliver_some(&mut self, input: Option<Input>) -> Verdict {
        input.map_or(Ok(()), |input| self.deliver(input, None))
    }

    /// Applies an input, looks at everything, and commits or lets the batch grow.
    pub(crate) fn deliver(&mut self, input: Input, from: Option<usize>) -> Verdict {
        self.log.push((self.now, input.clone()));
        self.apply(&input, from, false)?;
        if self.random.chance(100) {
            self.log.push((self.now, input.clone()));
            self.coverage.count("delivered twice");
            self.apply(&input, None, true)?;
        }
        if self.random.chance(self.batching) { Ok(()) } else { self.commit() }
    }

    fn apply(&mut self, input: &Input, from: Option<usize>, again: bool) -> Verdict {
        let silent = invariants::must_change_nothing(&self.writer, input);
        let leased = self.leased();
        let outcome = self.writer.apply(self.now, input.clone());
        let mirrored = self.twin.apply(self.now, input.clone());
        invariants::invariant_10_the_same_again(&outcome, &mirrored)?;
        let changes = self.twin.take_changes();
        invariants::invariant_4_the_past_is_silent(silent, &self.memory, &changes, &outcome)?;
        invariants::invariant_6_power_is_an_attempt(&leased, &outcome, &self.writer)?;
        if again {
            invariants::invariant_6_twice_is_harmless(input, &self.memory, &changes, &outcome)?;
        }
        self.coverage.observe(&self.published, input, &outcome, &changes);
        self.memory.commit(&changes)?;
        self.look(&outcome)?;
        let accepted = outcome.reply.is_ok();
        self.learn(input, accepted);
        self.tail.push(Applied { input: input.clone(), from, accepted, effects: outcome.effects });
        Ok(())
    }

    /// Checks what must hold after every input.
    fn look(&mut self, outcome: &Outcome) -> Verdict {
        invariants::invariant_1_one_lease_for_each_node(&self.writer)?;
        invariants::invariant_2_groups_are_whole(&self.writer)?;
        self.invariant_3_nobody_finds_what_another_left()?;
        invariants::invariant_7_nothing_waits_for_ever(&self.writer, longest(&self.timing))?;
        self.memory.compare(&self.writer)?;
        for Effect::Power { boot, .. } in &outcome.effects {
            self.last_boot = self.last_boot.max(*boot);
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
        for applied in std::mem::take(&mut self.tail) {
            for effect in applied.effects {
                let Effect::Power { boot, .. } = effect;
                if !self.attempts.insert(boot) {
                    return Err(format!("invariant 6: {boot:?} was attempted before"));
                }
                self.lab.effects.push(effect);
            }
            if let Some(machine) = applied.from {
                self.lab.answered(machine, &applied.input, applied.accepted);
            }
        }
        Ok(())
    }

    /// `kill -9`, and a new start from what was stored.
    fn crash(&mut self) -> Verdict {
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
        self.deliver(Input::Started, None)
    }

    /// With nothing but time, everything comes to rest.
    pub(crate) fn settle(&mut self) -> Verdict {
        self.deliver(Input::Tick, None)?;
        for _ in 0..100_000 {
            let Some(next) = self.writer.next_deadline() else { return self.rested() };
            if next < self.now {
                return Err(format!("invariant 7: the deadline {next} was passed over, it is {}", self.now));
            }
            self.now = next;
            self.deliver(Input::Tick, None)?;
            if self.writer.next_deadline().is_some_and(|next| next <= self.now) {
                return Err(format!("invariant 7: the deadline {next} does not pass"));
            }
        }
        Err("invariant 7: time alone does not bring everything to rest".into())
    }

    fn rested(&self) -> Verdict {
        let restless = self.writer.nodes.values().find(|n| n.deadline.is_some() || n.state.lease().is_some());
        if let Some(node) = restless {
            return Err(format!("invariant 7: {} never rests: {:?}", node.spec.name, node.state));
        }
        match self.writer.leases.values().next() {
            Some(lease) => Err(format!("invariant 7: {:?} never ends: {:?}", lease.id, lease.state)),
            None => Ok(()),
        }
    }

    /// With everything mended and somebody who tidies up, every machine is free again and nobody waits.
    pub(crate) fn recover(&mut self) -> Verdict {
        self.lab.calm();
        self.mend()?;
        for round in 0..20_000 {
            if round % 16 == 0 && self.recovered() {
                self.coverage.count("recovered");
                return Ok(());
            }
            self.now = Timestamp(self.now.0 + self.random.below(300));
            match self.random.below(8) {
                0 => {
                    let tidy = People::tidy(&self.published, &mut self.random);
                    self.deliver_some(tidy)?;
                }
                1 => self.wait(Turn::Tick)?,
                2 | 3 => {
                    let answer = self.lab.carry_out(&self.published, &mut self.random);
                    self.deliver_some(answer)?;
                }
                4 => {
                    let silent = self.lab.notice_silence(&mut self.random);
                    self.deliver_some(silent)?;
                }
                _ => {
                    for message in self.lab.act(&self.published, self.now, &mut self.random) {
                        self.deliver(message.input, message.from)?;
                    }
                }
            }
            if round % 500 == 499 {
                self.wait(Turn::Deadline)?;
                self.deliver(People::correct(&self.lab), None)?;
            }
        }
        let stuck: Vec<_> = self
            .writer
            .nodes
            .values()
            .filter(|n| n.in_service() && !n.is_free())
            .map(|n| format!("{}: {}", n.spec.name, hostler_core::explain::node(n)))
            .collect();
        Err(format!("invariant 7: it never recovers: {stuck:#?}"))
    }

    fn recovered(&self) -> bool {
        self.writer.nodes.values().all(|n| n.is_free() || !n.in_service())
            && self.writer.leases.values().all(|l| matches!(l.state, LeaseState::Closed { .. }))
    }

    /// The core decides the same from the same history: the committed inputs, applied to an empty world, lead to the
    /// same state, byte for byte, through however many crashes this one went.
    pub(crate) fn invariant_10_replays_byte_for_byte(&mut self) -> Verdict {
        self.commit()?;
        let mut replayed = World::new(self.timing.clone());
        for (at, input) in &self.log {
            replayed.apply(*at, input.clone());
        }
        if json(&replayed)? == json(&self.writer)? && json(&self.published)? == json(&self.writer)? {
            Ok(())
        } else {
            Err("invariant 10: the replayed world is another one".into())
        }
    }
}

const TURNS: &[(u64, Turn)] = &[
    (600, Turn::Machine),
    (120, Turn::Bmc),
    (20, Turn::Late),
    (20, Turn::Silence),
    (110, Turn::Person),
    (40, Turn::Noise),
    (20, Turn::Replay),
    (50, Turn::Tick),
    (6, Turn::Deadline),
    (1, Turn::LongTime),
    (1, Turn::Storm),
    (4, Turn::Mend),
    (2, Turn::Started),
    (4, Turn::Crash),
];

const CALM_TURNS: &[(u64, Turn)] = &[
    (600, Turn::Machine),
    (120, Turn::Bmc),
    (20, Turn::Silence),
    (110, Turn::Person),
    (50, Turn::Tick),
    (3, Turn::Deadline),
    (2, Turn::Started),
    (3, Turn::Crash),
];

/// Short enough that every bound is met, long enough that most steps are in time.
fn timing() -> Timing {
    Timing {
        power_ms: 60_000,
        firmware_ms: 120_000,
        enrol_ms: 120_000,
        inspect_ms: 60_000,
        wipe_ms: 300_000,
        deploy_ms: 300_000,
        deployed_ms: 120_000,
        approval_ms: 3_600_000,
        silence_ms: 20_000,
        incident_ms: 600_000,
        remember_ms: 600_000,
    }
}

const fn longest(timing: &Timing) -> u64 {
    timing.approval_ms
}

fn json(world: &World) -> Result<String, String> {
    serde_json::to_string(world).map_err(|e| e.to_string())
}
