//! `apply`: making the registered machines equal to those given, all or nothing.

use super::{Result, exhausted};
use crate::constraint::is_label;
use crate::event::Severity;
use crate::ids::BmcId;
use crate::input::{Applied, ApplyAction, Refusal, Reply};
use crate::node::{Bmc, BmcSpec, FirstWipe, Node, NodeSpec, NodeState, Presence, Took};
use crate::record::Record;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a rack, a switch or the value of a label.
const MAX_TEXT: usize = 128;

/// Labels of one machine.
const MAX_LABELS: usize = 32;

/// What applying `nodes` would change.
///
/// # Errors
/// The first thing that makes no sense, with the node's name.
pub fn preview(world: &World, nodes: &[(NodeSpec, BmcSpec)]) -> std::result::Result<Vec<Applied>, Refusal> {
    check_names(nodes)?;
    check_unique(world, nodes)?;
    check_bmcs(world, nodes)?;
    nodes.iter().map(|(spec, bmc)| compare(world, spec, bmc)).collect()
}

impl World {
    pub(super) fn on_apply(&mut self, author: &str, nodes: &[(NodeSpec, BmcSpec)]) -> Result {
        let applied = preview(self, nodes)?;
        for ((spec, bmc), change) in nodes.iter().zip(&applied) {
            match change.action {
                ApplyAction::Unchanged => {}
                ApplyAction::Created => self.create_node(author, spec, bmc)?,
                ApplyAction::Updated => self.update_node(author, spec, bmc, &change.fields)?,
            }
        }
        self.reschedule = true;
        self.review_reservations = true;
        Ok(Reply::Applied(applied))
    }

    fn create_node(
        &mut self,
        author: &str,
        spec: &NodeSpec,
        bmc: &BmcSpec,
    ) -> std::result::Result<(), Refusal> {
        let bmc = self.put_bmc(bmc)?;
        let id = self.meta.counters.next_node().ok_or_else(exhausted)?;
        self.put_node(Node {
            id,
            spec: spec.clone(),
            bmc,
            state: NodeState::Registered,
            since: self.meta.now,
            deadline: None,
            holds: BTreeMap::new(),
            inventory: None,
            first_wipe: FirstWipe::Pending,
            wiped: BTreeSet::new(),
            last_wipe: Vec::new(),
            agent: Presence::Absent,
            unexpected_boot: None,
            leftover_bytes: 0,
            vacated: None,
            took: Took::default(),
            record: Record::default(),
            outage: None,
        });
        self.tell(Severity::Info, "node-registered", id, format!("{} registered by {author}", spec.name));
        self.inspect(id, None);
        Ok(())
    }

    fn update_node(
        &mut self,
        author: &str,
        spec: &NodeSpec,
        bmc: &BmcSpec,
        fields: &[String],
    ) -> std::result::Result<(), Refusal> {
        let bmc = self.put_bmc(bmc)?;
        let Some(mut node) = self.node_named(&spec.name).cloned() else { return Ok(()) };
        if may_be_another_machine(&node.spec, spec) {
            node.first_wipe = FirstWipe::Pending;
            node.wiped.clear();
        }
        let to_be_wiped = !node.spec.keep_disks.is_subset(&spec.keep_disks);
        let look_again = is_other_identity(&node.spec, spec) || node.bmc != bmc || to_be_wiped;
        let id = node.id;
        if look_again {
            node.inventory = None;
        }
        node.spec = spec.clone();
        node.bmc = bmc;
        // What is inspected or wiped at this moment may be the machine that it is no more.
        let in_doubt = node.state.lease().is_none()
            && matches!(
                node.state,
                NodeState::Ready { .. } | NodeState::Inspecting { .. } | NodeState::Cleaning { .. }
            );
        self.put_node(node);
        let message = format!("{} changed by {author}: {}", spec.name, fields.join(", "));
        self.tell(Severity::Info, "node-changed", id, message);
        if look_again && in_doubt {
            self.inspect(id, Some("its registration changed".into()));
        }
        Ok(())
    }

    fn put_bmc(&mut self, spec: &BmcSpec) -> std::result::Result<BmcId, Refusal> {
        let known =
            self.bmcs.values().find(|b| b.spec.address == spec.address).map(|b| (b.id, b.spec == *spec));
        match known {
            Some((id, true)) => Ok(id),
            Some((id, false)) => {
                self.bmcs.insert(id, Bmc { id, spec: spec.clone() });
                Ok(id)
            }
            None => {
                let id = self.meta.counters.next_bmc().ok_or_else(exhausted)?;
                self.bmcs.insert(id, Bmc { id, spec: spec.clone() });
                Ok(id)
            }
        }
    }
}

/// True if what was agreed about the disks of the machine registered as `old` need not hold for the one registered as
/// `new`: its identity is another, or there is none but the Ethernet address and that is another.
fn may_be_another_machine(old: &NodeSpec, new: &NodeSpec) -> bool {
    let anonymous = new.serial.is_none() && new.uuid.is_none();
    old.serial != new.serial || old.uuid != new.uuid || anonymous && old.mac != new.mac
}

/// True if the machine has to be looked at anew before it is used as `new`.
fn is_other_identity(old: &NodeSpec, new: &NodeSpec) -> bool {
    old.mac != new.mac
        || old.address != new.address
        || old.arch != new.arch
        || old.firmware != new.firmware
        || old.serial != new.serial
        || old.uuid != new.uuid
}

fn compare(world: &World, spec: &NodeSpec, bmc: &BmcSpec) -> std::result::Result<Applied, Refusal> {
    let object = format!("node {}", spec.name);
    let Some(node) = world.node_named(&spec.name).filter(|n| n.in_service()) else {
        return Ok(Applied { object, action: ApplyAction::Created, fields: Vec::new() });
    };
    let fields = differences(world, node, spec, bmc);
    let moved = is_other_identity(&node.spec, spec)
        || world.bmcs.get(node.bmc).is_none_or(|known| known.spec.address != bmc.address);
    if moved && node.state.lease().is_some() {
        return Err(Refusal::Conflict(format!(
            "{object} is leased: {} can be changed when it is given back",
            fields.join(", ")
        )));
    }
    let action = if fields.is_empty() { ApplyAction::Unchanged } else { ApplyAction::Updated };
    Ok(Applied { object, action, fields })
}

fn differences(world: &World, node: &Node, spec: &NodeSpec, bmc: &BmcSpec) -> Vec<String> {
    let old = &node.spec;
    let none = || "none".to_owned();
    let keep = |s: &NodeSpec| s.keep_disks.iter().cloned().collect::<Vec<_>>().join("+");
    let mut fields = vec![
        ("arch", old.arch.to_string(), spec.arch.to_string()),
        ("firmware", old.firmware.to_string(), spec.firmware.to_string()),
        ("pool", old.pool.clone(), spec.pool.clone()),
        ("mac", old.mac.to_string(), spec.mac.to_string()),
        ("address", old.address.to_string(), spec.address.to_string()),
        ("serial", old.serial.clone().unwrap_or_else(none), spec.serial.clone().unwrap_or_else(none)),
        ("uuid", old.uuid.clone().unwrap_or_else(none), spec.uuid.clone().unwrap_or_else(none)),
        ("keep_disks", keep(old), keep(spec)),
        ("start", old.start.as_str().to_owned(), spec.start.as_str().to_owned()),
        ("rack", old.rack.clone().unwrap_or_else(none), spec.rack.clone().unwrap_or_else(none)),
        ("switch", old.switch.clone().unwrap_or_else(none), spec.switch.clone().unwrap_or_else(none)),
        ("labels", labels(old), labels(spec)),
    ];
    if let Some(known) = world.bmcs.get(node.bmc).map(|b| &b.spec) {
        fields.push(("bmc.address", known.address.clone(), bmc.address.clone()));
        fields.push(("bmc.user", known.user.clone(), bmc.user.clone()));
        fields.push(("bmc.cipher_suite", known.cipher_suite.to_string(), bmc.cipher_suite.to_string()));
        fields.push(("bmc.shared", known.shared.to_string(), bmc.shared.to_string()));
        if known.password != bmc.password {
            fields.push(("bmc.password", "(sealed)".into(), "(sealed, changed)".into()));
        }
    }
    fields.retain(|(_, old, new)| old != new);
    fields.into_iter().map(|(name, old, new)| format!("{name} {old} -> {new}")).collect()
}

fn labels(spec: &NodeSpec) -> String {
    let labels: Vec<_> = spec.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if labels.is_empty() { "none".to_owned() } else { labels.join(",") }
}

fn check_names(nodes: &[(NodeSpec, BmcSpec)]) -> std::result::Result<(), Refusal> {
    for (spec, bmc) in nodes {
        check_word("node name", &spec.name, "-.")?;
        check_word("pool", &spec.pool, "-._")?;
        if !spec.firmware.exists_on(spec.arch) {
            let text = format!("node {}: no {} machine has {} firmware", spec.name, spec.arch, spec.firmware);
            return Err(Refusal::Invalid(text));
        }
        check_place(spec)?;
        if !matches!(bmc.cipher_suite, 3 | 17) {
            let text = format!("node {}: bmc.cipher_suite is 3 or 17, not {}", spec.name, bmc.cipher_suite);
            return Err(Refusal::Invalid(text));
        }
    }
    Ok(())
}

/// What people say of a machine is compared and printed, nothing else: any short text will do, but for names of labels,
/// which are written in requests.
fn check_place(spec: &NodeSpec) -> std::result::Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::Invalid(format!("node {}: {text}", spec.name)));
    let is_text = |text: &String| {
        (1..=MAX_TEXT).contains(&text.len()) && !text.contains(char::is_control) && text.trim() == text
    };
    let places = [("rack", &spec.rack), ("switch", &spec.switch)];
    for (what, text) in places.into_iter().filter_map(|(what, text)| Some((what, text.as_ref()?))) {
        if !is_text(text) {
            return invalid(format!("{what}: 1 to {MAX_TEXT} bytes without control characters"));
        }
    }
    if spec.labels.len() > MAX_LABELS {
        return invalid(format!("labels: {} of them; at most {MAX_LABELS}", spec.labels.len()));
    }
    for (name, value) in &spec.labels {
        if !is_label(name) {
            return invalid(format!(
                "labels: {:?} is no name: 1 to 63 lower-case letters, digits, `-`, `_` and `.`",
                crate::text::clip(name)
            ));
        }
        if !is_text(value) {
            return invalid(format!("labels: {name}: 1 to {MAX_TEXT} bytes without control characters"));
        }
    }
    Ok(())
}

/// Names travel into URLs, file names and boot scripts: only harmless characters.
pub(super) fn check_word(what: &str, word: &str, also: &str) -> std::result::Result<(), Refusal> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || also.contains(c);
    let begins_well = word.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && word.len() <= 63 && word.chars().all(legal) {
        return Ok(());
    }
    let shown: String = word.chars().take(64).collect();
    Err(Refusal::Invalid(format!(
        "{what} {shown:?}: 1 to 63 lower-case letters, digits or any of {also:?}, beginning with a letter or digit"
    )))
}

/// Name, Ethernet address and IP address belong to one node each, here and among those registered.
fn check_unique(world: &World, nodes: &[(NodeSpec, BmcSpec)]) -> std::result::Result<(), Refusal> {
    let mut seen = BTreeMap::<String, &str>::new();
    let given: BTreeSet<_> = nodes.iter().map(|(s, _)| s.name.as_str()).collect();
    for (spec, _) in nodes {
        for what in
            [format!("name {}", spec.name), format!("mac {}", spec.mac), format!("address {}", spec.address)]
        {
            if let Some(other) = seen.insert(what.clone(), &spec.name) {
                return Err(Refusal::Invalid(format!("{what} is given to both {other} and {}", spec.name)));
            }
        }
        // A node that is given as well may be changing its address to make room; `seen` has checked the result.
        let taken = [world.node_by_mac(spec.mac), world.node_by_address(spec.address)];
        for other in taken.into_iter().flatten() {
            if other.spec.name != spec.name && !given.contains(other.spec.name.as_str()) {
                let what = if other.spec.mac == spec.mac { "mac" } else { "address" };
                return Err(Refusal::Conflict(format!(
                    "node {}: {what} belongs to node {} already",
                    spec.name, other.spec.name
                )));
            }
        }
    }
    Ok(())
}

/// Two nodes on one BMC must both say that they share it, and agree on the account.
fn check_bmcs(world: &World, nodes: &[(NodeSpec, BmcSpec)]) -> std::result::Result<(), Refusal> {
    let mut users = BTreeMap::<&str, (&str, &BmcSpec)>::new();
    let given: BTreeSet<_> = nodes.iter().map(|(s, _)| s.name.as_str()).collect();
    for node in world.nodes.values().filter(|n| n.in_service() && !given.contains(n.spec.name.as_str())) {
        if let Some(bmc) = world.bmcs.get(node.bmc) {
            users.insert(&bmc.spec.address, (&node.spec.name, &bmc.spec));
        }
    }
    for (spec, bmc) in nodes {
        let (name, address) = (&spec.name, &bmc.address);
        let Some((other, known)) = users.insert(address, (name, bmc)) else { continue };
        if !(known.shared && bmc.shared) {
            return Err(Refusal::Conflict(format!(
                "nodes {other} and {name} have the same BMC {address}: set `shared = true` on both if that is so"
            )));
        }
        // One given node alone may change the account for all; two must not contradict each other.
        let contradicts = (&known.user, known.cipher_suite) != (&bmc.user, bmc.cipher_suite);
        if contradicts && given.contains(other) {
            return Err(Refusal::Conflict(format!(
                "nodes {other} and {name} share the BMC {address}, and give it different users or cipher suites"
            )));
        }
    }
    Ok(())
}
