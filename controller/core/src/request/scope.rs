//! What is asked of machines together, held against them.

use super::fit::Request;
use crate::constraint::{Grouping, Likeness};
use crate::lease::{Assigned, LeaseSpec};
use crate::node::Node;
use crate::world::World;
use std::collections::BTreeMap;

/// For each member, for each node: whether they fit.
pub(super) type Fits = Vec<Vec<bool>>;

/// What nodes are compared by, as a number.
pub(super) type Key = usize;

/// One grouping, with the members that it concerns and what each node is compared by.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// For each member.
    pub(super) members: Vec<bool>,
    /// For each node; none for any value.
    pub(super) keys: Vec<Option<Key>>,
}

impl Scope {
    /// Also takes from `fits` the nodes of which nobody knows what they are compared by.
    pub(super) fn new(request: &Request<'_>, grouping: &Grouping, nodes: &[&Node], fits: &mut Fits) -> Self {
        let members: Vec<_> = request.members().iter().map(|w| grouping.concerns(&w.member.role)).collect();
        let mut known = BTreeMap::new();
        let mut number = |value| {
            let next: Key = known.len();
            *known.entry(value).or_insert(next)
        };
        let keys: Vec<_> = nodes.iter().map(|node| grouping.key(node).map(&mut number)).collect();
        for (fits, _) in fits.iter_mut().zip(&members).filter(|(_, concerned)| **concerned) {
            for ((fits, key), node) in fits.iter_mut().zip(&keys).zip(nodes) {
                *fits &= key.is_some() || request.may_be_any(node);
            }
        }
        Self { members, keys }
    }

    /// The values that machines of its members have, in the order of the nodes; one that stands for any if there is no
    /// other.
    pub(super) fn values(&self, fits: &Fits) -> Vec<Option<Key>> {
        let mut values = Vec::new();
        for (node, key) in self.keys.iter().enumerate() {
            let is_usable = fits.iter().zip(&self.members).any(|(fits, concerned)| *concerned && fits[node]);
            if is_usable && !values.contains(key) {
                values.push(*key);
            }
        }
        if values.iter().any(Option::is_some) {
            values.retain(Option::is_some);
        }
        values
    }

    /// The same for some of the nodes.
    pub(super) fn of(&self, nodes: &[usize]) -> Self {
        Self { members: self.members.clone(), keys: nodes.iter().map(|node| self.keys[*node]).collect() }
    }

    /// What is left for its members if they all have to have `value`.
    pub(super) fn narrow(&self, fits: &Fits, value: Option<Key>) -> Fits {
        let narrow = |(fits, concerned): (&Vec<bool>, &bool)| {
            let of_value = |(fits, key): (&bool, &Option<Key>)| *fits && (key.is_none() || *key == value);
            if *concerned { fits.iter().zip(&self.keys).map(of_value).collect() } else { fits.clone() }
        };
        fits.iter().zip(&self.members).map(narrow).collect()
    }
}

/// True if `node` may take the place of `failed` in the group, as far as its machines are compared.
pub(crate) fn admits(
    world: &World,
    spec: &LeaseSpec,
    group: &[Assigned],
    failed: &Assigned,
    node: &Node,
) -> bool {
    let role = |assigned: &Assigned| spec.members.get(assigned.member).map_or("", |m| m.role.as_str());
    spec.groupings.iter().filter(|grouping| grouping.concerns(role(failed))).all(|grouping| {
        let Some(key) = grouping.key(node) else { return false };
        let others = group.iter().filter(|a| a.node != failed.node && grouping.concerns(role(a)));
        others.filter_map(|a| grouping.key(world.nodes.get(a.node)?)).all(|other| match grouping.likeness {
            Likeness::Same => other == key,
            Likeness::Different => other != key,
        })
    })
}
