//! Nodes, images and events as they are shown.

use super::lease_view::phases;
use crate::agents::Registry;
use hostler_core::attempt::{Boot, PowerOutcome};
use hostler_core::calendar::Outage;
use hostler_core::catalogue::{Image, Kind};
use hostler_core::event::Event;
use hostler_core::explain;
use hostler_core::node::{DiskWipe, Inventory, Node, Presence};
use hostler_core::record::{Check, Failure, Proof};
use hostler_core::standby::Standby;
use hostler_core::time::Timestamp;
use hostler_core::trust::FailedOn;
use hostler_core::world::World;
use hostler_proto::node::v1 as wire;

/// A node, without any secret.
pub(super) fn node(world: &World, registry: &Registry, node: &Node) -> wire::Node {
    wire::Node {
        id: node.id.0,
        spec: Some(spec(world, node)),
        state: node.state.name().as_str().to_owned(),
        reason: explain::node(world, node),
        since_ms: node.since.0,
        deadline_ms: node.deadline.map_or(0, |d| d.0),
        holds: node
            .holds
            .iter()
            .map(|(kind, hold)| wire::Hold {
                kind: kind.as_str().to_owned(),
                author: hold.author.clone(),
                reason: hold.reason.clone(),
                since_ms: hold.since.0,
            })
            .collect(),
        lease_id: node.state.lease().map_or(0, |l| l.0),
        boot: node.state.boot().map(boot),
        inventory: node.inventory.as_ref().map(inventory),
        agent_connected: node.agent == Presence::Heard,
        health: registry.health(node.id),
        phases: phases(node).collect(),
        power_on: None,
        last_wipe: node.last_wipe.iter().map(disk_wipe).collect(),
        failures: node.record.failures.iter().map(|f| failure(world, f)).collect(),
        proof: node.record.proof.as_ref().map(proof),
        drain: node.outage.as_ref().map(drain),
        standby: node.standby().map_or("", Standby::as_str).to_owned(),
        image_ahead: image_ahead(world, node),
    }
}

fn image_ahead(world: &World, node: &Node) -> String {
    let image = node.written().and_then(|image| world.images.get(image));
    image.map(|image| image.name.clone()).unwrap_or_default()
}

fn drain(outage: &Outage) -> wire::Drain {
    let ms = |at: Option<Timestamp>| at.map_or(0, |at| at.0);
    wire::Drain {
        author: outage.author.clone(),
        reason: outage.reason.clone(),
        from_ms: outage.from.0,
        deadline_ms: ms(outage.deadline),
        back_at_ms: ms(outage.back_at),
    }
}

fn failure(world: &World, failure: &Failure) -> wire::Failure {
    let image = failure.image.and_then(|image| world.images.get(image));
    wire::Failure {
        at_ms: failure.at.0,
        step: failure.step.clone(),
        evidence: failure.evidence.clone(),
        image: image.map(|image| image.name.clone()).unwrap_or_default(),
        counts: failure.counts,
    }
}

fn proof(proof: &Proof) -> wire::Proof {
    let check = |check: &Check| wire::Check {
        part: check.part.clone(),
        passed: check.passed,
        detail: check.detail.clone(),
    };
    wire::Proof {
        at_ms: proof.at.0,
        duration_ms: proof.took_ms,
        checks: proof.checks.iter().map(check).collect(),
    }
}

fn spec(world: &World, node: &Node) -> wire::NodeSpec {
    let spec = &node.spec;
    let bmc = world.bmcs.get(node.bmc).map(|b| wire::BmcSpec {
        address: b.spec.address.clone(),
        user: b.spec.user.clone(),
        password: String::new(),
        cipher_suite: u32::from(b.spec.cipher_suite),
        shared: b.spec.shared,
    });
    wire::NodeSpec {
        name: spec.name.clone(),
        arch: spec.arch.to_string(),
        firmware: spec.firmware.to_string(),
        pool: spec.pool.clone(),
        mac: spec.mac.to_string(),
        address: spec.address.to_string(),
        serial: spec.serial.clone().unwrap_or_default(),
        uuid: spec.uuid.clone().unwrap_or_default(),
        bmc,
        keep_disks: spec.keep_disks.iter().cloned().collect(),
        start: spec.start.as_str().to_owned(),
        rack: spec.rack.clone().unwrap_or_default(),
        switch: spec.switch.clone().unwrap_or_default(),
        labels: spec.labels.clone().into_iter().collect(),
    }
}

fn boot(boot: &Boot) -> wire::Boot {
    wire::Boot {
        id: boot.id.0,
        purpose: boot.purpose.as_str().to_owned(),
        ordered_ms: boot.ordered.0,
        power: match &boot.power {
            PowerOutcome::Waiting => "waits to be powered on".to_owned(),
            PowerOutcome::Outstanding => "no answer yet".to_owned(),
            PowerOutcome::Acknowledged { .. } => "the BMC said OK".to_owned(),
            PowerOutcome::Unknown { detail, .. } => format!("unknown: {detail}"),
        },
        evidence: boot
            .evidence
            .iter()
            .map(|e| wire::Evidence {
                kind: e.kind.as_str().to_owned(),
                detail: e.detail.clone(),
                at_ms: e.at.0,
            })
            .collect(),
        rung: boot.rung as u32,
    }
}

fn inventory(read: &Inventory) -> wire::Inventory {
    wire::Inventory {
        serial: read.serial.clone(),
        uuid: read.uuid.clone(),
        manufacturer: read.manufacturer.clone(),
        product: read.product.clone(),
        cpus: read.cpus,
        cpu_cores: read.cpu_cores,
        cpu_sockets: read.cpu_sockets,
        cpu_model: read.cpu_model.clone(),
        memory_bytes: read.memory_bytes,
        disks: read
            .disks
            .iter()
            .map(|d| wire::Disk {
                path: d.path.clone(),
                serial: d.serial.clone(),
                model: d.model.clone(),
                size_bytes: d.size_bytes,
                rotational: d.rotational,
                blank: d.blank,
                remote: d.remote,
                health: d.health.clone(),
            })
            .collect(),
        nics: read
            .nics
            .iter()
            .map(|n| wire::Nic {
                name: n.name.clone(),
                mac: n.mac.clone(),
                link: n.link,
                speed_mbps: n.speed_mbps,
            })
            .collect(),
        firmware: read.firmware.clone(),
        bmc: read.bmc.clone(),
    }
}

fn disk_wipe(wipe: &DiskWipe) -> wire::DiskWipe {
    wire::DiskWipe {
        path: wipe.path.clone(),
        serial: wipe.serial.clone(),
        method: wipe.method.clone(),
        verified: wipe.verified,
        verified_bytes: wipe.verified_bytes,
        duration_ms: wipe.duration_ms,
        problem: wipe.problem.clone(),
        notes: wipe.notes.clone(),
    }
}

/// An image.
pub(super) fn image(world: &World, image: &Image) -> wire::Image {
    let (encoding, disk_bytes, diskless) = match &image.content.kind {
        Kind::Disk { encoding, disk_bytes } => (encoding.as_str().to_owned(), *disk_bytes, None),
        Kind::Diskless { kernel_bytes, arguments } => {
            let (kernel_bytes, arguments) = (*kernel_bytes, arguments.clone());
            (String::new(), 0, Some(wire::Diskless { kernel_bytes, arguments }))
        }
    };
    wire::Image {
        id: image.id.0,
        name: image.name.clone(),
        arch: image.arch.to_string(),
        sha256: image.content.sha256.clone(),
        size_bytes: image.content.size_bytes,
        status: image.status.as_str().to_owned(),
        added_ms: image.added.0,
        encoding,
        disk_bytes,
        diskless,
        deployed: image.trust.deployed,
        failed_on: image.trust.failed_on.iter().map(|f| failed_on(world, f)).collect(),
    }
}

fn failed_on(world: &World, failed: &FailedOn) -> wire::FailedOn {
    let node = world.nodes.get(failed.node).map(|node| node.spec.name.clone());
    wire::FailedOn { node: node.unwrap_or_default(), at_ms: failed.at.0, evidence: failed.evidence.clone() }
}

/// An event, with the name of its node.
pub(super) fn event(world: &World, event: &Event) -> wire::Event {
    wire::Event {
        id: event.id,
        at_ms: event.at.0,
        severity: event.severity.as_str().to_owned(),
        kind: event.kind.clone(),
        node: event.node.and_then(|n| world.nodes.get(n)).map(|n| n.spec.name.clone()).unwrap_or_default(),
        lease_id: event.lease.map_or(0, |l| l.0),
        message: event.message.clone(),
    }
}
