//! How histories end: everything rests, or works again, and it is the same when it is told anew.

use crate::controller::json;
use crate::history::{History, Turn};
use crate::invariants::Verdict;
use crate::people::People;
use hostler_core::explain;
use hostler_core::input::Input;
use hostler_core::lease::LeaseState;
use hostler_core::time::Timestamp;
use hostler_core::world::World;

impl History {
    /// With nothing but time, everything comes to rest.
    pub(crate) fn settle(&mut self) -> Verdict {
        self.deliver(Input::Tick, None)?;
        // What comes back for ever does not rest.
        while let Some(input) = People::unreserve(&self.writer) {
            self.deliver(input, None)?;
        }
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
            .map(|n| format!("{}: {}", n.spec.name, explain::node(&self.writer, n)))
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
