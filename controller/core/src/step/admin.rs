//! The administrator's hands, and images.

use super::registration::check_word;
use super::{Result, exhausted};
use crate::attempt::Stage;
use crate::catalogue::{Content, Image, ImageStatus, Kind};
use crate::event::Severity;
use crate::hardware::Arch;
use crate::ids::NodeId;
use crate::input::{AdminAction, Refusal, Reply};
use crate::node::{FirstWipe, Hold, HoldKind, NodeState};
use crate::trust::Trust;
use crate::world::World;

/// What kernels take at least, with room for the consoles of a machine.
const MAX_ARGUMENTS: usize = 1536;

fn check_content(content: &Content) -> std::result::Result<(), String> {
    match &content.kind {
        _ if content.size_bytes == 0 => Err("it is empty".into()),
        Kind::Disk { disk_bytes: 0, .. } => Err("it is empty".into()),
        Kind::Disk { .. } => Ok(()),
        Kind::Diskless { kernel_bytes, .. } if !(1..content.size_bytes).contains(kernel_bytes) => {
            Err("it needs a kernel and a ramdisk".into())
        }
        Kind::Diskless { arguments, .. } if arguments.len() > MAX_ARGUMENTS => {
            Err(format!("its kernel arguments have more than {MAX_ARGUMENTS} bytes"))
        }
        Kind::Diskless { arguments, .. } if !arguments.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) => {
            Err("its kernel arguments have something else in them than printable ASCII".into())
        }
        Kind::Diskless { .. } => Ok(()),
    }
}

impl World {
    pub(super) fn on_admin(&mut self, author: &str, name: &str, action: AdminAction) -> Result {
        let node =
            self.node_named(name).ok_or_else(|| Refusal::NotFound(format!("there is no node {name:?}")))?.id;
        match action {
            AdminAction::Drain { reason, times, anyway } => self.drain(author, node, reason, times, anyway),
            AdminAction::Resume => {
                self.end_drain(node, author);
                Ok(Reply::Done)
            }
            AdminAction::Repair => self.repair(author, node),
            AdminAction::Retire => self.retire(author, node),
            AdminAction::ApproveWipe => self.approve_wipe(author, node),
            AdminAction::Power { action, force } => self.admin_power(author, node, &action, force),
        }
    }

    pub(super) fn on_add_image(&mut self, name: String, arch: Arch, content: Content) -> Result {
        check_word("image name", &name, "-._")?;
        check_content(&content).map_err(|e| Refusal::Invalid(format!("image {name} for {arch}: {e}")))?;
        match self.image_for(&name, arch).cloned() {
            Some(known) if known.content == content => return Ok(Reply::Image(known.id)),
            Some(former) => self.put_image(Image { status: ImageStatus::Retired, ..former }),
            None => {}
        }
        let id = self.meta.counters.next_image().ok_or_else(exhausted)?;
        self.tell(
            Severity::Info,
            "image-added",
            (),
            format!("image {name} for {arch} added, sha256 {}", content.sha256),
        );
        let (status, added) = (ImageStatus::Candidate, self.meta.now);
        self.put_image(Image { id, name, arch, content, status, added, trust: Trust::default() });
        self.reschedule = true;
        Ok(Reply::Image(id))
    }

    fn repair(&mut self, author: &str, id: NodeId) -> Result {
        let Some(node) = self.nodes.get(id) else { return Ok(Reply::Done) };
        match node.state {
            NodeState::Failed { .. } | NodeState::Ready { .. } | NodeState::Inspecting { .. } => {}
            _ => {
                return Err(Refusal::Conflict(format!(
                    "node {} is {}: repair is for nodes that are failed, inspecting or ready",
                    node.spec.name,
                    node.state.name().as_str()
                )));
            }
        }
        for kind in [HoldKind::Quarantine, HoldKind::Miswired, HoldKind::AwaitingFirstWipe] {
            self.lift(id, kind, author);
        }
        // Whoever repairs a machine may have taken a disk out of it.
        if let Some(node) = self.nodes.get_mut(id) {
            node.inventory = None;
            node.record.forgive(|_| true);
        }
        self.inspect_to_prove(id, format!("repaired by {author}"));
        Ok(Reply::Done)
    }

    fn retire(&mut self, author: &str, id: NodeId) -> Result {
        let now = self.meta.now;
        let Some(node) = self.nodes.get(id) else { return Ok(Reply::Done) };
        if let Some(lease) = node.state.lease() {
            let text = format!("node {} is part of lease {lease}: drain it first", node.spec.name);
            return Err(Refusal::Conflict(text));
        }
        if !node.in_service() {
            return Ok(Reply::Done);
        }
        let mut node = node.clone();
        node.enter(NodeState::Retired, now, None);
        node.agent = crate::node::Presence::Absent;
        node.outage = None;
        let message = format!("{} retired by {author}", node.spec.name);
        self.put_node(node);
        self.tell(Severity::Info, "node-retired", id, message);
        self.reschedule = true;
        self.review_reservations = true;
        Ok(Reply::Done)
    }

    fn approve_wipe(&mut self, author: &str, id: NodeId) -> Result {
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        if node.first_wipe == FirstWipe::Done && !node.holds.contains_key(&HoldKind::AwaitingFirstWipe) {
            let text = format!("node {} was wiped before: no approval is needed", node.spec.name);
            return Err(Refusal::Conflict(text));
        }
        node.first_wipe = FirstWipe::Approved(author.to_owned());
        self.lift(id, HoldKind::AwaitingFirstWipe, author);
        let waiting = self.nodes.get(id).is_some_and(
            |n| matches!(&n.state, NodeState::Cleaning { boot, .. } if boot.stage == Stage::Idle),
        );
        if waiting {
            self.begin_wipe(id);
        }
        Ok(Reply::Done)
    }

    fn admin_power(&mut self, author: &str, id: NodeId, action: &str, force: bool) -> Result {
        let Some(node) = self.nodes.get(id) else { return Ok(Reply::Done) };
        let lease = node.state.lease();
        if let Some(lease) = lease.filter(|_| !force) {
            return Err(Refusal::Conflict(format!(
                "node {} is part of lease {lease}; say --force to touch its power all the same",
                node.spec.name
            )));
        }
        let message = format!("power {action} of {} by {author}", node.spec.name);
        self.tell(Severity::Warning, "power-by-hand", (id, lease), message);
        Ok(Reply::Done)
    }

    pub(super) fn hold(&mut self, id: NodeId, kind: HoldKind, author: &str, reason: String) {
        let since = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return };
        let message = format!("{}: held ({}) by {author}: {reason}", node.spec.name, kind.as_str());
        node.holds.insert(kind, Hold { author: author.to_owned(), reason, since });
        let lease = node.state.lease();
        let severity = if kind == HoldKind::Drain { Severity::Info } else { Severity::Incident };
        self.tell(severity, "hold", (id, lease), message);
        self.reschedule = true;
        self.review_reservations = true;
    }

    pub(super) fn lift(&mut self, id: NodeId, kind: HoldKind, author: &str) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        if node.holds.remove(&kind).is_some() {
            let message = format!("{}: hold ({}) lifted by {author}", node.spec.name, kind.as_str());
            self.tell(Severity::Info, "hold-lifted", id, message);
            self.reschedule = true;
            self.review_reservations = true;
        }
    }
}
