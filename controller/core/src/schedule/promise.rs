//! What was promised to those who wait: a latest start that does not move, and a plan that keeps it.
//!
//! The plan counts with hard limits only. As long as it has slack it is lazy: the groups one after another as on empty
//! machines, from the moment when everything that runs is over. Starting somebody is safe if that moment does not move
//! too far for anyone; that is one comparison. Only where it fails is a plan made that knows when each machine is back.
//!
//! Groups that are placed in the order of their planned starts, each as early as it fits, start no later than planned:
//! what was placed before them is over no later either. So a plan stays good while leases end early or go away.

use super::budget::Budgets;
use super::pass::Wanted;
use super::profile::Profile;
use super::scheduler::{Scheduler, Spans, Waiting};
use super::shape::Share;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What somebody who waits was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// It starts by then, in milliseconds since the epoch, unless machines are lost.
    pub latest_ms: u64,
    /// How that is kept if nothing better comes.
    pub planned: Planned,
}

/// A start that is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Planned {
    /// So many milliseconds after everything that runs is over.
    AfterAll(u64),
    /// At this moment, in milliseconds since the epoch.
    At(u64),
}

/// Who starts after all, and whose plan is another now.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) starts: Vec<Wanted>,
    pub(super) replanned: Vec<(u32, Promise)>,
}

/// Where a plan puts somebody who was promised something.
struct Placed<'a> {
    waiting: &'a Waiting,
    promise: Promise,
    /// A moment, or an offset in a lazy plan; none if the machines that come back do not suffice.
    start: Option<(u64, Vec<Share>)>,
}

impl Scheduler {
    /// True if some promise is kept by a plan of moments, which pass whether somebody starts or not.
    pub(super) fn has_moments(&self) -> bool {
        let of = |(lease, (shape, submitted)): (&u32, &(usize, u64))| self.get(*lease, *shape, *submitted);
        let mut promises = self.promised.iter().filter_map(of).filter_map(|waiting| waiting.promise);
        promises.any(|promise| matches!(promise.planned, Planned::At(_)))
    }

    /// What somebody who comes now can be promised, and whose plan changes with it. Nothing, if too many wait already
    /// or if the machines that come back by themselves do not suffice.
    #[must_use]
    pub fn promise(&self, shape: usize, spans: Spans, now: u64) -> (Option<Promise>, Vec<(u32, Promise)>) {
        if self.promised.len() >= self.policy.promises {
            return (None, Vec::new());
        }
        let shape = &self.queues[shape].shape;
        let over = self.all_over(now);
        let promised = self.in_planned_order(over, &BTreeSet::new());
        for plan in [Self::as_stored, Self::compact] {
            let mut empty = self.empty_profile();
            let Some(placed) = plan(self, &mut empty, &promised) else { continue };
            let Some((offset, _)) = empty.earliest(shape, spans.sure(), 0) else {
                if self.windows.any() {
                    break;
                }
                return (None, Vec::new());
            };
            if over + offset <= now + self.policy.window_ms && kept(&placed, over) {
                let planned = Planned::AfterAll(offset);
                let promise = Promise { latest_ms: now + self.policy.window_ms, planned };
                return (Some(promise), replanned(&placed, Planned::AfterAll));
            }
        }
        let mut profile = self.sure_profile(now);
        let placed = self.place(&mut profile, &promised, |_| now);
        let Some((start, _)) = profile.earliest(shape, spans.sure(), now) else { return (None, Vec::new()) };
        let wait = (start - now).saturating_mul(self.policy.stretch).max(self.policy.window_ms);
        let promise = Promise { latest_ms: now.saturating_add(wait), planned: Planned::At(start) };
        (Some(promise), replanned(&placed, Planned::At))
    }

    /// Whose plan changes so that all promises are kept with the machines as they are, but for those that were `lost`
    /// before.
    ///
    /// # Errors
    /// Whose promises would break.
    pub(super) fn keeping(&self, now: u64, lost: &Lost) -> Result<Vec<(u32, Promise)>, Vec<u32>> {
        let over = self.all_over(now);
        let promised = self.in_planned_order(over, &BTreeSet::new());
        for plan in [Self::as_stored, Self::compact] {
            let placed = plan(self, &mut self.empty_profile(), &promised);
            if let Some(placed) = placed.filter(|placed| kept(placed, over)) {
                return match lost.broken(&placed, over) {
                    broken if broken.is_empty() => Ok(replanned(&placed, Planned::AfterAll)),
                    broken => Err(broken),
                };
            }
        }
        let mut broken = Vec::new();
        for order in [by_plan, by_promise] {
            let placed = self.plan_after(now, &[], order).1;
            broken = lost.broken(&placed, 0);
            if broken.is_empty() {
                return Ok(replanned(&placed, Planned::At));
            }
        }
        Err(broken)
    }

    /// Whom no plan can place as machines are now.
    pub(super) fn lost(&self, now: u64) -> Lost {
        let placed = self.plan_after(now, &[], by_plan).1;
        Lost::These(placed.iter().filter(|p| p.start.is_none()).map(|p| p.waiting.id).collect())
    }

    /// The same, if nobody else becomes lost but by windows.
    pub(super) fn lost_but_by_windows(&self, now: u64) -> Lost {
        if self.windows.any() { self.lost(now) } else { Lost::Whoever }
    }

    /// Lets those start whom the policy wants, unless somebody's promise would break; then whoever can start beside the
    /// plan that keeps all promises.
    pub(super) fn settle(&self, now: u64, wanted: Vec<Wanted>) -> Settled {
        let leaving: BTreeSet<_> = wanted.iter().map(|w| w.waiting.id).collect();
        let over = self.all_over(now);
        let staying = self.in_planned_order(over, &leaving);
        if staying.is_empty() {
            return Settled { starts: wanted, replanned: Vec::new() };
        }
        let longest = wanted.iter().map(|w| w.waiting.spans.limit).max().unwrap_or(0);
        for plan in [Self::as_stored, Self::compact] {
            let Some(placed) = plan(self, &mut self.empty_profile(), &staying) else { continue };
            if kept(&placed, over.max(now + longest)) {
                return Settled { starts: wanted, replanned: replanned(&placed, Planned::AfterAll) };
            }
        }
        self.as_far_as_kept(now, wanted)
    }

    /// Lets those start one after the other, in the policy's order, with whom a plan still keeps all promises; then whoever
    /// fits beside that plan: that is, at least those whom it starts now, who cannot wait for a better moment.
    fn as_far_as_kept(&self, now: u64, wanted: Vec<Wanted>) -> Settled {
        let mut starts = Vec::new();
        let lost = self.lost_but_by_windows(now);
        let mut order: Order = by_plan;
        for candidate in wanted {
            starts.push(candidate);
            let keeps = |order: &Order| lost.broken(&self.plan_after(now, &starts, *order).1, 0).is_empty();
            match [by_promise as Order, by_plan].into_iter().find(keeps) {
                Some(found) => order = found,
                None => _ = starts.pop(),
            }
        }
        let (mut profile, mut placed) = self.plan_after(now, &starts, order);
        let started: BTreeSet<_> = starts.iter().map(|w| w.waiting.id).collect();
        let mut budgets = self.budgets.clone();
        starts.iter().for_each(|start| budgets.spend(&start.waiting, &start.shares));
        for waiting in self.candidates(now).into_iter().filter(|w| !started.contains(&w.id)) {
            if let Some(shares) = self.take_beside(&mut profile, &mut placed, &budgets, waiting, now) {
                budgets.spend(waiting, &shares);
                starts.push(Wanted { waiting: waiting.clone(), shares });
            }
        }
        Settled { starts, replanned: replanned(&placed, Planned::At) }
    }

    /// What somebody takes who starts now, if that moves nobody else in the plan.
    fn take_beside(
        &self,
        profile: &mut Profile,
        placed: &mut Vec<Placed<'_>>,
        budgets: &Budgets,
        waiting: &Waiting,
        now: u64,
    ) -> Option<Vec<Share>> {
        let (span, need) = (waiting.spans.limit, waiting.spans.sure());
        let own = placed.iter().position(|p| p.waiting.id == waiting.id);
        let booked = own.and_then(|own| placed[own].start.clone());
        if let Some((start, shares)) = &booked {
            profile.release(shares, *start, start.saturating_add(span));
        }
        let taken = profile.take(&self.queues[waiting.shape].shape, need, now);
        let taken = taken.filter(|shares| budgets.have(waiting, shares));
        match (&taken, &booked) {
            (Some(shares), _) => {
                profile.book(shares, now, now + span);
                own.map(|own| placed.remove(own));
            }
            (None, Some((start, shares))) => profile.book(shares, *start, start.saturating_add(span)),
            (None, None) => {}
        }
        taken
    }

    /// A plan from limits for those who were promised something and stay, once these have started.
    fn plan_after(&self, now: u64, starts: &[Wanted], order: Order) -> (Profile, Vec<Placed<'_>>) {
        let leaving: BTreeSet<_> = starts.iter().map(|w| w.waiting.id).collect();
        let mut staying = self.in_planned_order(self.all_over(now), &leaving);
        order(&mut staying);
        let mut profile = self.sure_profile(now);
        for start in starts {
            profile.book(&start.shares, now, now + start.waiting.spans.limit);
        }
        let placed = self.place(&mut profile, &staying, |_| now);
        (profile, placed)
    }

    /// The lazy plan as it was stored; none if it is not lazy, or if the machines do not suffice for it any more.
    fn as_stored<'a>(
        &self,
        empty: &mut Profile,
        promised: &[(&'a Waiting, Promise)],
    ) -> Option<Vec<Placed<'a>>> {
        let offset = |promise: &Promise| match promise.planned {
            Planned::AfterAll(offset) => Some(offset),
            Planned::At(_) => None,
        };
        promised.iter().try_for_each(|(_, promise)| offset(promise).map(|_| ()))?;
        let placed = self.place(empty, promised, |promise| offset(promise).unwrap_or(0));
        let holds = |p: &Placed<'_>| p.start.as_ref().map(|(at, _)| *at) == offset(&p.promise);
        placed.iter().all(holds).then_some(placed)
    }

    /// A lazy plan in the same order without gaps; none if somebody needs machines that have windows.
    fn compact<'a>(
        &self,
        empty: &mut Profile,
        promised: &[(&'a Waiting, Promise)],
    ) -> Option<Vec<Placed<'a>>> {
        let placed = self.place(empty, promised, |_| 0);
        let returning = self.returning();
        let fits = |p: &Placed<'_>| self.queues[p.waiting.shape].shape.fits(&returning);
        let needs_others = |p: &Placed<'_>| p.start.is_none() && fits(p);
        (!self.windows.any() || !placed.iter().any(needs_others)).then_some(placed)
    }

    /// Those who were promised something, but for some, by their planned starts.
    fn in_planned_order(&self, over: u64, but: &BTreeSet<u32>) -> Vec<(&Waiting, Promise)> {
        let promised = self.promised.iter().filter(|(lease, _)| !but.contains(lease));
        let mut promised: Vec<_> = promised
            .filter_map(|(lease, (shape, submitted))| {
                let waiting = self.get(*lease, *shape, *submitted)?;
                Some((waiting, waiting.promise?))
            })
            .collect();
        promised.sort_by_key(|(waiting, promise)| match promise.planned {
            Planned::AfterAll(offset) => (over + offset, waiting.id),
            Planned::At(start) => (start, waiting.id),
        });
        promised
    }

    /// Machines with windows are for plans of moments only.
    fn empty_profile(&self) -> Profile {
        let mut machines = self.returning();
        for (class, count) in machines.iter_mut().enumerate() {
            *count = if self.windows.concern(class) { 0 } else { *count };
        }
        Profile::new(0, &machines, Vec::new())
    }

    /// Places everybody in this order, as early as it fits, but not before `from`.
    fn place<'a>(
        &self,
        profile: &mut Profile,
        promised: &[(&'a Waiting, Promise)],
        from: impl Fn(&Promise) -> u64,
    ) -> Vec<Placed<'a>> {
        let mut placed = Vec::with_capacity(promised.len());
        for &(waiting, promise) in promised {
            let span = waiting.spans.limit;
            let start =
                profile.earliest(&self.queues[waiting.shape].shape, waiting.spans.sure(), from(&promise));
            if let Some((start, shares)) = &start {
                profile.book(shares, *start, start.saturating_add(span));
            }
            placed.push(Placed { waiting, promise, start });
        }
        placed
    }

    /// Stores somebody's new plan.
    pub fn replan(&mut self, lease: u32, promise: Promise) {
        let Some((shape, submitted)) = self.promised.get(&lease).copied() else { return };
        if let Some(waiting) = self.get_mut(lease, shape, submitted) {
            waiting.promise = Some(promise);
        }
    }
}

/// Whom machines that are gone cannot serve any more.
#[derive(Clone, Debug)]
pub(crate) enum Lost {
    /// Whoever is not placed.
    Whoever,
    /// These.
    These(BTreeSet<u32>),
}

impl Lost {
    /// Whose promises a plan that begins at `base` would break. Those who were lost before do not count.
    fn broken(&self, placed: &[Placed<'_>], base: u64) -> Vec<u32> {
        let broken = placed.iter().filter(|p| match (&p.start, self) {
            (Some((at, _)), _) => base.saturating_add(*at) > p.promise.latest_ms,
            (None, Self::Whoever) => false,
            (None, Self::These(lost)) => !lost.contains(&p.waiting.id),
        });
        broken.map(|p| p.waiting.id).collect()
    }
}

/// In which order those who were promised something are planned; they come in that of their planned starts.
type Order = fn(&mut Vec<(&Waiting, Promise)>);

/// Whoever must start first.
fn by_promise(promised: &mut Vec<(&Waiting, Promise)>) {
    promised.sort_by_key(|(waiting, promise)| (promise.latest_ms, waiting.id));
}

/// As before.
fn by_plan(_: &mut Vec<(&Waiting, Promise)>) {}

/// True if a plan that begins at `base` keeps all promises that hardware allows to keep.
fn kept(placed: &[Placed<'_>], base: u64) -> bool {
    placed
        .iter()
        .all(|p| p.start.as_ref().is_none_or(|(at, _)| base.saturating_add(*at) <= p.promise.latest_ms))
}

/// The promises whose plan is another now.
fn replanned(placed: &[Placed<'_>], planned: impl Fn(u64) -> Planned) -> Vec<(u32, Promise)> {
    let changed = placed.iter().filter_map(|p| {
        let planned = planned(p.start.as_ref()?.0);
        (planned != p.promise.planned).then_some((p.waiting.id, Promise { planned, ..p.promise }))
    });
    changed.collect()
}
