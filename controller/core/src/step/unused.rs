//! Machines that nobody uses: how many of them stay powered, which are booted to be warm, and which are looked at anew.

use crate::attempt::{PowerOutcome, Purpose, Rung};
use crate::ids::{NodeId, PoolId};
use crate::node::{Node, Presence};
use crate::pool::Pool;
use crate::text::span;
use crate::time::Timestamp;
use crate::unused::Machines;
use crate::world::World;
use std::num::NonZeroU32;
use std::time::Duration;

/// So many machines of a pool are refreshed at once: the others are there for whoever asks.
const REFRESHED_AT_ONCE: u32 = 2;

/// So many machines of a pool are decided on by one input; the next one goes on.
const AT_ONCE: usize = 32;

impl World {
    /// What is to be done with machines that nobody uses. The end of every input, when it is known who starts: it follows
    /// from the rows alone, one of which says when time was last looked at.
    pub(super) fn tend_unused(&mut self) {
        self.unused.refresh(&mut self.nodes, &self.bmcs);
        self.give_up_ahead();
        let is_quiet = |pool: &Pool| self.meta.incidents.contains_key(&pool.name);
        let tended = |pool: &&Pool| pool.keep.does_anything() && !is_quiet(pool);
        let pools: Vec<_> = self.pools.values().filter(tended).map(|pool| pool.id).collect();
        for pool in pools {
            self.cool_down(pool);
            self.warm_up(pool);
            self.refresh_unused(pool);
            self.write_ahead(pool);
        }
    }

    /// When time alone next makes a difference to machines that nobody uses.
    pub(super) fn next_unused(&self) -> Option<Timestamp> {
        let now = self.meta.looked;
        let tended = self.pools.values().filter(|pool| pool.keep.does_anything());
        let next = tended.filter_map(|pool| {
            let machines = self.unused.of(&pool.name)?;
            let silent = machines.cold().filter_map(|id| self.given_up_at(self.nodes.get(id)?));
            let silent = silent.filter(|at| *at > now && machines.missing(pool) > 0).min();
            [machines.next(pool, now), silent].into_iter().flatten().min()
        });
        next.chain(self.next_given_up_ahead()).min()
    }

    /// Powers off those for which the pool has no power, and those that nobody has used for long.
    fn cool_down(&mut self, id: PoolId) {
        let now = self.meta.looked;
        let Some((pool, machines)) = self.unused_of(id).filter(|(pool, _)| pool.keep.powers_off()) else {
            return;
        };
        let keep = pool.keep;
        let most = keep.max_powered.map_or(u32::MAX, NonZeroU32::get);
        let over = machines.powered().saturating_sub(most) as usize;
        let spare = machines.powered().saturating_sub(keep.spared(pool.demand, now)) as usize;
        if spare == 0 {
            return;
        }
        let budget = format!("pool {} has power for {most} unused machines", pool.name);
        let candidates: Vec<_> = machines.to_spare().take(AT_ONCE).collect();
        for (place, (since, node)) in
            self.unwanted(candidates, |(_, id)| *id).into_iter().take(spare).enumerate()
        {
            let idle = now.since(since);
            if place < over {
                self.power_off(node, Rung::First, budget.clone());
            } else if keep.idle_off_ms.is_some_and(|ms| idle >= Duration::from_millis(ms.get())) {
                self.power_off(node, Rung::First, format!("unused for {}", span(idle)));
            }
        }
        self.unused.refresh(&mut self.nodes, &self.bmcs);
    }

    /// Boots as many as are missing of those that are to be warm: first those that have power and are not heard, which may
    /// be broken.
    fn warm_up(&mut self, id: PoolId) {
        let Some((pool, machines)) = self.unused_of(id) else { return };
        let missing = machines.missing(pool) as usize;
        if missing == 0 {
            return;
        }
        let because = format!("pool {} keeps {} machines warm", pool.name, pool.keep.warm);
        let powered = machines.powered() + machines.preparing();
        let room = pool.keep.max_powered.map_or(u32::MAX, |most| most.get().saturating_sub(powered));
        let cold = machines.cold().filter(|id| self.is_given_up(*id));
        let off = machines.off().filter(|id| self.is_settled(*id)).take(room as usize);
        let candidates: Vec<_> = cold.chain(off).take(AT_ONCE).collect();
        for node in self.unwanted(candidates, |id| *id).into_iter().take(missing) {
            self.inspect(node, Some(because.clone()));
        }
        self.unused.refresh(&mut self.nodes, &self.bmcs);
    }

    /// Looks anew at those that nobody has used for long, a few at a time: one that died is found before a tenant gets it.
    fn refresh_unused(&mut self, id: PoolId) {
        let Some((pool, machines)) = self.unused_of(id) else { return };
        let Some(ms) = pool.keep.refresh_ms else { return };
        let Some(moment) = self.meta.looked.0.checked_sub(ms.get()).map(Timestamp) else { return };
        let room = REFRESHED_AT_ONCE.saturating_sub(machines.preparing()) as usize;
        if room == 0 {
            return;
        }
        let because = format!("nobody has used it for {}", span(Duration::from_millis(ms.get())));
        let settled = machines.since(moment).filter(|id| self.is_settled(*id));
        let candidates: Vec<_> = settled.take(AT_ONCE).collect();
        for node in self.unwanted(candidates, |id| *id).into_iter().take(room) {
            self.inspect(node, Some(because.clone()));
        }
        self.unused.refresh(&mut self.nodes, &self.bmcs);
    }

    /// Those of the candidates that nobody waits for, alone or with others.
    pub(super) fn unwanted<T>(&mut self, candidates: Vec<T>, id: impl Fn(&T) -> NodeId) -> Vec<T> {
        if candidates.is_empty() || self.index().queue().next().is_none() {
            return candidates;
        }
        self.ask_scheduler(|scene, _| {
            candidates.into_iter().filter(|candidate| !scene.could_be_used(id(candidate))).collect()
        })
    }

    pub(super) fn unused_of(&self, id: PoolId) -> Option<(&Pool, &Machines)> {
        let pool = self.pools.get(id)?;
        Some((pool, self.unused.of(&pool.name)?))
    }

    /// It is not in the midst of being powered off.
    fn is_settled(&self, id: NodeId) -> bool {
        let boot = self.nodes.get(id).and_then(|node| node.state.boot());
        boot.is_some_and(|boot| {
            boot.purpose != Purpose::Rest || matches!(boot.power, PowerOutcome::Acknowledged { .. })
        })
    }

    /// A machine that is silent for longer than a network is out for a moment, or that has restarted by itself.
    fn is_given_up(&self, id: NodeId) -> bool {
        let Some(node) = self.nodes.get(id) else { return false };
        !matches!(node.agent, Presence::Silent { .. })
            || self.given_up_at(node).is_some_and(|at| at <= self.meta.looked)
    }

    fn given_up_at(&self, node: &Node) -> Option<Timestamp> {
        match node.agent {
            Presence::Silent { since } => Some(since.after(Duration::from_millis(self.timing.silence_ms))),
            _ => None,
        }
    }
}
