//! Inspection and wipe: whether this is the registered machine, whether its disks may be wiped, and whether they were.

use super::Result;
use super::disks::{
    describe, has_newcomer, inspected, key, missing, one_pass_ms, resized, unwiped, was_verified,
    written_disks,
};
use crate::attempt::{EvidenceKind, Phase, PowerOutcome, Stage};
use crate::ids::NodeId;
use crate::input::Reply;
use crate::node::{Disk, DiskWipe, FirstWipe, HoldKind, Inventory, Nic, Node, NodeState};
use crate::text::clip;
use crate::world::World;

/// An inventory of more bytes than this is refused: it is kept with the node.
const MAX_INVENTORY: usize = 128 * 1024;

impl World {
    pub(super) fn on_inspected(&mut self, id: NodeId, task: u64, inventory: Inventory) -> Result {
        if !self.is_ordered(id, task, Stage::Inspect) {
            return Ok(Reply::Done);
        }
        if text_of(&inventory) > MAX_INVENTORY {
            self.escalate(id, "the inventory is too large to be true");
            return Ok(Reply::Done);
        }
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        match look(node, &inventory) {
            Finding::OtherMachine(mismatch) => {
                node.inventory = Some(inventory);
                self.other_machine(id, mismatch);
            }
            Finding::DiskLost(disk) => self.escalate(id, &format!("the machine has lost a disk: {disk}")),
            Finding::DiskResized(evidence) => self.fail(id, "inspection", evidence, HoldKind::Quarantine),
            Finding::DiskAppeared(disk) => {
                let evidence = format!("not there when the node was wiped: {disk}");
                self.fail(id, "inspection", evidence, HoldKind::Quarantine);
            }
            Finding::AsRegistered => {
                if matches!(node.first_wipe, FirstWipe::Approved(_)) && has_newcomer(node, &inventory) {
                    // Whoever agreed did not see that disk.
                    node.first_wipe = FirstWipe::Pending;
                }
                node.inventory = Some(inventory);
                self.review_reservations = true;
                self.go_on(id);
            }
        }
        Ok(Reply::Done)
    }

    /// This is the machine that is registered: what its boot is for can begin.
    fn go_on(&mut self, id: NodeId) {
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return };
        let Some(boot) = node.state.boot_mut() else { return };
        let from = boot.last_end();
        boot.spend(Phase::Inspect, from, now);
        boot.witness(EvidenceKind::Identity, "as registered", now);
        boot.stage = Stage::Idle;
        match node.state.clone() {
            NodeState::Inspecting { boot } => {
                node.enter(NodeState::Cleaning { boot, lease: None }, now, None);
                self.consider_wipe(id);
            }
            NodeState::Cleaning { .. } => self.consider_wipe(id),
            NodeState::Deploying { .. } => self.advance(id, Stage::Deploy, self.timing.deploy_ms),
            _ => {}
        }
    }

    /// What the agent read is not what is registered: this is another machine, and nothing is done to it.
    fn other_machine(&mut self, id: NodeId, mismatch: String) {
        let read = self.nodes.get(id).and_then(|n| n.inventory.as_ref()).map(|i| i.serial.clone());
        let twin = self
            .nodes
            .values()
            .find(|n| n.id != id && n.in_service() && n.spec.serial.is_some() && n.spec.serial == read)
            .map(|n| (n.id, n.spec.name.clone()));
        let twin_name =
            twin.as_ref().map(|(_, name)| format!("; {name} is registered with it")).unwrap_or_default();
        if let Some((twin, name)) = twin {
            let text = format!("its serial was read on another node's boot: {mismatch}");
            self.hold(twin, HoldKind::Miswired, "hostlerd", format!("{name}: {text}"));
        }
        self.fail(id, "inspection", format!("{mismatch}{twin_name}"), HoldKind::Miswired);
    }

    /// Begins the wipe, unless it is the first of this node and somebody has to agree.
    fn consider_wipe(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(id) else { return };
        let full: Vec<_> = node.inventory.iter().flat_map(|i| unwiped(node, i)).map(describe).collect();
        let known = node.spec.serial.is_some() || node.spec.uuid.is_some();
        let reason = match &node.first_wipe {
            FirstWipe::Approved(_) => return self.begin_wipe(id),
            _ if !full.is_empty() => format!("not empty: {}", full.join(", ")),
            FirstWipe::Pending if !known => {
                "neither serial nor UUID is registered: is this the machine?".to_owned()
            }
            FirstWipe::Pending | FirstWipe::Done => return self.begin_wipe(id),
        };
        let approval = self.within(self.timing.approval_ms);
        if let Some(node) = self.nodes.get_mut(id) {
            node.deadline = approval;
        }
        self.hold(id, HoldKind::AwaitingFirstWipe, "hostlerd", reason);
    }

    pub(super) fn begin_wipe(&mut self, id: NodeId) {
        let writing = self.nodes.get(id).map(one_pass_ms).unwrap_or_default();
        self.advance(id, Stage::Wipe, self.timing.wipe_ms.saturating_add(writing));
    }

    pub(super) fn on_wiped(&mut self, id: NodeId, task: u64, disks: Vec<DiskWipe>) -> Result {
        if !self.is_ordered(id, task, Stage::Wipe) {
            return Ok(Reply::Done);
        }
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        let missed = written_disks(node).find(|d| !was_verified(d, &disks)).map(|d| {
            let why = disks.iter().find(|w| w.path == d.path).map_or("no word of it", |w| &w.problem);
            format!("{}: {why}", describe(d))
        });
        let methods: Vec<_> = disks.iter().map(|d| format!("{} by {}", d.path, d.method)).collect();
        node.last_wipe = inspected(node, disks);
        if let Some(missed) = missed {
            self.escalate(id, &format!("the wipe was not verified of {missed}"));
            return Ok(Reply::Done);
        }
        node.first_wipe = FirstWipe::Done;
        node.leftover_bytes = 0;
        node.wiped = written_disks(node).map(|d| key(d).to_owned()).collect();
        node.holds.remove(&HoldKind::AwaitingFirstWipe);
        let NodeState::Cleaning { boot, .. } = &mut node.state else { return Ok(Reply::Done) };
        let from = boot.last_end();
        boot.spend(Phase::Wipe, from, now);
        boot.witness(EvidenceKind::Wiped, &clip(&methods.join(", ")), now);
        self.prove_or_finish(id);
        Ok(Reply::Done)
    }

    /// The machine is wiped, and whatever else had to be done is done: whoever asks gets it.
    pub(super) fn is_clean(&mut self, id: NodeId) {
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return };
        let NodeState::Cleaning { boot, lease } = &mut node.state else { return };
        boot.stage = Stage::Idle;
        let (boot, lease) = (boot.clone(), *lease);
        node.enter(NodeState::Ready { boot }, now, None);
        if let Some(lease) = lease {
            self.member_is_clean(lease, id);
        }
        self.reschedule = true;
    }
}

/// What an inspection comes to.
enum Finding {
    AsRegistered,
    OtherMachine(String),
    DiskLost(String),
    DiskResized(String),
    DiskAppeared(String),
}

fn look(node: &Node, read: &Inventory) -> Finding {
    let deploying = matches!(node.state, NodeState::Deploying { .. });
    if let Err(mismatch) = identity(node, read) {
        Finding::OtherMachine(mismatch)
    } else if let Some(disk) = missing(node, read) {
        Finding::DiskLost(describe(disk))
    } else if let Some(evidence) = resized(node, read) {
        Finding::DiskResized(evidence)
    } else if let Some(disk) = unwiped(node, read).next().filter(|_| deploying) {
        Finding::DiskAppeared(describe(disk))
    } else {
        Finding::AsRegistered
    }
}

/// Whether what the agent read is the registered machine (and, where the BMC has a GUID, the machine behind it).
fn identity(node: &Node, read: &Inventory) -> std::result::Result<(), String> {
    let spec = &node.spec;
    if let Some(serial) = spec.serial.as_ref().filter(|s| **s != read.serial) {
        return Err(format!("the registered serial is {serial:?}, the machine's is {:?}", read.serial));
    }
    if let Some(uuid) = spec.uuid.as_ref().filter(|u| !u.eq_ignore_ascii_case(&read.uuid)) {
        return Err(format!("the registered UUID is {uuid}, the machine's is {:?}", read.uuid));
    }
    let guid = match node.state.boot().map(|b| &b.power) {
        Some(PowerOutcome::Acknowledged { guid, .. }) => guid.as_deref(),
        _ => None,
    };
    match guid {
        Some(guid) if !read.uuid.is_empty() && !same_uuid(guid, &read.uuid) => {
            Err(format!("the BMC belongs to the system {guid}, the agent runs on {}", read.uuid))
        }
        _ => Ok(()),
    }
}

/// BMCs disagree on the byte order of the first three fields (IPMI v2.0 section 20.8 against SMBIOS 2.6).
fn same_uuid(a: &str, b: &str) -> bool {
    let (Ok(a), Ok(b)) = (a.parse::<uuid::Uuid>(), b.parse::<uuid::Uuid>()) else {
        return a.eq_ignore_ascii_case(b);
    };
    a == b || a.to_bytes_le() == *b.as_bytes() || a.as_bytes().iter().rev().eq(b.as_bytes())
}

/// Bytes of text in an inventory, roughly.
fn text_of(inventory: &Inventory) -> usize {
    let disk = |d: &Disk| 64 + d.path.len() + d.serial.len() + d.model.len() + d.health.len();
    let nic = |n: &Nic| 64 + n.name.len() + n.mac.len();
    let system =
        [&inventory.serial, &inventory.uuid, &inventory.manufacturer, &inventory.product, &inventory.bmc];
    system.iter().map(|s| s.len()).sum::<usize>()
        + inventory.disks.iter().map(disk).sum::<usize>()
        + inventory.nics.iter().map(nic).sum::<usize>()
}
