//! The sessions that a controller knows.

use hostler_bmc::crypto::{SessionKeys, Transcript, random};
use hostler_bmc::packet::Window;
use hostler_bmc::{CipherSuite, Privilege};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// A session from the first message of its login to its end.
pub(super) struct Slot {
    pub(super) peer: SocketAddr,
    pub(super) console_id: u32,
    pub(super) suite: CipherSuite,
    pub(super) stage: Stage,
    last_heard: Instant,
}

/// How far a session has come.
pub(super) enum Stage {
    /// The session was opened.
    Open,
    /// RAKP message 2 was sent.
    Challenged(Transcript),
    /// RAKP message 4 was sent.
    Active(Box<Active>),
}

/// What an active session consists of.
pub(super) struct Active {
    pub(super) keys: SessionKeys,
    pub(super) privilege: Privilege,
    pub(super) limit: Privilege,
    pub(super) inbound: Window,
    pub(super) sequence: u32,
    /// To be repeated if message 3 is.
    pub(super) rakp4: Vec<u8>,
}

/// At most so many sessions; those that were silent for too long are forgotten.
pub(super) struct Slots {
    by_id: BTreeMap<u32, Slot>,
    max: usize,
    idle: Duration,
}

impl Slots {
    pub(super) const fn new(max: usize, idle: Duration) -> Self {
        Self { by_id: BTreeMap::new(), max, idle }
    }

    /// The id of a session that is new, or that the same request opened before; `None` if there is no free slot.
    pub(super) fn open(
        &mut self,
        peer: SocketAddr,
        console_id: u32,
        suite: CipherSuite,
        now: Instant,
    ) -> Opened {
        self.forget_silent(now);
        let same = |slot: &Slot| {
            (slot.peer, slot.console_id) == (peer, console_id) && !matches!(slot.stage, Stage::Active(_))
        };
        if let Some((id, _)) = self.by_id.iter().find(|(_, slot)| same(slot)) {
            return Opened::Again(*id);
        }
        if self.by_id.len() >= self.max {
            return Opened::Full;
        }
        let Some(id) = self.free_id() else { return Opened::Full };
        self.by_id.insert(id, Slot { peer, console_id, suite, stage: Stage::Open, last_heard: now });
        Opened::New(id)
    }

    /// The session that the controller calls `id`, if `peer` is its console.
    pub(super) fn find(&mut self, id: u32, peer: SocketAddr, now: Instant) -> Option<&mut Slot> {
        self.forget_silent(now);
        let slot = self.by_id.get_mut(&id).filter(|slot| slot.peer == peer)?;
        slot.last_heard = now;
        Some(slot)
    }

    pub(super) fn close(&mut self, id: u32) -> bool {
        self.by_id.remove(&id).is_some()
    }

    pub(super) fn clear(&mut self) {
        self.by_id.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    fn forget_silent(&mut self, now: Instant) {
        let idle = self.idle;
        self.by_id.retain(|_, slot| now.saturating_duration_since(slot.last_heard) < idle);
    }

    fn free_id(&self) -> Option<u32> {
        let id = u32::from_le_bytes(random().ok()?).max(1);
        (!self.by_id.contains_key(&id)).then_some(id)
    }
}

/// What came of a request to open a session.
pub(super) enum Opened {
    New(u32),
    Again(u32),
    Full,
}
