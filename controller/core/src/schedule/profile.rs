//! What is free of each class from now on, as far as anybody knows.

use super::shape::{Class, Shape, Share};
use super::windows::Windows;

/// Of windows that come back, so many are looked at between one machine's return and the next, all in all: who fits between
/// none of those never will.
const MOST_OPENINGS: usize = 128;

/// What is free of each class, as steps in time. The last step lasts for ever.
#[derive(Clone, Debug)]
pub struct Profile {
    starts: Vec<u64>,
    /// One row of counts for each step.
    free: Vec<u32>,
    classes: usize,
    windows: Windows,
}

/// For how long a group has its machines, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// So long they are counted as taken.
    pub span: u64,
    /// So long they must not be anybody else's by a window.
    pub limit: u64,
}

impl Need {
    /// The same for both.
    #[must_use]
    pub const fn of(span: u64) -> Self {
        Self { span, limit: span }
    }
}

/// Why a group does not start with a step.
enum Unfit {
    /// Too few are free, also later until this step.
    Until(usize),
    /// Windows are in its way.
    Closed,
}

impl Profile {
    /// These are free from `now`, and more when machines come back: one entry for each, in any order. A machine that
    /// comes back in the past comes back now.
    #[must_use]
    pub fn new(now: u64, free: &[u32], mut returns: Vec<(u64, Class)>) -> Self {
        returns.sort_unstable();
        let windows = Windows::default();
        let mut profile = Self { starts: vec![now], free: free.to_vec(), classes: free.len(), windows };
        for (at, class) in returns {
            if profile.starts.last().is_some_and(|last| *last < at) {
                profile.starts.push(at);
                let last = profile.free.len() - profile.classes;
                profile.free.extend_from_within(last..);
            }
            let last = profile.free.len() - profile.classes;
            profile.free[last + class] += 1;
        }
        profile
    }

    /// The same, with windows in which what is free is not to be had.
    #[must_use]
    pub(super) fn with(mut self, windows: &Windows) -> Self {
        self.windows = windows.clone();
        self
    }

    /// What is free at this moment.
    #[must_use]
    pub fn at(&self, moment: u64) -> &[u32] {
        self.row(self.step_at(moment))
    }

    /// When a group can first have its machines for as long as it needs them, not before `from`, and which it then takes.
    #[must_use]
    pub fn earliest(&self, shape: &Shape, need: Need, from: u64) -> Option<(u64, Vec<Share>)> {
        let mut step = self.step_at(from);
        let mut start = self.starts[step].max(from);
        let mut openings = 0;
        loop {
            let next = match self.whole(shape, step, start, need) {
                Ok(shares) => return Some((start, shares)),
                Err(Unfit::Until(next)) => self.starts.get(next).copied(),
                Err(Unfit::Closed) => {
                    let edge = self.windows.next_edge(shape, start);
                    let change = self.starts.get(step + 1).copied();
                    openings +=
                        usize::from(edge.is_some_and(|edge| change.is_none_or(|change| edge < change)));
                    change.into_iter().chain(edge).min()
                }
            };
            start = next.filter(|next| *next < u64::MAX)?;
            step = self.step_at(start);
            if openings > MOST_OPENINGS {
                return None;
            }
        }
    }

    /// What a group would take from `from` on for as long as it needs it.
    #[must_use]
    pub fn take(&self, shape: &Shape, need: Need, from: u64) -> Option<Vec<Share>> {
        self.whole(shape, self.step_at(from), from, need).ok()
    }

    /// Takes these away for a while. They must be free.
    pub fn book(&mut self, shares: &[Share], from: u64, until: u64) {
        self.change(shares, from, until, |free, count| *free -= count);
    }

    /// Gives back what was booked.
    pub fn release(&mut self, shares: &[Share], from: u64, until: u64) {
        self.change(shares, from, until, |free, count| *free += count);
    }

    fn change(&mut self, shares: &[Share], from: u64, until: u64, change: impl Fn(&mut u32, u32)) {
        let first = self.split(from);
        let end = self.split(until);
        for step in first..end {
            for (class, count) in shares {
                change(&mut self.free[step * self.classes + class], *count);
            }
        }
    }

    /// What the group takes from a moment in this step on.
    fn whole(&self, shape: &Shape, first: usize, start: u64, need: Need) -> Result<Vec<Share>, Unfit> {
        let until = start.saturating_add(need.span);
        let mut least = self.row(first).to_vec();
        for step in first..self.starts.len() {
            if step > first && self.starts[step] >= until {
                break;
            }
            if !shape.fits(self.row(step)) {
                return Err(Unfit::Until(step + 1));
            }
            for (least, free) in least.iter_mut().zip(self.row(step)) {
                *least = (*least).min(*free);
            }
        }
        self.windows.restrict(shape, &mut least, start, start.saturating_add(need.limit));
        // Each step has a group; whether they have one in common is another matter.
        shape.take(&least).ok_or(if self.windows.any() { Unfit::Closed } else { Unfit::Until(first + 1) })
    }

    fn row(&self, step: usize) -> &[u32] {
        &self.free[step * self.classes..(step + 1) * self.classes]
    }

    fn step_at(&self, moment: u64) -> usize {
        self.starts.partition_point(|start| *start <= moment).saturating_sub(1)
    }

    /// The step that begins at this moment, which is not before the first.
    fn split(&mut self, at: u64) -> usize {
        let step = self.step_at(at);
        if self.starts[step] >= at {
            return step;
        }
        self.starts.insert(step + 1, at);
        let row = step * self.classes..(step + 1) * self.classes;
        let copy = self.free[row.clone()].to_vec();
        self.free.splice(row.end..row.end, copy);
        step + 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::Slot;
    use super::*;

    fn shape(count: u32, classes: &[Class]) -> Shape {
        Shape::new(vec![Slot { count, most: count, classes: classes.to_vec() }])
    }

    #[test]
    fn a_group_starts_where_it_fits_for_its_whole_span() {
        let mut profile = Profile::new(10, &[2, 0], vec![(30, 1), (20, 0), (5, 1)]);
        assert_eq!(profile.at(10), [2, 1], "what should be back already counts from now");
        assert_eq!(profile.at(25), [3, 1]);
        profile.book(&[(0, 2)], 10, 40);
        assert_eq!(profile.earliest(&shape(1, &[0]), Need::of(5), 10), Some((20, vec![(0, 1)])));
        assert_eq!(profile.earliest(&shape(2, &[0]), Need::of(5), 10), Some((40, vec![(0, 2)])));
        assert_eq!(profile.earliest(&shape(4, &[0]), Need::of(5), 10), None);
        // A gap that is too short for it is left alone.
        profile.book(&[(0, 1)], 25, 50);
        assert_eq!(profile.earliest(&shape(1, &[0]), Need::of(5), 10), Some((20, vec![(0, 1)])));
        assert_eq!(profile.earliest(&shape(1, &[0]), Need::of(6), 10), Some((40, vec![(0, 1)])));
        assert_eq!(profile.earliest(&shape(1, &[0]), Need::of(5), 22), Some((40, vec![(0, 1)])));
    }

    /// At each moment there is one of two classes; a group keeps its machine.
    #[test]
    fn a_group_has_the_same_machines_all_the_time() {
        let mut profile = Profile::new(0, &[1, 1], Vec::new());
        profile.book(&[(0, 1)], 0, 10);
        profile.book(&[(1, 1)], 10, 20);
        assert_eq!(profile.earliest(&shape(1, &[0, 1]), Need::of(15), 0), Some((10, vec![(0, 1)])));
        assert_eq!(profile.take(&shape(1, &[0, 1]), Need::of(10), 0), Some(vec![(1, 1)]));
        assert_eq!(profile.take(&shape(1, &[0, 1]), Need::of(11), 0), None);
    }
}
