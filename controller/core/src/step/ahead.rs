//! Images that are written to machines that nobody has: which, where, and what agents report of it.

use super::Result;
use crate::ahead::{Ahead, AheadState};
use crate::attempt::Purpose;
use crate::catalogue::{Image, Kind};
use crate::event::Severity;
use crate::ids::{ImageId, NodeId, PoolId};
use crate::input::{Blame, Reply};
use crate::order;
use crate::pool::Pool;
use crate::request::can_hold;
use crate::text::clip;
use crate::time::Timestamp;
use crate::unused::Machines;
use crate::world::World;
use std::collections::BTreeMap;
use std::time::Duration;

/// So many machines of a pool are written at once: leases that deploy need the network as well.
const WRITTEN_AT_ONCE: usize = 2;

/// So many machines are looked at for one image by one input; the next one goes on.
const LOOKED_AT: usize = 32;

impl World {
    /// Has images written ahead in a pool, as many as it says: each time the one of which the least is written of what may
    /// be asked for soon.
    pub(super) fn write_ahead(&mut self, id: PoolId) {
        while let Some((node, image)) = self.next_to_write(id) {
            self.order_ahead(node, image);
            self.unused.refresh(&mut self.nodes, &self.bmcs);
        }
    }

    fn next_to_write(&mut self, id: PoolId) -> Option<(NodeId, ImageId)> {
        let (pool, machines) = self.unused_of(id)?;
        if pool.keep.ahead == 0 || machines.writing().count() >= WRITTEN_AT_ONCE {
            return None;
        }
        let wanted = self.wanted_ahead(pool);
        let written: usize = wanted.keys().map(|image| machines.count_with(*image)).sum();
        if written >= pool.keep.ahead as usize {
            return None;
        }
        let candidates: Vec<_> = by_need(&wanted, machines)
            .into_iter()
            .filter_map(|image| self.images.get(image))
            .map(|image| (image.id, self.could_be_written(image, machines, &wanted)))
            .collect();
        candidates.into_iter().find_map(|(image, nodes)| {
            let node = self.unwanted(nodes, |id| *id).into_iter().next()?;
            Some((node, image))
        })
    }

    /// The images that leases of this pool may ask for soon, and how often. What was asked for by a name is by now the
    /// image that has this name.
    pub(crate) fn wanted_ahead(&self, pool: &Pool) -> BTreeMap<ImageId, u32> {
        let mut wanted = BTreeMap::new();
        for (asked, demand) in pool.wishes.at(self.meta.looked) {
            let image = self.images.get(asked).and_then(|image| self.image_for(&image.name, image.arch));
            if let Some(image) = image.filter(|image| is_of_use(image)) {
                *wanted.entry(image.id).or_default() += demand;
            }
        }
        wanted
    }

    /// Where this image may be written: to warm machines that have none, or one that nobody asks for any more. Those come
    /// first that were used last: they stay powered for longest.
    fn could_be_written(
        &self,
        image: &Image,
        machines: &Machines,
        wanted: &BTreeMap<ImageId, u32>,
    ) -> Vec<NodeId> {
        let outdated = machines.others(|other| !wanted.contains_key(&other));
        let all = machines.blank(image.arch).rev().chain(outdated).take(LOOKED_AT);
        let suits = |id: &NodeId| {
            let node = self.nodes.get(*id);
            node.is_some_and(|node| node.spec.arch == image.arch && can_hold(node, &image.content))
        };
        all.filter(suits).collect()
    }

    fn order_ahead(&mut self, id: NodeId, image: ImageId) {
        let since = self.meta.now;
        let Some(Kind::Disk { disk_bytes, .. }) = self.images.get(image).map(|image| &image.content.kind)
        else {
            return;
        };
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.leftover_bytes = node.leftover_bytes.max(*disk_bytes);
        if let Some(boot) = node.state.boot_mut() {
            boot.ahead_orders = boot.ahead_orders.saturating_add(1);
            boot.ahead = Some(Ahead { image, state: AheadState::Writing { since } });
        }
    }

    /// Gives up what is of no use any more: images that nobody may ask for, and those that take too long.
    pub(super) fn give_up_ahead(&mut self) {
        let gone = |image: ImageId| !self.images.get(image).is_some_and(is_of_use);
        let useless: Vec<_> = self.unused.all().flat_map(|machines| machines.others(gone)).collect();
        for id in &useless {
            if let Some(boot) = self.nodes.get_mut(*id).and_then(|node| node.state.boot_mut()) {
                boot.ahead = None;
            }
        }
        let (looked, bound) = (self.meta.looked, Duration::from_millis(self.timing.deploy_ms));
        let writing = self.unused.all().flat_map(Machines::writing);
        let late: Vec<_> =
            writing.filter(|(since, _)| since.after(bound) <= looked).map(|(_, id)| id).collect();
        for id in late {
            self.not_written(id, "it took too long");
        }
        self.unused.refresh(&mut self.nodes, &self.bmcs);
    }

    /// When the next of them has taken too long.
    pub(super) fn next_given_up_ahead(&self) -> Option<Timestamp> {
        let bound = Duration::from_millis(self.timing.deploy_ms);
        let since = self.unused.all().flat_map(Machines::writing).map(|(since, _)| since).min();
        since.map(|since| since.after(bound))
    }

    /// The image that is being written ahead to this machine, if `task` is what its agent is told.
    fn written_by(&self, id: NodeId, task: u64) -> Option<&Image> {
        let boot = self.nodes.get(id)?.state.boot()?;
        let ahead = boot.ahead.as_ref()?;
        let is_writing = matches!(ahead.state, AheadState::Writing { .. });
        self.images.get(ahead.image).filter(|_| is_writing && order::task_id(boot) == task)
    }

    pub(super) fn on_written_ahead(&mut self, id: NodeId, task: u64, sha256: &str) -> Result {
        let Some(image) = self.written_by(id, task) else { return Ok(Reply::Done) };
        let (name, expected) = (image.name.clone(), image.content.sha256.clone());
        if expected != sha256 {
            self.not_written(
                id,
                &format!("what was written has the digest {}, not {expected}", clip(sha256)),
            );
            return Ok(Reply::Done);
        }
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        let message = format!("{}: image {name} is written ahead", node.spec.name);
        if let Some(ahead) = node.state.boot_mut().and_then(|boot| boot.ahead.as_mut()) {
            ahead.state = AheadState::Written;
        }
        self.tell(Severity::Info, "image-ahead", id, message);
        Ok(Reply::Done)
    }

    /// True if `task` was to write an image ahead, which the agent cannot. Nothing is held against the machine; against the
    /// image, if every machine would fail like this one.
    pub(super) fn ahead_has_failed(&mut self, id: NodeId, task: u64, reason: &str, blame: Blame) -> bool {
        let Some(image) = self.written_by(id, task).cloned() else { return false };
        self.not_written(id, reason);
        if blame == Blame::Image {
            self.blamed_by(id, image, clip(reason));
        }
        true
    }

    fn not_written(&mut self, id: NodeId, reason: &str) {
        let reason = clip(reason);
        let Some(node) = self.nodes.get_mut(id) else { return };
        let name = node.spec.name.clone();
        let Some(ahead) = node.state.boot_mut().and_then(|boot| boot.ahead.as_mut()) else { return };
        ahead.state = AheadState::Failed { reason: reason.clone() };
        let image = self.images.get(ahead.image).map_or_else(String::new, |image| image.name.clone());
        let message = format!("{name}: image {image} could not be written ahead: {reason}");
        self.tell(Severity::Warning, "image-ahead-failed", id, message);
    }
}

/// True if leases may ask for it, and it goes to a disk.
fn is_of_use(image: &Image) -> bool {
    image.may_be_asked_for() && image.content.purpose() == Purpose::Deploy
}

/// Those that are written more seldom than they may be asked for: first the one of which the smallest part is written, of
/// equal ones that which is asked for most.
fn by_need(wanted: &BTreeMap<ImageId, u32>, machines: &Machines) -> Vec<ImageId> {
    let part = |image: ImageId| machines.count_with(image) as u64;
    let mut short: Vec<_> = wanted
        .iter()
        .map(|(image, demand)| (*image, u64::from(*demand)))
        .filter(|(image, demand)| part(*image) < *demand)
        .collect();
    short.sort_by(|(a, of_a), (b, of_b)| {
        (part(*a) * of_b).cmp(&(part(*b) * of_a)).then(of_b.cmp(of_a)).then(a.cmp(b))
    });
    short.into_iter().map(|(image, _)| image).collect()
}
