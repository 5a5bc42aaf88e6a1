//! The search for a group. Without anything asked of the machines together it is one matching. `same` is tried with each
//! value that machines have, `different` is searched; see [`super::differ`].

use super::differ::Differ;
use super::fit::Request;
use super::matching::Matching;
use super::scope::{Fits, Scope};
use crate::constraint::Likeness;
use crate::node::Node;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Comparisons of a member with a node until a search is given up. Nobody else is served meanwhile.
const MAX_WORK: usize = 50_000_000;

/// The same where many searches are made in a row.
const QUICK_WORK: usize = 1_000_000;

/// For each node: the member that gets it.
pub(crate) type Owners = Vec<Option<usize>>;

/// The search took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the search for a group was given up: too much is asked of its machines together; ask for fewer roles that are \
     compared, or name their racks or machines"
)]
pub(crate) struct GaveUp;

/// One search.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// Of each member.
    least: Vec<usize>,
    /// Of each member.
    most: Vec<usize>,
    fits: Fits,
    same: Vec<Scope>,
    pub(super) different: Vec<Scope>,
    /// What may still be compared.
    budget: Budget,
}

/// Comparisons that are left. What is looked at is shared with those who read; each search has a budget of its own.
#[derive(Debug)]
struct Budget(AtomicUsize);

impl Clone for Budget {
    fn clone(&self) -> Self {
        Self::new(self.0.load(Relaxed))
    }
}

impl Budget {
    const fn new(work: usize) -> Self {
        Self(AtomicUsize::new(work))
    }

    fn spend(&self, work: usize) -> Result<(), GaveUp> {
        let left = self.0.load(Relaxed).checked_sub(work).ok_or(GaveUp)?;
        self.0.store(left, Relaxed);
        Ok(())
    }
}

impl Search {
    pub(crate) fn new(request: &Request<'_>, nodes: &[&Node]) -> Self {
        let count = |of: fn(&crate::lease::Member) -> u32| {
            request.members().iter().map(|want| of(want.member) as usize).collect()
        };
        let wants = request.members().iter();
        let mut fits = wants.map(|want| nodes.iter().map(|n| want.takes(n)).collect()).collect();
        let mut scopes = |likeness| {
            let those = request.groupings().iter().filter(|grouping| grouping.likeness == likeness);
            those.map(|grouping| Scope::new(request, grouping, nodes, &mut fits)).collect()
        };
        let (same, different) = (scopes(Likeness::Same), scopes(Likeness::Different));
        Self {
            least: count(|m| m.count),
            most: count(|m| m.most()),
            fits,
            same,
            different,
            budget: Budget::new(MAX_WORK),
        }
    }

    /// A quick search among nodes each of which is like one of those that this one is about.
    pub(crate) fn among(&self, nodes: &[usize]) -> Self {
        let scopes = |scopes: &[Scope]| scopes.iter().map(|scope| scope.of(nodes)).collect();
        Self {
            least: self.least.clone(),
            most: self.most.clone(),
            fits: self.fits.iter().map(|fits| nodes.iter().map(|node| fits[*node]).collect()).collect(),
            same: scopes(&self.same),
            different: scopes(&self.different),
            budget: Budget::new(QUICK_WORK),
        }
    }

    /// The best group that is there; none if there is none.
    ///
    /// # Errors
    /// If that cannot be found out in time.
    pub(crate) fn run(&self) -> Result<Option<Owners>, GaveUp> {
        self.alike(&self.same, &self.fits)
    }

    /// Tries each value for the first of `scopes`, and with each what that leaves for the others.
    fn alike(&self, scopes: &[Scope], fits: &Fits) -> Result<Option<Owners>, GaveUp> {
        let Some((scope, others)) = scopes.split_first() else { return self.arrange(fits) };
        let full: usize = self.most.iter().sum();
        let size = |owners: &Owners| owners.iter().flatten().count();
        let mut best: Option<Owners> = None;
        for value in scope.values(fits) {
            match self.alike(others, &scope.narrow(fits, value)) {
                Ok(Some(found)) if size(&found) == full => return Ok(Some(found)),
                Ok(Some(found)) if best.as_ref().is_none_or(|best| size(best) < size(&found)) => {
                    best = Some(found);
                }
                Ok(_) => {}
                Err(gave_up) => return best.map(Some).ok_or(gave_up),
            }
        }
        Ok(best)
    }

    fn arrange(&self, fits: &Fits) -> Result<Option<Owners>, GaveUp> {
        self.spend(cells(fits))?;
        if self.different.is_empty() {
            return Ok(self.matched(fits));
        }
        let nodes = fits.first().map_or(0, Vec::len);
        let mut counts = self.least.clone();
        let Some(mut owners) = Differ::new(self, fits, &counts).run(nodes)? else { return Ok(None) };
        self.grow(|member| {
            counts[member] += 1;
            if let Ok(Some(more)) = Differ::new(self, fits, &counts).run(nodes) {
                owners = more;
                true
            } else {
                counts[member] -= 1;
                false
            }
        });
        Ok(Some(owners))
    }

    fn matched(&self, fits: &Fits) -> Option<Owners> {
        let mut matching = Matching::new(fits);
        let mut slots = self.least.iter().enumerate().flat_map(|(m, count)| std::iter::repeat_n(m, *count));
        if !slots.all(|member| matching.add(member)) {
            return None;
        }
        self.grow(|member| matching.add(member));
        Some(matching.owners())
    }

    /// Gives each role one more machine in turn, as long as `add` finds one.
    fn grow(&self, mut add: impl FnMut(usize) -> bool) {
        let mut given = self.least.clone();
        let mut open: Vec<usize> = (0..given.len()).collect();
        while !open.is_empty() {
            open.retain(|&member| {
                let is_added = given[member] < self.most[member] && add(member);
                given[member] += usize::from(is_added);
                is_added
            });
        }
    }

    /// Counts so many comparisons.
    pub(super) fn spend(&self, work: usize) -> Result<(), GaveUp> {
        self.budget.spend(work)
    }
}

/// The comparisons that looking at each node for each member takes.
pub(super) fn cells(fits: &Fits) -> usize {
    fits.iter().map(Vec::len).sum()
}
