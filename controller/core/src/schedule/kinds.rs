//! What those who wait ask for. Many ask for the same: each kind of request is one queue of the scheduler.

use crate::calendar::{Reserved, Window};
use crate::constraint::{Attribute, Fact, Grouping};
use crate::hardware::Arch;
use crate::ids::ReservationId;
use crate::lease::{LeaseSpec, Member};
use crate::node::Node;
use crate::request::Want;
use crate::world::World;
use std::collections::HashMap;
use std::hash::Hash;

/// What decides which machines a request can have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) members: Vec<Member>,
    pub(super) groupings: Vec<Grouping>,
    /// Whose machines; none for those that are anybody's.
    pub(super) reservation: Option<ReservationId>,
}

impl Asked {
    pub(super) fn of(spec: &LeaseSpec, reservation: Option<ReservationId>) -> Self {
        Self { members: spec.members.clone(), groupings: spec.groupings.clone(), reservation }
    }
}

/// The kinds of requests that somebody waits with. A kind has the number of its queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    kinds: Numbered<Asked>,
    /// What their members want of a machine, whatever their roles and however many they are.
    wanted: Numbered<Member>,
    /// What machines are compared by.
    compared: Numbered<Attribute>,
}

/// What came or went with somebody who waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The kind of request.
    pub(super) kind: bool,
    /// Something that tells machines apart.
    pub(super) marks: bool,
}

impl Kinds {
    /// One more waits with this request: the number of its kind.
    pub(super) fn add(&mut self, asked: &Asked) -> (usize, News) {
        let (number, kind) = self.kinds.add(asked);
        let mut marks = false;
        if kind {
            for member in &asked.members {
                marks |= self.wanted.add(&wanted(member)).1;
            }
            for grouping in &asked.groupings {
                marks |= self.compared.add(&grouping.attribute).1;
            }
        }
        (number, News { kind, marks })
    }

    /// One less. The number of a kind that is gone will be given to another.
    pub(super) fn remove(&mut self, number: usize) -> News {
        let Some(asked) = self.kinds.remove(number) else { return News::default() };
        let mut marks = false;
        for member in &asked.members {
            marks |= self.wanted.remove_equal(&wanted(member));
        }
        for grouping in &asked.groupings {
            marks |= self.compared.remove_equal(&grouping.attribute);
        }
        News { kind: true, marks }
    }

    pub(super) fn get(&self, number: usize) -> Option<&Asked> {
        self.kinds.get(number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Asked)> {
        self.kinds.iter()
    }

    /// With the images that its names mean at present.
    pub(super) fn wants<'a>(&'a self, world: &'a World, reserved: &'a Reserved) -> Wants<'a> {
        let wants = self.wanted.iter().map(|(n, m)| (n, Want::new(world, m))).collect();
        Wants { kinds: self, wants, reserved }
    }
}

/// A member without what does not tell machines apart.
fn wanted(member: &Member) -> Member {
    Member { role: String::new(), count: 0, at_most: None, ..member.clone() }
}

/// Different things with numbers, and how often each is there.
#[derive(Clone, Debug)]
struct Numbered<T> {
    things: Vec<Option<(T, usize)>>,
    numbers: HashMap<T, usize>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { things: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    /// One more of these: its number, and true if it is the first.
    fn add(&mut self, thing: &T) -> (usize, bool) {
        if let Some(&number) = self.numbers.get(thing) {
            if let Some(Some((_, count))) = self.things.get_mut(number) {
                *count += 1;
            }
            return (number, false);
        }
        let free = self.things.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            self.things.push(None);
            self.things.len() - 1
        });
        self.numbers.insert(thing.clone(), number);
        self.things[number] = Some((thing.clone(), 1));
        (number, true)
    }

    /// One less; the thing, if it was the last.
    fn remove(&mut self, number: usize) -> Option<T> {
        let place = self.things.get_mut(number)?;
        let (_, count) = place.as_mut()?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        let (thing, _) = place.take()?;
        self.numbers.remove(&thing);
        Some(thing)
    }

    /// One less; true if it was the last.
    fn remove_equal(&mut self, thing: &T) -> bool {
        self.numbers.get(thing).copied().is_some_and(|number| self.remove(number).is_some())
    }

    fn get(&self, number: usize) -> Option<&T> {
        self.things.get(number)?.as_ref().map(|(thing, _)| thing)
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.things.iter().enumerate().filter_map(|(number, thing)| Some((number, &thing.as_ref()?.0)))
    }
}

/// What is wanted of machines. They are alike for those who wait if the same members could have them and if they are alike
/// in whatever is compared.
pub(super) struct Wants<'a> {
    kinds: &'a Kinds,
    wants: Vec<(usize, Want<'a>)>,
    reserved: &'a Reserved,
}

/// What tells machines apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    /// Quotas tell architectures apart.
    pub(super) arch: Arch,
    /// Which members could have them: a bit for each.
    members: Vec<u64>,
    /// What they are compared by.
    compared: Vec<Option<Known>>,
    /// When they are not to be had.
    pub(super) windows: Vec<Window>,
}

/// A fact of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Known {
    Number(u64),
    Flag(bool),
    Text(String),
}

impl From<Fact<'_>> for Known {
    fn from(fact: Fact<'_>) -> Self {
        match fact {
            Fact::Number(number) => Self::Number(number),
            Fact::Flag(flag) => Self::Flag(flag),
            Fact::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

impl Wants<'_> {
    pub(super) fn mark(&self, node: &Node) -> Mark {
        let mut members = vec![0; self.kinds.wanted.things.len().div_ceil(64)];
        for (bit, _) in self.wants.iter().filter(|(_, want)| want.image_on(node).is_some()) {
            members[bit / 64] |= 1 << (bit % 64);
        }
        let compared = self.kinds.compared.iter();
        let compared = compared.map(|(_, by)| by.value(node).map(Known::from)).collect();
        Mark { arch: node.spec.arch, members, compared, windows: self.reserved.windows(node) }
    }

    /// True if the member could have machines of this mark.
    pub(super) fn suits(&self, member: &Member, mark: &Mark) -> bool {
        let bit = self.kinds.wanted.numbers.get(&wanted(member));
        bit.is_some_and(|bit| mark.members[bit / 64] >> (bit % 64) & 1 == 1)
    }
}

impl Mark {
    /// True if they are of this reservation, or none is asked for.
    pub(super) fn is_of(&self, reservation: Option<ReservationId>) -> bool {
        reservation.is_none() || self.windows.iter().any(|window| window.reserved == reservation)
    }

    /// How many different members could have them.
    pub(super) fn wanted(&self) -> u32 {
        self.members.iter().map(|bits| bits.count_ones()).sum()
    }
}
