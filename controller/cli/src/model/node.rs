//! Nodes.

use super::lease::Phase;
use super::record::{Failure, Proof};
use super::{all, optional, time};
use crate::text::clean;
use hostler_proto::node::v1 as pb;
use serde::Serialize;
use std::collections::BTreeMap;

/// A physical machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Node {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) arch: String,
    pub(crate) firmware: String,
    pub(crate) pool: String,
    pub(crate) mac: String,
    pub(crate) address: String,
    pub(crate) serial: Option<String>,
    pub(crate) uuid: Option<String>,
    pub(crate) keep_disks: Vec<String>,
    /// How a freshly deployed system is started.
    pub(crate) start: String,
    /// Where it stands.
    pub(crate) rack: Option<String>,
    /// What its boot interface is cabled to.
    pub(crate) switch: Option<String>,
    /// What requests may ask for and no inspection finds.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) bmc: Option<Bmc>,
    pub(crate) state: String,
    /// What it waits for or why it failed.
    pub(crate) reason: Option<String>,
    pub(crate) since_ms: Option<u64>,
    /// When the present wait is given up.
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) lease_id: Option<u32>,
    pub(crate) agent_connected: bool,
    /// What it costs to begin with it while it is ready: "warm", "cold" or "off".
    pub(crate) standby: Option<String>,
    /// The image that was written ahead to a warm machine: a lease of it need not write it.
    pub(crate) image_ahead: Option<String>,
    /// What the BMC said; only in the answer to a power command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) power_on: Option<bool>,
    pub(crate) health: Option<Health>,
    pub(crate) boot: Option<Boot>,
    pub(crate) inventory: Option<Inventory>,
    /// How its disks fared in its last wipe.
    pub(crate) last_wipe: Vec<DiskWipe>,
    pub(crate) phases: Vec<Phase>,
    /// What did not succeed, the latest last.
    pub(crate) failures: Vec<Failure>,
    /// Its last burn-in.
    pub(crate) proof: Option<Proof>,
    pub(crate) drain: Option<Drain>,
}

/// A management controller as it is registered; the password never leaves the controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Bmc {
    pub(crate) address: String,
    pub(crate) user: String,
    pub(crate) cipher_suite: u32,
    pub(crate) shared: bool,
}

/// A reason why a node takes no new lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Hold {
    pub(crate) kind: String,
    pub(crate) author: String,
    pub(crate) reason: String,
    pub(crate) since_ms: Option<u64>,
}

/// A drain with times, announced or in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Drain {
    pub(crate) author: String,
    pub(crate) reason: String,
    pub(crate) from_ms: Option<u64>,
    /// Leases that would last longer end then.
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) back_at_ms: Option<u64>,
}

/// One power-on or restart that the controller ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Boot {
    pub(crate) id: u32,
    pub(crate) purpose: String,
    pub(crate) ordered_ms: Option<u64>,
    /// What the BMC said.
    pub(crate) power: String,
    /// Which rung of the ladder ordered it, 0 for the first try.
    pub(crate) rung: u32,
    pub(crate) evidence: Vec<Evidence>,
}

/// An observed fact about a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Evidence {
    pub(crate) kind: String,
    pub(crate) detail: String,
    pub(crate) at_ms: u64,
}

/// What an agent read off the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Inventory {
    pub(crate) serial: Option<String>,
    pub(crate) uuid: Option<String>,
    pub(crate) manufacturer: String,
    pub(crate) product: String,
    pub(crate) cpus: u32,
    /// 0 if unknown.
    pub(crate) cpu_cores: u32,
    /// 0 if unknown.
    pub(crate) cpu_sockets: u32,
    pub(crate) cpu_model: Option<String>,
    pub(crate) memory_bytes: u64,
    pub(crate) disks: Vec<Disk>,
    pub(crate) nics: Vec<Nic>,
    /// What started the machine.
    pub(crate) firmware: Option<String>,
    /// The management controller that the machine itself reaches.
    pub(crate) bmc: Option<String>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Disk {
    pub(crate) path: String,
    pub(crate) serial: String,
    pub(crate) model: String,
    pub(crate) size_bytes: u64,
    pub(crate) rotational: bool,
    pub(crate) blank: bool,
    pub(crate) remote: bool,
    /// What the disk says of itself.
    pub(crate) health: Option<String>,
}

/// How one disk was wiped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DiskWipe {
    pub(crate) path: String,
    pub(crate) serial: String,
    pub(crate) method: String,
    pub(crate) verified: bool,
    pub(crate) verified_bytes: u64,
    pub(crate) duration_ms: u64,
    /// Why it is not verified.
    pub(crate) problem: Option<String>,
    /// What was noticed before a method worked, of a disk that is verified.
    pub(crate) notes: Option<String>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Nic {
    pub(crate) name: String,
    pub(crate) mac: String,
    pub(crate) link: bool,
    pub(crate) speed_mbps: u32,
}

/// What the agent said last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Health {
    pub(crate) load1: f64,
    pub(crate) memory_available_bytes: u64,
    pub(crate) uptime_s: u64,
    pub(crate) at_ms: Option<u64>,
}

impl From<pb::Node> for Node {
    fn from(node: pb::Node) -> Self {
        let spec = node.spec.unwrap_or_default();
        Self {
            id: node.id,
            name: clean(&spec.name),
            arch: clean(&spec.arch),
            firmware: clean(&spec.firmware),
            pool: optional(&spec.pool).unwrap_or_else(|| "default".to_owned()),
            mac: clean(&spec.mac),
            address: clean(&spec.address),
            serial: optional(&spec.serial),
            uuid: optional(&spec.uuid),
            keep_disks: spec.keep_disks.iter().map(|serial| clean(serial)).collect(),
            start: optional(&spec.start).unwrap_or_else(|| "kexec".to_owned()),
            rack: optional(&spec.rack),
            switch: optional(&spec.switch),
            labels: spec.labels.iter().map(|(name, value)| (clean(name), clean(value))).collect(),
            bmc: spec.bmc.map(Bmc::from),
            state: clean(&node.state),
            reason: optional(&node.reason),
            since_ms: time(node.since_ms),
            deadline_ms: time(node.deadline_ms),
            holds: all(node.holds),
            lease_id: (node.lease_id != 0).then_some(node.lease_id),
            agent_connected: node.agent_connected,
            standby: optional(&node.standby),
            image_ahead: optional(&node.image_ahead),
            power_on: node.power_on,
            health: node.health.map(Health::from),
            boot: node.boot.map(Boot::from),
            inventory: node.inventory.map(Inventory::from),
            last_wipe: all(node.last_wipe),
            phases: all(node.phases),
            failures: all(node.failures),
            proof: node.proof.map(Proof::from),
            drain: node.drain.map(Drain::from),
        }
    }
}

impl From<pb::BmcSpec> for Bmc {
    fn from(bmc: pb::BmcSpec) -> Self {
        let cipher_suite = if bmc.cipher_suite == 0 { 17 } else { bmc.cipher_suite };
        Self { address: clean(&bmc.address), user: clean(&bmc.user), cipher_suite, shared: bmc.shared }
    }
}

impl From<pb::Drain> for Drain {
    fn from(drain: pb::Drain) -> Self {
        Self {
            author: clean(&drain.author),
            reason: clean(&drain.reason),
            from_ms: time(drain.from_ms),
            deadline_ms: time(drain.deadline_ms),
            back_at_ms: time(drain.back_at_ms),
        }
    }
}

impl From<pb::Hold> for Hold {
    fn from(hold: pb::Hold) -> Self {
        Self {
            kind: clean(&hold.kind),
            author: clean(&hold.author),
            reason: clean(&hold.reason),
            since_ms: time(hold.since_ms),
        }
    }
}

impl From<pb::Boot> for Boot {
    fn from(boot: pb::Boot) -> Self {
        Self {
            id: boot.id,
            purpose: clean(&boot.purpose),
            ordered_ms: time(boot.ordered_ms),
            power: clean(&boot.power),
            rung: boot.rung,
            evidence: all(boot.evidence),
        }
    }
}

impl From<pb::Evidence> for Evidence {
    fn from(evidence: pb::Evidence) -> Self {
        Self { kind: clean(&evidence.kind), detail: clean(&evidence.detail), at_ms: evidence.at_ms }
    }
}

impl From<pb::Inventory> for Inventory {
    fn from(inventory: pb::Inventory) -> Self {
        Self {
            serial: optional(&inventory.serial),
            uuid: optional(&inventory.uuid),
            manufacturer: clean(&inventory.manufacturer),
            product: clean(&inventory.product),
            cpus: inventory.cpus,
            cpu_cores: inventory.cpu_cores,
            cpu_sockets: inventory.cpu_sockets,
            cpu_model: optional(&inventory.cpu_model),
            memory_bytes: inventory.memory_bytes,
            disks: all(inventory.disks),
            nics: all(inventory.nics),
            firmware: optional(&inventory.firmware),
            bmc: optional(&inventory.bmc),
        }
    }
}

impl From<pb::Disk> for Disk {
    fn from(disk: pb::Disk) -> Self {
        Self {
            path: clean(&disk.path),
            serial: clean(&disk.serial),
            model: clean(&disk.model),
            size_bytes: disk.size_bytes,
            rotational: disk.rotational,
            blank: disk.blank,
            remote: disk.remote,
            health: optional(&disk.health),
        }
    }
}

impl From<pb::DiskWipe> for DiskWipe {
    fn from(wipe: pb::DiskWipe) -> Self {
        Self {
            path: clean(&wipe.path),
            serial: clean(&wipe.serial),
            method: clean(&wipe.method),
            verified: wipe.verified,
            verified_bytes: wipe.verified_bytes,
            duration_ms: wipe.duration_ms,
            problem: optional(&wipe.problem),
            notes: optional(&wipe.notes),
        }
    }
}

impl From<pb::Nic> for Nic {
    fn from(nic: pb::Nic) -> Self {
        Self { name: clean(&nic.name), mac: clean(&nic.mac), link: nic.link, speed_mbps: nic.speed_mbps }
    }
}

impl From<pb::Health> for Health {
    fn from(health: pb::Health) -> Self {
        Self {
            load1: health.load1,
            memory_available_bytes: health.memory_available_bytes,
            uptime_s: health.uptime_s,
            at_ms: time(health.at_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_proto::lease::v1::PhaseTime;

    /// The JSON of a node; scripts depend on every word of it.
    #[test]
    fn json() {
        let node = pb::Node {
            id: 1,
            spec: Some(pb::NodeSpec {
                name: "r1-n01".to_owned(),
                bmc: Some(pb::BmcSpec { password: "never shown".to_owned(), ..Default::default() }),
                ..Default::default()
            }),
            holds: vec![pb::Hold::default()],
            boot: Some(pb::Boot { evidence: vec![pb::Evidence::default()], ..Default::default() }),
            inventory: Some(pb::Inventory {
                disks: vec![pb::Disk::default()],
                nics: vec![pb::Nic::default()],
                ..Default::default()
            }),
            health: Some(pb::Health::default()),
            phases: vec![PhaseTime::default()],
            ..Default::default()
        };
        let json = serde_json::to_string_pretty(&Node::from(node)).unwrap();
        assert!(!json.contains("never shown"));
        insta::assert_snapshot!(json, @r#"
        {
          "id": 1,
          "name": "r1-n01",
          "arch": "",
          "firmware": "",
          "pool": "default",
          "mac": "",
          "address": "",
          "serial": null,
          "uuid": null,
          "keep_disks": [],
          "start": "kexec",
          "rack": null,
          "switch": null,
          "labels": {},
          "bmc": {
            "address": "",
            "user": "",
            "cipher_suite": 17,
            "shared": false
          },
          "state": "",
          "reason": null,
          "since_ms": null,
          "deadline_ms": null,
          "holds": [
            {
              "kind": "",
              "author": "",
              "reason": "",
              "since_ms": null
            }
          ],
          "lease_id": null,
          "agent_connected": false,
          "standby": null,
          "image_ahead": null,
          "health": {
            "load1": 0.0,
            "memory_available_bytes": 0,
            "uptime_s": 0,
            "at_ms": null
          },
          "boot": {
            "id": 0,
            "purpose": "",
            "ordered_ms": null,
            "power": "",
            "rung": 0,
            "evidence": [
              {
                "kind": "",
                "detail": "",
                "at_ms": 0
              }
            ]
          },
          "inventory": {
            "serial": null,
            "uuid": null,
            "manufacturer": "",
            "product": "",
            "cpus": 0,
            "cpu_cores": 0,
            "cpu_sockets": 0,
            "cpu_model": null,
            "memory_bytes": 0,
            "disks": [
              {
                "path": "",
                "serial": "",
                "model": "",
                "size_bytes": 0,
                "rotational": false,
                "blank": false,
                "remote": false,
                "health": null
              }
            ],
            "nics": [
              {
                "name": "",
                "mac": "",
                "link": false,
                "speed_mbps": 0
              }
            ],
            "firmware": null,
            "bmc": null
          },
          "last_wipe": [],
          "phases": [
            {
              "phase": "",
              "start_ms": 0,
              "end_ms": null
            }
          ],
          "failures": [],
          "proof": null,
          "drain": null
        }
        "#);
    }
}
