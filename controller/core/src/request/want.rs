//! One member of a request, held against one machine.

use crate::catalogue::{Content, Image, Kind};
use crate::constraint::{Constraint, Verdict};
use crate::hardware::Arch;
use crate::ids::ImageId;
use crate::lease::Member;
use crate::node::{Node, Start};
use crate::step::written_disks;
use crate::world::World;

/// One member of a request.
pub(crate) struct Want<'a> {
    pub(crate) member: &'a Member,
    /// For each architecture, in the order of [`Arch::ALL`].
    images: [Option<&'a Image>; Arch::ALL.len()],
    /// A machine that was never inspected may turn out to be as wanted.
    counts_unseen: bool,
}

impl<'a> Want<'a> {
    pub(crate) fn new(world: &'a World, member: &'a Member) -> Self {
        let images =
            Arch::ALL.map(|arch| world.image_for(&member.image, arch).filter(|i| i.may_be_asked_for()));
        Self { member, images, counts_unseen: false }
    }

    /// The same, where a machine that was never inspected counts as it is hoped to be.
    pub(crate) fn hopeful(world: &'a World, member: &'a Member) -> Self {
        Self { counts_unseen: true, ..Self::new(world, member) }
    }

    /// True if the machine is as the member wants it, whatever there is to provision it with.
    pub(crate) fn suits(&self, node: &Node) -> bool {
        self.is_named(node) && self.is_constrained_to(node)
    }

    /// The same without the constraint.
    pub(crate) fn is_named(&self, node: &Node) -> bool {
        let member = self.member;
        (member.arch.is_empty() || member.arch.contains(&node.spec.arch))
            && member.pool.as_ref().is_none_or(|p| *p == node.spec.pool)
            && (member.nodes.is_empty() || member.nodes.contains(&node.spec.name))
    }

    fn is_constrained_to(&self, node: &Node) -> bool {
        let constraint = self.member.constraint.as_ref();
        constraint.is_none_or(|constraint| self.is_met(constraint, node))
    }

    /// True if the machine is as the constraint wants it, as far as this counts.
    pub(crate) fn is_met(&self, constraint: &Constraint, node: &Node) -> bool {
        let needed =
            if self.counts_unseen && node.inventory.is_none() { Verdict::Unknown } else { Verdict::Yes };
        constraint.verdict(node) >= needed
    }

    /// True if the member can have the machine. One that names no image takes it as it is.
    pub(crate) fn takes(&self, node: &Node) -> bool {
        if self.member.image.is_empty() { self.suits(node) } else { self.image_on(node).is_some() }
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
