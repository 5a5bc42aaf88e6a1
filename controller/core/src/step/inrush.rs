//! How many machines of a pool start at once: what is said about pools, and whose turn it is to be powered on.

use super::registration::check_word;
use super::{Result, exhausted};
use crate::ahead::Wishes;
use crate::attempt::PowerOutcome;
use crate::event::Severity;
use crate::ids::NodeId;
use crate::input::{Effect, Refusal, Reply};
use crate::keep::{Demand, Keep};
use crate::node::Node;
use crate::pool::{Bounds, Limits, Pool};
use crate::world::World;
use std::fmt;
use std::num::NonZeroU32;

/// More pools than this are a loop that went wrong.
const MAX_POOLS: usize = 1_000;

impl World {
    pub(super) fn on_set_pool(&mut self, author: &str, name: String, limits: Limits) -> Result {
        check_word("pool name", &name, "-._")?;
        let known = self.pool_named(&name).cloned();
        let keep = known.as_ref().map(|pool| pool.keep).unwrap_or_default();
        let keep = keep.with(limits.keep).map_err(Refusal::Invalid)?;
        let mut pool = match known {
            Some(pool) => pool,
            None if self.pools.len() >= MAX_POOLS => {
                return Err(Refusal::Conflict(format!("there are {MAX_POOLS} pools already")));
            }
            None => {
                let id = self.meta.counters.next_pool().ok_or_else(exhausted)?;
                Pool {
                    id,
                    name,
                    added: self.meta.now,
                    bounds: Bounds::default(),
                    keep: Keep::default(),
                    demand: Demand::default(),
                    wishes: Wishes::default(),
                }
            }
        };
        let id = pool.id;
        let bounds = pool.bounds.with(limits);
        if self.pools.get(id).is_none_or(|known| (known.bounds, known.keep) != (bounds, keep)) {
            let said = if keep == pool.keep { bounds.to_string() } else { format!("{bounds}; {keep}") };
            let message = format!("pool {}: {said}; by {author}", pool.name);
            (pool.bounds, pool.keep) = (bounds, keep);
            self.pools.insert(id, pool);
            self.inrush.moved = true;
            self.tell(Severity::Info, "pool-set", (), message);
        }
        Ok(Reply::Pool(id))
    }

    /// Hands out the power orders of those whose turn it is. The end of every input: each may have made room.
    pub(super) fn hand_out(&mut self) {
        for id in self.inrush.refresh(&mut self.nodes) {
            self.power_on(id);
        }
        if !std::mem::take(&mut self.inrush.moved) {
            return;
        }
        let waiting: Vec<_> = self.inrush.waiting().collect();
        for id in waiting {
            if self.nodes.get(id).is_some_and(|node| self.full_for(node).is_none()) {
                self.power_on(id);
            }
        }
        self.inrush.moved = false;
    }

    /// Its waits begin here: nobody runs out of time for having waited its turn.
    fn power_on(&mut self, id: NodeId) {
        let (now, power_ms) = (self.meta.now, self.timing.power_ms);
        let (deadline, expires) = (self.within(power_ms), self.token_expiry(power_ms));
        let Some(node) = self.nodes.get_mut(id) else { return };
        let bmc = node.bmc;
        let Some(attempt) = node.state.boot_mut() else { return };
        attempt.power = PowerOutcome::Outstanding;
        attempt.ordered = now;
        attempt.token_expires = expires;
        let (boot, rung) = (attempt.id, attempt.rung);
        node.deadline = deadline;
        self.effects.push(Effect::Power { node: id, bmc, boot, rung });
        // It counts from now on, for those behind it.
        let _ = self.inrush.refresh(&mut self.nodes);
    }

    /// What keeps a machine from being powered on now; none if there is room.
    pub(crate) fn full_for<'w>(&'w self, node: &'w Node) -> Option<Full<'w>> {
        let pool = self.pool_named(&node.spec.pool)?;
        let name = pool.name.as_str();
        let full = |starting: u32, bound: NonZeroU32, rack| {
            (starting >= bound.get()).then_some(Full { starting, bound, pool: name, rack })
        };
        let of_pool = pool.bounds.max_booting;
        of_pool.and_then(|bound| full(self.inrush.starting(name), bound, None)).or_else(|| {
            let (rack, bound) = node.spec.rack.as_deref().zip(pool.bounds.max_booting_per_rack)?;
            full(self.inrush.starting_in(name, rack), bound, Some(rack))
        })
    }
}

/// Where no more machines may be started now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full<'w> {
    starting: u32,
    bound: NonZeroU32,
    pool: &'w str,
    rack: Option<&'w str>,
}

impl fmt::Display for Full<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { starting, bound, pool, rack } = self;
        write!(f, "{starting} of {bound} machines of pool {pool}")?;
        if let Some(rack) = rack {
            write!(f, " in rack {rack}")?;
        }
        f.write_str(" are starting")
    }
}
