//! What a request takes, in machines that are alike for everybody who waits.

use crate::ids::ReservationId;
use crate::request::Search;

/// A set of machines that no waiting request tells apart: an index into counts.
pub type Class = usize;

/// So many machines of a class.
pub type Share = (Class, u32);

/// Machines of one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// How many at least; one or more.
    pub count: u32,
    /// How many at most.
    pub most: u32,
    /// Which classes suit, those that it should take first in front.
    pub classes: Vec<Class>,
}

/// What a whole group takes.
#[derive(Clone, Debug)]
pub struct Shape {
    slots: Vec<Slot>,
    /// What it takes of each class, where there is no choice: the usual case.
    fixed: Option<Vec<Share>>,
    /// Where machines are compared with each other: the search, over one machine of each class.
    together: Option<Search>,
    /// Whose machines it takes; none if those that are anybody's.
    reservation: Option<ReservationId>,
}

impl Shape {
    /// A group of these roles.
    #[must_use]
    pub fn new(slots: Vec<Slot>) -> Self {
        let has_choice = |slot: &Slot| slot.classes.len() != 1 || slot.most > slot.count;
        let fixed = (!slots.iter().any(has_choice)).then(|| {
            let shares = slots.iter().filter_map(|slot| Some((*slot.classes.first()?, slot.count)));
            merged(shares)
        });
        Self { slots, fixed, together: None, reservation: None }
    }

    /// A group of these roles whose machines are compared with each other. `search` is over one machine of each class.
    #[must_use]
    pub(crate) const fn together(slots: Vec<Slot>, search: Search) -> Self {
        Self { slots, fixed: None, together: Some(search), reservation: None }
    }

    /// The same, of the machines of a reservation.
    #[must_use]
    pub(crate) const fn of_reservation(mut self, reservation: Option<ReservationId>) -> Self {
        self.reservation = reservation;
        self
    }

    pub(super) const fn reservation(&self) -> Option<ReservationId> {
        self.reservation
    }

    /// How many machines the group has at least.
    #[must_use]
    pub fn hosts(&self) -> u32 {
        self.slots.iter().map(|slot| slot.count).sum()
    }

    /// True if some role could be given a machine of this class.
    #[must_use]
    pub fn could_use(&self, class: Class) -> bool {
        self.slots.iter().any(|slot| slot.classes.contains(&class))
    }

    /// True if the whole group can be made up of what is `free` of each class.
    #[must_use]
    pub fn fits(&self, free: &[u32]) -> bool {
        match &self.fixed {
            Some(shares) => shares.iter().all(|(class, count)| free[*class] >= *count),
            None => self.take(free).is_some(),
        }
    }

    /// What the group takes of each class, at least. Exact: if a group can be made up, one is found; where machines are
    /// compared, unless that would take too long.
    #[must_use]
    pub fn take(&self, free: &[u32]) -> Option<Vec<Share>> {
        match (&self.fixed, &self.together) {
            (Some(shares), _) => self.fits(free).then(|| shares.clone()),
            (_, Some(search)) => self.arrange(search, free),
            _ => Some(merged(self.flow(free)?.given.into_iter().flatten())),
        }
    }

    /// The same, with as many machines as each role may have and as there are.
    #[must_use]
    pub fn take_most(&self, free: &[u32]) -> Option<Vec<Share>> {
        if self.fixed.is_some() || self.together.is_some() {
            return self.take(free);
        }
        let mut flow = self.flow(free)?;
        for (index, slot) in self.slots.iter().enumerate() {
            flow.take_free(index, slot.most.saturating_sub(slot.count));
        }
        Some(merged(flow.given.into_iter().flatten()))
    }

    /// Of each class no more machines are looked at than could be taken.
    fn arrange(&self, search: &Search, free: &[u32]) -> Option<Vec<Share>> {
        let most: u32 = self.slots.iter().map(|slot| slot.most).sum();
        let of_class = |class: Class| {
            let count = if self.could_use(class) { free[class].min(most) } else { 0 };
            std::iter::repeat_n(class, count as usize)
        };
        let machines: Vec<Class> = (0..free.len()).flat_map(of_class).collect();
        let owners = search.among(&machines).run().ok().flatten()?;
        let taken = machines.iter().zip(owners).filter(|(_, owner)| owner.is_some());
        Some(merged(taken.map(|(class, _)| (*class, 1))))
    }

    fn flow(&self, free: &[u32]) -> Option<Flow<'_>> {
        let mut flow =
            Flow { slots: &self.slots, left: free.to_vec(), given: vec![Vec::new(); self.slots.len()] };
        for (index, slot) in self.slots.iter().enumerate() {
            let mut missing = slot.count - flow.take_free(index, slot.count);
            while missing > 0 {
                let moved = flow.displace(index, missing, &mut vec![false; free.len()]);
                if moved == 0 {
                    return None;
                }
                missing -= moved;
            }
        }
        Some(flow)
    }
}

/// One entry for each class, by class.
fn merged(shares: impl Iterator<Item = Share>) -> Vec<Share> {
    let mut merged: Vec<Share> = Vec::new();
    for (class, count) in shares.filter(|(_, count)| *count > 0) {
        match merged.iter_mut().find(|(known, _)| *known == class) {
            Some((_, sum)) => *sum += count,
            None => merged.push((class, count)),
        }
    }
    merged.sort_unstable();
    merged
}

/// Matching of roles to classes by augmenting paths.
struct Flow<'a> {
    slots: &'a [Slot],
    left: Vec<u32>,
    /// What each slot has of each class.
    given: Vec<Vec<Share>>,
}

impl Flow<'_> {
    /// Gives the slot up to `count` machines that nobody has; how many it got.
    fn take_free(&mut self, slot: usize, count: u32) -> u32 {
        let mut missing = count;
        for &class in &self.slots[slot].classes {
            let taken = missing.min(self.left[class]);
            self.left[class] -= taken;
            missing -= taken;
            self.give(slot, class, taken);
        }
        count - missing
    }

    /// Gives the slot up to `count` machines of other slots that can be given others; how many it got.
    fn displace(&mut self, slot: usize, count: u32, visited: &mut [bool]) -> u32 {
        for &class in &self.slots[slot].classes {
            if std::mem::replace(&mut visited[class], true) {
                continue;
            }
            for other in 0..self.slots.len() {
                let has =
                    self.given[other].iter().find(|(c, n)| *c == class && *n > 0).map_or(0, |(_, n)| *n);
                if other == slot || has == 0 {
                    continue;
                }
                let most = has.min(count);
                let mut moved = self.take_free(other, most);
                if moved == 0 {
                    moved = self.displace(other, most, visited);
                }
                if moved > 0 {
                    self.take_back(other, class, moved);
                    self.give(slot, class, moved);
                    return moved;
                }
            }
        }
        0
    }

    fn give(&mut self, slot: usize, class: Class, count: u32) {
        if count > 0 {
            self.given[slot].push((class, count));
        }
    }

    fn take_back(&mut self, slot: usize, class: Class, count: u32) {
        let mut left = count;
        for (_, has) in self.given[slot].iter_mut().filter(|(c, _)| *c == class) {
            let taken = left.min(*has);
            *has -= taken;
            left -= taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(count: u32, classes: &[Class]) -> Slot {
        Slot { count, most: count, classes: classes.to_vec() }
    }

    #[test]
    fn a_role_takes_as_many_as_it_may_have() {
        let ranged = |count, most, classes: &[Class]| Slot { most, ..slot(count, classes) };
        let shape = Shape::new(vec![ranged(1, 4, &[0, 1]), slot(1, &[0])]);
        assert_eq!(shape.take(&[3, 1]), Some(vec![(0, 2)]));
        assert_eq!(shape.take_most(&[3, 1]), Some(vec![(0, 3), (1, 1)]));
        assert_eq!(shape.take_most(&[9, 9]), Some(vec![(0, 5)]));
        assert_eq!(shape.take_most(&[1, 0]), None);
        assert_eq!(shape.hosts(), 2);
    }

    #[test]
    fn roles_that_compete_are_matched_exactly() {
        type Case<'a> = (&'a [Slot], &'a [u32], Option<&'a [Share]>);
        let cases: [Case<'_>; 8] = [
            (&[slot(2, &[0]), slot(1, &[1])], &[2, 1], Some(&[(0, 2), (1, 1)])),
            (&[slot(2, &[0]), slot(1, &[0])], &[2, 9], None),
            (&[slot(1, &[1, 0])], &[1, 1], Some(&[(1, 1)])),
            (&[slot(3, &[1, 0])], &[2, 1], Some(&[(0, 2), (1, 1)])),
            // The first role must leave class 0 to the second.
            (&[slot(2, &[0, 1]), slot(2, &[0])], &[2, 2], Some(&[(0, 2), (1, 2)])),
            // Two steps: the third wants 0, the second has it and can have 1, which the first has and can change for 2.
            (
                &[slot(1, &[1, 2]), slot(1, &[0, 1]), slot(1, &[0])],
                &[1, 1, 1],
                Some(&[(0, 1), (1, 1), (2, 1)]),
            ),
            (&[slot(1, &[0, 1]), slot(1, &[0, 1]), slot(1, &[0])], &[1, 1, 5], None),
            (&[slot(1, &[])], &[1], None),
        ];
        for (slots, free, expected) in cases {
            let shape = Shape::new(slots.to_vec());
            assert_eq!(shape.take(free).as_deref(), expected, "{slots:?} of {free:?}");
            assert_eq!(shape.fits(free), expected.is_some(), "{slots:?} of {free:?}");
        }
    }
}
