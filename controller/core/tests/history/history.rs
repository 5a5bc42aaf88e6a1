//! One history: a controller with its store, a rack and its people, and a seed that decides what happens next.

use crate::coverage::Coverage;
use crate::invariants::Verdict;
use crate::lab::{Lab, Message};
use crate::noise;
use crate::people::People;
use crate::random::Random;
use crate::store::Store;
use hostler_core::ids::{BootId, LeaseId, NodeId};
use hostler_core::input::{Effect, Input};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// A controller, what it has stored, and everything around it.
pub(crate) struct History {
    pub(crate) random: Random,
    pub(crate) now: Timestamp,
    pub(crate) timing: Timing,
    /// The writer's world. Its changes are taken when a batch is committed.
    pub(crate) writer: World,
    /// Gets the same inputs; its changes are taken after each.
    pub(crate) twin: World,
    /// What everybody sees: follows the commits.
    pub(crate) published: World,
    /// What is left after a crash.
    pub(crate) disk: Store,
    /// What the store would be if every input were committed at once.
    pub(crate) memory: Store,
    /// Inputs that were applied and not committed.
    pub(crate) tail: Vec<Applied>,
    /// Every committed input.
    pub(crate) log: Vec<(Timestamp, Input)>,
    pub(crate) lab: Lab,
    pub(crate) people: People,
    pub(crate) coverage: Coverage,
    /// Power attempts that left the controller.
    pub(crate) attempts: BTreeSet<BootId>,
    pub(crate) last_boot: BootId,
    /// Who was given the keys, by the number of the invitation.
    pub(crate) joined: BTreeMap<u32, String>,
    /// Which nodes are in whose hands, as last looked at.
    pub(crate) in_hand: BTreeMap<NodeId, LeaseId>,
    /// By how much the wall clock is ahead of the controller's, in milliseconds.
    pub(crate) wall_lead_ms: i64,
    /// How often a batch goes on, in a thousand.
    pub(crate) batching: u64,
}

/// An input that was applied, and what is to be done when it is committed.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) input: Input,
    pub(crate) from: Option<usize>,
    pub(crate) accepted: bool,
    pub(crate) effects: Vec<Effect>,
}

/// By how much the wall clock is set at most, ahead or back: mostly by seconds, now and then by an hour. What was under
/// way then counts as that long when starts are promised; after a day, machines would rightly be kept for a promise.
const CLOCK_STEPS_MS: &[(u64, u64)] = &[(4, 10_000), (3, 300_000), (1, 3_600_000)];

#[derive(Clone, Copy)]
pub(crate) enum Turn {
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
    ClockStep,
    Crash,
}

impl History {
    pub(crate) fn begin(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let faults = random.weighted(&[(2, 0), (2, 8), (3, 25), (1, 70)]);
        let machines = random.weighted(&[(1, 1), (2, 4), (3, 8), (3, 13), (1, 24)]);
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
            joined: BTreeMap::new(),
            in_hand: BTreeMap::new(),
            wall_lead_ms: 0,
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
            Turn::ClockStep => self.set_the_wall_clock(),
            Turn::Crash => self.crash(),
            turn => self.wait(turn),
        }
    }

    fn turns(&self) -> &'static [(u64, Turn)] {
        if self.lab.faults > 0 { TURNS } else { CALM_TURNS }
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, turn: Turn) -> Verdict {
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

    /// The controller's own clock goes on as before, and only a restart looks at the wall clock: see `crash`.
    fn set_the_wall_clock(&mut self) -> Verdict {
        let far = self.random.weighted(CLOCK_STEPS_MS);
        let by = self.random.below(2 * far).cast_signed() - far.cast_signed();
        self.wall_lead_ms += by;
        self.coverage.count(if by < 0 { "clock set back" } else { "clock set ahead" });
        self.deliver(Input::ClockStepped { by_ms: by }, None)
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
    pub(crate) fn storm(&mut self) -> Verdict {
        self.lab.cut(&mut self.random);
        while let Some(lost) = self.lab.notice_silence(&mut self.random).filter(|_| !self.random.chance(10)) {
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

    pub(crate) fn deliver_some(&mut self, input: Option<Input>) -> Verdict {
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
    (3, Turn::Storm),
    (4, Turn::Mend),
    (2, Turn::Started),
    (2, Turn::ClockStep),
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
    (1, Turn::ClockStep),
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
        prove_ms: 300_000,
        deploy_ms: 300_000,
        deployed_ms: 120_000,
        approval_ms: 3_600_000,
        silence_ms: 20_000,
        incident_ms: 600_000,
        remember_ms: 600_000,
    }
}
