//! What somebody's quota leaves, in the scheduler's words: machines by class.

use super::scheduler::Waiting;
use super::shape::{Class, Shape, Share};
use std::collections::BTreeMap;

/// What a tenant may still start of what was promised to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Machines.
    pub machines: u32,
    /// Machines of some classes together.
    pub of: Vec<(Vec<Class>, u32)>,
    /// Machines times milliseconds.
    pub node_ms: u64,
}

/// What a lease takes of its tenant's budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Machines, the most that it may get.
    pub machines: u32,
    /// Machines times milliseconds.
    pub node_ms: u64,
}

/// The budgets of the tenants that have one, as they stand in the course of a pass. What was promised is set aside already,
/// and costs nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Budgets(pub(super) BTreeMap<u32, Budget>);

impl Budgets {
    fn of(&self, waiting: &Waiting) -> Option<&Budget> {
        self.0.get(&waiting.tenant).filter(|_| waiting.promise.is_none())
    }

    /// What the group takes of these counts within its budget, with as many machines as it may have if that is within
    /// it.
    pub(super) fn take(&self, waiting: &Waiting, shape: &Shape, free: &[u32]) -> Option<Vec<Share>> {
        let Some(budget) = self.of(waiting) else { return shape.take_most(free) };
        if !budget.affords(waiting.cost) {
            return None;
        }
        let free = budget.bounded(free);
        let within = |shares: &Vec<Share>| budget.has(shares);
        shape
            .take_most(&free)
            .filter(within)
            .or_else(|| shape.take(&free).filter(within))
            .or_else(|| shape.take(&budget.divided(&free)))
    }

    /// True if the budget allows a group as far as its number goes.
    pub(super) fn afford(&self, waiting: &Waiting) -> bool {
        self.of(waiting).is_none_or(|budget| budget.affords(waiting.cost))
    }

    /// True if the budget allows the group, given that these machines were free.
    pub(super) fn allow(&self, waiting: &Waiting, shape: &Shape, machines: &[u32]) -> bool {
        self.of(waiting).is_none() || self.take(waiting, shape, machines).is_some()
    }

    /// True if the budget has these.
    pub(super) fn have(&self, waiting: &Waiting, shares: &[Share]) -> bool {
        self.of(waiting).is_none_or(|budget| budget.affords(waiting.cost) && budget.has(shares))
    }

    /// A group has started.
    pub(super) fn spend(&mut self, waiting: &Waiting, shares: &[Share]) {
        if waiting.promise.is_some() {
            return;
        }
        let Some(budget) = self.0.get_mut(&waiting.tenant) else { return };
        budget.machines = budget.machines.saturating_sub(shares.iter().map(|(_, count)| count).sum());
        budget.node_ms = budget.node_ms.saturating_sub(waiting.cost.node_ms);
        for (classes, left) in &mut budget.of {
            *left = left.saturating_sub(machines_of(classes, shares));
        }
    }
}

impl Budget {
    const fn affords(&self, cost: Cost) -> bool {
        cost.machines <= self.machines && cost.node_ms <= self.node_ms
    }

    fn has(&self, shares: &[Share]) -> bool {
        self.of.iter().all(|(classes, left)| machines_of(classes, shares) <= *left)
    }

    /// Of no class more than the budget has.
    fn bounded(&self, free: &[u32]) -> Vec<u32> {
        let mut free = free.to_vec();
        for (classes, left) in &self.of {
            classes.iter().for_each(|class| free[*class] = free[*class].min(*left));
        }
        free
    }

    /// Of classes that have one budget no more together than that: the first get it.
    fn divided(&self, free: &[u32]) -> Vec<u32> {
        let mut free = free.to_vec();
        for (classes, left) in &self.of {
            let mut left = *left;
            for class in classes {
                free[*class] = free[*class].min(left);
                left -= free[*class];
            }
        }
        free
    }
}

fn machines_of(classes: &[Class], shares: &[Share]) -> u32 {
    shares.iter().filter(|(class, _)| classes.contains(class)).map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use super::super::scheduler::Spans;
    use super::super::shape::Slot;
    use super::*;

    /// Classes 0 and 1 are of one kind.
    fn budgets() -> Budgets {
        Budgets([(7, Budget { machines: 4, of: vec![(vec![0, 1], 2)], node_ms: 100 })].into())
    }

    fn waiting(tenant: u32, machines: u32, node_ms: u64) -> Waiting {
        let (spans, cost) = (Spans { expect: 1, guard: 1, limit: 1 }, Cost { machines, node_ms });
        Waiting {
            id: 1,
            tenant,
            shape: 0,
            submitted: 0,
            spans,
            factor: 1.0,
            promise: None,
            cost,
            claims: false,
        }
    }

    #[test]
    fn a_group_gets_what_its_budget_has() {
        type Case<'a> = ((u32, u32, &'a [Class]), Waiting, Option<&'a [Share]>);
        let cases: [Case<'_>; 8] = [
            ((1, 1, &[0]), waiting(7, 1, 100), Some(&[(0, 1)])),
            ((1, 1, &[0]), waiting(7, 1, 101), None),
            ((5, 5, &[2]), waiting(7, 5, 1), None),
            ((5, 5, &[2]), waiting(8, 5, 1), Some(&[(2, 5)])),
            ((3, 3, &[0, 1]), waiting(7, 3, 1), None),
            ((3, 3, &[0, 1, 2]), waiting(7, 3, 1), Some(&[(0, 2), (2, 1)])),
            ((1, 3, &[0, 1]), waiting(7, 3, 1), Some(&[(0, 1)])),
            ((1, 3, &[2]), waiting(7, 3, 1), Some(&[(2, 3)])),
        ];
        for ((count, most, classes), waiting, expected) in cases {
            let shape = Shape::new(vec![Slot { count, most, classes: classes.to_vec() }]);
            let got = budgets().take(&waiting, &shape, &[9, 9, 9]);
            assert_eq!(got.as_deref(), expected, "{count}..{most} of {classes:?} for {waiting:?}");
        }
    }

    #[test]
    fn what_is_spent_is_gone() {
        let (mut budgets, waiting) = (budgets(), waiting(7, 2, 50));
        budgets.spend(&waiting, &[(0, 1), (2, 1)]);
        assert_eq!(budgets.0[&7], Budget { machines: 2, of: vec![(vec![0, 1], 1)], node_ms: 50 });
        assert!(!budgets.have(&waiting, &[(0, 1), (1, 1)]) && budgets.have(&waiting, &[(0, 1), (2, 1)]));
    }
}
