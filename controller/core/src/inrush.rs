//! Who is starting, and who waits to be powered on. Derived from the rows, never stored.
//!
//! A machine that starts draws more current than it will ever draw again, and asks the boot server for kernel and
//! ramdisk. It counts from its power order until its ramdisk's agent enrols: nothing that is seen before is certain to
//! be of this boot, and until then the firmware spins up disks and probes hardware.

use crate::attempt::{PowerOutcome, Stage};
use crate::ids::{BootId, NodeId};
use crate::node::Node;
use crate::step::is_working;
use crate::table::{News, Table};
use std::collections::{BTreeMap, BTreeSet};

/// Who is starting, and who waits to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inrush {
    known: BTreeMap<NodeId, Known>,
    /// First come, first served: boots are numbered in the order in which they were ordered.
    waiting: BTreeSet<(BootId, NodeId)>,
    starting: BTreeMap<String, Starting>,
    /// Somebody may have got room since those who wait were looked at.
    pub(crate) moved: bool,
}

/// A machine as it was last seen.
#[derive(Clone, Debug)]
struct Known {
    pool: String,
    rack: Option<String>,
    turn: Turn,
}

/// What a machine that is to start does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It was ordered to, and counts.
    Starting,
    /// The order for this boot waits to be handed out.
    Waiting(BootId),
}

/// How many machines of a pool are starting.
#[derive(Clone, Debug, Default)]
struct Starting {
    all: u32,
    racks: BTreeMap<String, u32>,
}

impl Inrush {
    /// Looks at the machines that changed since the last call. Returns those that count already and have another boot
    /// now, which waits: they need not wait for themselves.
    pub(crate) fn refresh(&mut self, nodes: &mut Table<NodeId, Node>) -> Vec<NodeId> {
        let changed: Vec<_> = match nodes.take_inrush_news() {
            News::Of(ids) => ids.into_iter().collect(),
            News::All => nodes.values().map(|n| n.id).collect(),
        };
        changed.into_iter().filter(|id| self.look_at(*id, nodes.get(*id))).collect()
    }

    fn look_at(&mut self, id: NodeId, node: Option<&Node>) -> bool {
        let turn = node.and_then(turn);
        let same_place =
            |known: &Known, node: &Node| known.pool == node.spec.pool && known.rack == node.spec.rack;
        let unmoved = self.known.get(&id).zip(node).filter(|(known, node)| same_place(known, node));
        let before = unmoved.map(|(known, _)| known.turn);
        if before == turn && (before.is_some() || !self.known.contains_key(&id)) {
            return false;
        }
        self.moved = true;
        self.forget(id);
        if let (Some(node), Some(turn)) = (node, turn) {
            self.remember(node, turn);
        }
        before == Some(Turn::Starting) && matches!(turn, Some(Turn::Waiting(_)))
    }

    fn remember(&mut self, node: &Node, turn: Turn) {
        let known = Known { pool: node.spec.pool.clone(), rack: node.spec.rack.clone(), turn };
        match turn {
            Turn::Waiting(boot) => _ = self.waiting.insert((boot, node.id)),
            Turn::Starting => {
                let starting = self.starting.entry(known.pool.clone()).or_default();
                starting.all += 1;
                if let Some(rack) = &known.rack {
                    *starting.racks.entry(rack.clone()).or_default() += 1;
                }
            }
        }
        self.known.insert(node.id, known);
    }

    fn forget(&mut self, id: NodeId) {
        let Some(Known { pool, rack, turn }) = self.known.remove(&id) else { return };
        match turn {
            Turn::Waiting(boot) => _ = self.waiting.remove(&(boot, id)),
            Turn::Starting => {
                let Some(starting) = self.starting.get_mut(&pool) else { return };
                starting.all -= 1;
                if let Some(count) = rack.and_then(|rack| starting.racks.get_mut(&rack)) {
                    *count -= 1;
                }
            }
        }
    }

    /// Those who wait, first come first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = NodeId> {
        self.waiting.iter().map(|(_, id)| *id)
    }

    /// How many machines of a pool are starting.
    pub(crate) fn starting(&self, pool: &str) -> u32 {
        self.starting.get(pool).map_or(0, |starting| starting.all)
    }

    /// How many of them stand in this rack.
    pub(crate) fn starting_in(&self, pool: &str, rack: &str) -> u32 {
        self.starting.get(pool).and_then(|starting| starting.racks.get(rack)).copied().unwrap_or(0)
    }
}

/// What a machine does that is to start; none once its ramdisk's agent enrolled.
pub(crate) fn turn(node: &Node) -> Option<Turn> {
    let boot = node.state.boot().filter(|boot| is_working(node) && boot.stage == Stage::Firmware)?;
    Some(if boot.power == PowerOutcome::Waiting { Turn::Waiting(boot.id) } else { Turn::Starting })
}
