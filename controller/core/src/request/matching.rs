//! Bipartite matching by augmenting paths.

/// Slots of several kinds, each given a target of its own.
pub(super) struct Matching<'a> {
    /// For each kind of slot, for each target: whether they fit.
    fits: &'a [Vec<bool>],
    /// For each slot: its kind.
    slots: Vec<usize>,
    /// For each target: the slot that has it.
    owner: Vec<Option<usize>>,
}

impl<'a> Matching<'a> {
    pub(super) fn new(fits: &'a [Vec<bool>]) -> Self {
        let targets = fits.first().map_or(0, Vec::len);
        Self { fits, slots: Vec::new(), owner: vec![None; targets] }
    }

    /// Adds a slot of this kind, if it and all before it can have a target. Exact: none is missed.
    pub(super) fn add(&mut self, kind: usize) -> bool {
        let slot = self.slots.len();
        self.slots.push(kind);
        let placed = self.take_free(slot) || self.place(slot, &mut vec![false; self.owner.len()]);
        if !placed {
            self.slots.pop();
        }
        placed
    }

    /// True if a slot of each of these kinds can have a target.
    pub(super) fn holds(fits: &[Vec<bool>], slots: impl IntoIterator<Item = usize>) -> bool {
        let mut matching = Matching::new(fits);
        slots.into_iter().all(|kind| matching.add(kind))
    }

    /// For each target: the kind of the slot that has it.
    pub(super) fn owners(&self) -> Vec<Option<usize>> {
        self.owner.iter().map(|slot| slot.map(|slot| self.slots[slot])).collect()
    }

    /// Gives the slot the first target that suits it and that no slot has yet. Nearly always there is one.
    fn take_free(&mut self, slot: usize) -> bool {
        let targets = self.fits[self.slots[slot]].iter().zip(&mut self.owner);
        match targets.filter(|(fits, owner)| **fits && owner.is_none()).map(|(_, owner)| owner).next() {
            Some(owner) => {
                *owner = Some(slot);
                true
            }
            None => false,
        }
    }

    /// Gives the slot a target that another slot has, if that one can be given another.
    fn place(&mut self, slot: usize, visited: &mut [bool]) -> bool {
        let fits = self.fits;
        for (target, fits) in fits[self.slots[slot]].iter().enumerate() {
            if !fits || std::mem::replace(&mut visited[target], true) {
                continue;
            }
            let Some(other) = self.owner[target] else { continue };
            if self.take_free(other) || self.place(other, visited) {
                self.owner[target] = Some(slot);
                return true;
            }
        }
        false
    }
}
