//! What a lease asks for, held against machines: which machine suits which member, and which group would be whole.

use crate::catalogue::{Content, Image, Kind};
use crate::hardware::Arch;
use crate::ids::ImageId;
use crate::lease::{Assigned, LeaseSpec, Member};
use crate::node::{Node, Start};
use crate::step::written_disks;
use crate::world::World;

/// A request, with the images that its names mean at present.
pub(crate) struct Request<'a> {
    members: Vec<Want<'a>>,
}

/// One member of a request.
pub(crate) struct Want<'a> {
    pub(crate) member: &'a Member,
    /// For each architecture, in the order of [`Arch::ALL`].
    images: [Option<&'a Image>; Arch::ALL.len()],
}

impl<'a> Request<'a> {
    pub(crate) fn new(world: &'a World, spec: &'a LeaseSpec) -> Self {
        Self { members: spec.members.iter().map(|m| Want::new(world, m)).collect() }
    }

    pub(crate) fn members(&self) -> &[Want<'a>] {
        &self.members
    }

    /// Matches slots to `nodes`, preferring those that come first. Exact: if a group exists, one is found.
    pub(crate) fn fit(&self, nodes: &[&Node]) -> Option<Vec<Assigned>> {
        let slots: Vec<usize> = self
            .members
            .iter()
            .enumerate()
            .flat_map(|(i, want)| std::iter::repeat_n(i, want.member.count as usize))
            .collect();
        if slots.len() > nodes.len() {
            return None;
        }
        let choices: Vec<Vec<Option<ImageId>>> =
            self.members.iter().map(|want| nodes.iter().map(|n| want.image_on(n)).collect()).collect();
        let mut matching = Matching { choices: &choices, slots: &slots, owner: vec![None; nodes.len()] };
        for slot in 0..slots.len() {
            if !(matching.take_free(slot) || matching.place(slot, &mut vec![false; nodes.len()])) {
                return None;
            }
        }
        let mut group: Vec<_> = (matching.owner.iter().zip(nodes).enumerate())
            .filter_map(|(i, (slot, node))| {
                let member = slots[(*slot)?];
                Some(Assigned { node: node.id, member, image: choices[member][i]? })
            })
            .collect();
        group.sort_by_key(|a| (a.member, a.node));
        Some(group)
    }
}

impl<'a> Want<'a> {
    pub(crate) fn new(world: &'a World, member: &'a Member) -> Self {
        Self { member, images: Arch::ALL.map(|arch| world.image_for(&member.image, arch)) }
    }

    /// True if the machine is as the member wants it, whatever there is to provision it with.
    pub(crate) fn suits(&self, node: &Node) -> bool {
        let member = self.member;
        member.arch.is_none_or(|a| a == node.spec.arch)
            && member.pool.as_ref().is_none_or(|p| *p == node.spec.pool)
            && (member.nodes.is_empty() || member.nodes.contains(&node.spec.name))
    }

    /// What the machine would be provisioned with; none if the member cannot have it.
    pub(crate) fn image_on(&self, node: &Node) -> Option<ImageId> {
        let image = self.images[node.spec.arch as usize];
        image.filter(|image| self.suits(node) && can_hold(node, &image.content)).map(|image| image.id)
    }

    /// What the largest of its images needs of a machine, and what such machines have, for people.
    pub(crate) fn needs(&self) -> (String, &'static str) {
        let largest = self.images.iter().flatten().map(|image| &image.content).max_by_key(|c| c.size_bytes);
        match largest {
            Some(content @ Content { kind: Kind::Diskless { .. }, .. }) => {
                let text = format!("is diskless and takes {} bytes of memory", memory_bytes(content));
                (text, "have as much and are started by kexec")
            }
            Some(Content { kind: Kind::Disk { disk_bytes, .. }, .. }) => {
                (format!("takes {disk_bytes} bytes on a disk"), "have a disk that large")
            }
            None => ("is not there".to_owned(), "could use it"),
        }
    }

    /// The architectures for which there is an image of the wanted name.
    pub(crate) fn imaged(&self) -> impl Iterator<Item = Arch> {
        Arch::ALL.into_iter().filter(|arch| self.images[*arch as usize].is_some())
    }
}

/// True unless the machine is known to have no room for an image: on a disk, or in memory, where nothing stays of it
/// over a restart.
pub(crate) fn can_hold(node: &Node, content: &Content) -> bool {
    let Some(inventory) = &node.inventory else { return true };
    match content.kind {
        Kind::Disk { disk_bytes, .. } => written_disks(node).any(|disk| disk.size_bytes >= disk_bytes),
        // What tells no size is asked when it has booted.
        Kind::Diskless { .. } => {
            node.spec.start == Start::Kexec
                && (inventory.memory_bytes == 0 || inventory.memory_bytes >= memory_bytes(content))
        }
    }
}

/// What a diskless image takes until it runs: as it was fetched, as it is handed to the kernel, and as that keeps it for
/// kexec.
const fn memory_bytes(content: &Content) -> u64 {
    content.size_bytes.saturating_mul(3)
}

/// Bipartite matching by augmenting paths.
struct Matching<'a> {
    /// For each member, for each node: the image, if the node satisfies the member.
    choices: &'a [Vec<Option<ImageId>>],
    /// For each slot: its member.
    slots: &'a [usize],
    /// For each node: the slot that has it.
    owner: Vec<Option<usize>>,
}

impl Matching<'_> {
    /// Gives the slot the first node that suits it and that no slot has yet. Nearly always there is one.
    fn take_free(&mut self, slot: usize) -> bool {
        let choices = self.choices[self.slots[slot]].iter().zip(&mut self.owner);
        match choices.filter(|(image, owner)| image.is_some() && owner.is_none()).map(|(_, o)| o).next() {
            Some(owner) => {
                *owner = Some(slot);
                true
            }
            None => false,
        }
    }

    /// Gives the slot a node that another slot has, if that one can be given another.
    fn place(&mut self, slot: usize, visited: &mut [bool]) -> bool {
        let choices = self.choices;
        for (node, image) in choices[self.slots[slot]].iter().enumerate() {
            if image.is_none() || std::mem::replace(&mut visited[node], true) {
                continue;
            }
            let Some(other) = self.owner[node] else { continue };
            if self.take_free(other) || self.place(other, visited) {
                self.owner[node] = Some(slot);
                return true;
            }
        }
        false
    }
}
