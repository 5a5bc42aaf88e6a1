//! Machines by class: those that nobody who waits tells apart.

use super::kinds::{Asked, Kinds, Mark, Wants};
use super::pace::{Pace, Paces};
use super::shape::{Class, Shape, Slot};
use super::tenants::{Capacity, capacity};
use super::windows::Windows;
use crate::calendar::Reserved;
use crate::hardware::Arch;
use crate::ids::NodeId;
use crate::node::{Node, Took};
use crate::request::{Request, Search};
use crate::world::World;
use std::collections::{BTreeMap, HashMap};

/// The machines that somebody who waits could have.
#[derive(Clone, Debug, Default)]
pub(super) struct Machines {
    machines: BTreeMap<NodeId, Machine>,
    classes: Vec<Alike>,
    /// Of machines that are of no use to anybody who waits.
    useless: BTreeMap<NodeId, Mark>,
    capacity: Capacity,
}

/// A machine as it was last seen.
#[derive(Clone, Debug)]
struct Machine {
    class: Class,
    took: Took,
}

/// Machines that are alike.
#[derive(Clone, Debug)]
struct Alike {
    mark: Mark,
    /// The first of them, which stands for all.
    example: NodeId,
    paces: Paces,
    pace: Pace,
}

/// What an update of one machine means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// Nothing for others.
    Itself,
    /// Deployments or cleanings take another time now on its like.
    Pace,
    /// It is of another class: all has to be sorted anew.
    Class,
}

impl Machines {
    /// Sorts all machines anew. Classes are in the order of their first machines, so that the same machines and requests
    /// make the same classes, whatever was before.
    pub(super) fn sorted(world: &World, kinds: &Kinds, reserved: &Reserved) -> Self {
        let wants = kinds.wants(world, reserved);
        let mut known: HashMap<Mark, Class> = HashMap::new();
        let mut sorted = Self { capacity: capacity(world), ..Self::default() };
        for node in world.nodes.values().filter(|n| n.in_service()) {
            let mark = wants.mark(node);
            if mark.wanted() == 0 {
                sorted.useless.insert(node.id, mark);
                continue;
            }
            let class = match known.get(&mark) {
                Some(class) => *class,
                None => {
                    known.insert(mark.clone(), sorted.classes.len());
                    let (paces, pace) = (Paces::default(), Pace::default());
                    sorted.classes.push(Alike { mark, example: node.id, paces, pace });
                    sorted.classes.len() - 1
                }
            };
            sorted.classes[class].paces.add(&node.took);
            sorted.machines.insert(node.id, Machine { class, took: node.took.clone() });
        }
        sorted.classes.iter_mut().for_each(|alike| alike.pace = alike.paces.pace());
        sorted
    }

    /// When those of each class are not to be had.
    pub(super) fn windows(&self) -> Windows {
        Windows::new(self.classes.iter().map(|alike| alike.mark.windows.clone()).collect())
    }

    /// How many classes there are.
    pub(super) const fn classes(&self) -> usize {
        self.classes.len()
    }

    /// The machines in service of each architecture.
    pub(super) const fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// The classes of an architecture.
    pub(super) fn classes_of(&self, arch: Arch) -> Vec<Class> {
        (0..self.classes.len()).filter(|class| self.classes[*class].mark.arch == arch).collect()
    }

    /// The class of a machine and what is usual there; none if nobody who waits could have it.
    pub(super) fn class(&self, node: NodeId) -> Option<(Class, Pace)> {
        let class = self.machines.get(&node)?.class;
        Some((class, self.classes[class].pace))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.machines.keys().copied()
    }

    /// Looks at a machine again, or at one that is new or gone.
    pub(super) fn update(&mut self, wants: &Wants<'_>, id: NodeId, node: Option<&Node>) -> Update {
        let mark = node.filter(|n| n.in_service()).map(|n| wants.mark(n));
        let Some(machine) = self.machines.get_mut(&id) else {
            let is_as_before = self.useless.get(&id) == mark.as_ref();
            return if is_as_before { Update::Itself } else { Update::Class };
        };
        let alike = &mut self.classes[machine.class];
        let Some(node) = node.filter(|_| mark.as_ref() == Some(&alike.mark)) else { return Update::Class };
        if node.took == machine.took {
            return Update::Itself;
        }
        alike.paces.remove(&machine.took);
        alike.paces.add(&node.took);
        machine.took = node.took.clone();
        let pace = alike.paces.pace();
        if std::mem::replace(&mut alike.pace, pace) == pace { Update::Itself } else { Update::Pace }
    }

    /// What a kind of request takes.
    pub(super) fn shape(&self, world: &World, wants: &Wants<'_>, asked: &Asked) -> Shape {
        let slots = asked.members.iter().map(|member| {
            let mark = |class: Class| &self.classes[class].mark;
            let suits =
                |class: &Class| wants.suits(member, mark(*class)) && mark(*class).is_of(asked.reservation);
            let mut classes: Vec<_> = (0..self.classes.len()).filter(suits).collect();
            // First those that the fewest others could use, and those that are open for some time only.
            classes.sort_by_key(|class| (mark(*class).wanted(), mark(*class).windows.is_empty(), *class));
            Slot { count: member.count, most: member.most(), classes }
        });
        let slots = slots.collect();
        if asked.groupings.is_empty() {
            return Shape::new(slots).of_reservation(asked.reservation);
        }
        let examples: Vec<_> = self.classes.iter().filter_map(|c| world.nodes.get(c.example)).collect();
        let request = Request::of(world, &asked.members, &asked.groupings);
        Shape::together(slots, Search::new(&request, &examples)).of_reservation(asked.reservation)
    }

    /// What is usual on the machines that a group of this shape could have, where that takes longest.
    pub(super) fn pace(&self, shape: &Shape) -> Pace {
        let useful = self.classes.iter().enumerate().filter(|(class, _)| shape.could_use(*class));
        useful.fold(Pace::default(), |slowest, (_, alike)| slowest.slower(alike.pace))
    }
}
