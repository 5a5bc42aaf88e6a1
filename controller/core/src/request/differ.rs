//! The search for machines no two of which are alike. Slots get machines one after the other; a machine is taken only if
//! a matching still exists for the slots that are left, and for those that have to differ one with values instead of
//! machines. Where all members differ in one thing this never has to go back.

use super::matching::Matching;
use super::scope::{Fits, Key, Scope};
use super::search::{GaveUp, Owners, Search, cells};
use std::collections::{BTreeMap, BTreeSet};

/// What a comparison costs here, where each step looks ahead.
const LOOKING_AHEAD: usize = 100;

/// One search, for given numbers of machines.
pub(super) struct Differ<'s> {
    search: &'s Search,
    /// The nodes that are looked at: of those that are as good as each other no more than can be used.
    nodes: Vec<usize>,
    /// Of these nodes.
    fits: Fits,
    /// Of these nodes.
    scopes: Vec<Scope>,
    /// The members of the slots that have to differ in something, member by member.
    slots: Vec<usize>,
    /// Those of the others.
    others: Vec<usize>,
    /// For each node: nodes of the same number are as good as each other.
    kinds: Vec<usize>,
    owners: Owners,
    /// For each thing to differ in: the values that are taken.
    taken: Vec<BTreeSet<Key>>,
}

impl<'s> Differ<'s> {
    pub(super) fn new(search: &'s Search, fits: &Fits, counts: &[usize]) -> Self {
        let slots = counts.iter().enumerate().flat_map(|(m, count)| std::iter::repeat_n(m, *count));
        let differs = |member: &usize| search.different.iter().any(|scope| scope.members[*member]);
        let (slots, others): (Vec<_>, Vec<_>) = slots.partition(differs);
        let kinds = kinds(search, fits);
        let nodes = useful(search, &kinds, slots.len(), others.len());
        let fits: Fits = fits.iter().map(|fits| nodes.iter().map(|node| fits[*node]).collect()).collect();
        Self {
            search,
            scopes: search.different.iter().map(|scope| scope.of(&nodes)).collect(),
            kinds: nodes.iter().map(|node| kinds[*node]).collect(),
            owners: vec![None; nodes.len()],
            taken: vec![BTreeSet::new(); search.different.len()],
            nodes,
            fits,
            slots,
            others,
        }
    }

    pub(super) fn run(mut self, nodes: usize) -> Result<Option<Owners>, GaveUp> {
        if !self.is_promising(0) || !self.place(0, 0)? {
            return Ok(None);
        }
        let left = self.left();
        let mut matching = Matching::new(&left);
        if !self.others.iter().all(|member| matching.add(*member)) {
            return Ok(None);
        }
        let mut owners = vec![None; nodes];
        for ((node, owner), other) in self.nodes.iter().zip(&self.owners).zip(matching.owners()) {
            owners[*node] = owner.or(other);
        }
        Ok(Some(owners))
    }

    /// Finds machines for the slots from this one on. Slots of one member take machines in ascending order, since their
    /// order means nothing; this one begins `from`.
    fn place(&mut self, slot: usize, from: usize) -> Result<bool, GaveUp> {
        let Some(&member) = self.slots.get(slot) else { return Ok(true) };
        let mut tried = BTreeSet::new();
        for node in from..self.owners.len() {
            if !self.is_open(member, node) || !tried.insert(self.kinds[node]) {
                continue;
            }
            self.search.spend(cells(&self.fits) * LOOKING_AHEAD)?;
            self.take(member, node);
            let is_same_member = self.slots.get(slot + 1) == Some(&member);
            let from = if is_same_member { node + 1 } else { 0 };
            if self.is_promising(slot + 1) && self.place(slot + 1, from)? {
                return Ok(true);
            }
            self.give_back(member, node);
        }
        Ok(false)
    }

    /// True if the member may have the node beside what others have.
    fn is_open(&self, member: usize, node: usize) -> bool {
        let clashes = |(scope, taken): (&Scope, &BTreeSet<Key>)| {
            scope.members[member] && scope.keys[node].is_some_and(|key| taken.contains(&key))
        };
        self.fits[member][node]
            && self.owners[node].is_none()
            && !self.scopes.iter().zip(&self.taken).any(clashes)
    }

    fn take(&mut self, member: usize, node: usize) {
        self.owners[node] = Some(member);
        for (scope, taken) in self.scopes.iter().zip(&mut self.taken) {
            taken.extend(scope.keys[node].filter(|_| scope.members[member]));
        }
    }

    fn give_back(&mut self, member: usize, node: usize) {
        self.owners[node] = None;
        for (scope, taken) in self.scopes.iter().zip(&mut self.taken) {
            if let Some(key) = scope.keys[node].filter(|_| scope.members[member]) {
                taken.remove(&key);
            }
        }
    }

    /// False if the slots from this one on cannot all get machines, whatever is tried.
    fn is_promising(&self, slot: usize) -> bool {
        let slots = &self.slots[slot..];
        let left = self.left();
        if !Matching::holds(&left, slots.iter().chain(&self.others).copied()) {
            return false;
        }
        self.scopes.iter().all(|scope| {
            let concerned = slots.iter().copied().filter(|member| scope.members[*member]);
            Matching::holds(&by_value(scope, &left), concerned)
        })
    }

    /// What each member could still have.
    fn left(&self) -> Fits {
        let open = |member: usize| (0..self.owners.len()).map(|node| self.is_open(member, node)).collect();
        (0..self.fits.len()).map(open).collect()
    }
}

/// For each member, for each value that nodes are compared by: whether it could have a node of that value.
fn by_value(scope: &Scope, fits: &Fits) -> Fits {
    let mut values = BTreeMap::new();
    let mut places = Vec::with_capacity(scope.keys.len());
    let mut targets = 0;
    for key in &scope.keys {
        let target = match key {
            Some(key) => *values.entry(*key).or_insert(targets),
            None => targets,
        };
        targets = targets.max(target + 1);
        places.push(target);
    }
    let row = |fits: &Vec<bool>| {
        let mut row = vec![false; targets];
        places.iter().zip(fits).filter(|(_, fits)| **fits).for_each(|(target, _)| row[*target] = true);
        row
    };
    fits.iter().map(row).collect()
}

/// Numbers the nodes by what is known of them here.
fn kinds(search: &Search, fits: &Fits) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    let kind = |node: usize| {
        let suits: Vec<_> = fits.iter().map(|fits| fits[node]).collect();
        let keys: Vec<_> = search.different.iter().map(|scope| scope.keys[node]).collect();
        let next = numbers.len();
        *numbers.entry((suits, keys)).or_insert(next)
    };
    (0..fits.first().map_or(0, Vec::len)).map(kind).collect()
}

/// The first nodes of each kind: one for each thing to differ in, since a second one would be alike, and one for each slot
/// that may be as any other.
fn useful(search: &Search, kinds: &[usize], slots: usize, others: usize) -> Vec<usize> {
    let mut used = vec![0; kinds.len()];
    let is_useful = |node: &usize| {
        let is_known = search.different.iter().all(|scope| scope.keys[*node].is_some());
        let most = others + if is_known { search.different.len() } else { slots };
        used[kinds[*node]] += 1;
        used[kinds[*node]] <= most
    };
    (0..kinds.len()).filter(is_useful).collect()
}
