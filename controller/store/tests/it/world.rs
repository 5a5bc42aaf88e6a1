//! What is stored.

use hostler_core::catalogue::Content;
use hostler_core::course::{Course, Terms};
use hostler_core::event::{Event, Severity};
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::{ImageId, LeaseId, NodeId, TenantId};
use hostler_core::input::Input;
use hostler_core::lease::{Assigned, Lease, LeaseSpec, LeaseState, Member};
use hostler_core::node::{BmcSpec, NodeSpec, Sealed, Start};
use hostler_core::pool::Limits;
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use hostler_store::{Batch, BatchNumber};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The batch of this number of an epoch.
pub(crate) fn batch(epoch: u64, number: u64, changes: Vec<Change>) -> Batch {
    Batch { number: BatchNumber { epoch, batch: number }, changes }
}

pub(crate) fn node(number: u8) -> (NodeSpec, BmcSpec) {
    let spec = NodeSpec {
        name: format!("n{number}"),
        arch: Arch::X86_64,
        firmware: Firmware::Bios,
        pool: "default".into(),
        mac: Mac([2, 0, 0, 0, 0, number]),
        address: Ipv4Addr::new(10, 0, 0, number),
        serial: Some(format!("S{number}")),
        uuid: None,
        keep_disks: BTreeSet::new(),
        start: Start::Kexec,
        rack: None,
        switch: None,
        labels: [].into(),
    };
    let address = format!("10.0.1.{number}:623");
    let password = Sealed("sealed".into());
    (spec, BmcSpec { address, user: "admin".into(), password, cipher_suite: 17, shared: false })
}

/// A world with nodes, an image, a tenant, a pool and a queued lease.
pub(crate) fn world() -> World {
    let mut world = World::new(Timing::default());
    let inputs = [
        Input::Apply { author: "ada".into(), nodes: vec![node(1), node(2)] },
        Input::AddImage { name: "demo".into(), arch: Arch::X86_64, content: Content::raw("ab".into(), 1) },
        Input::AddTenant { name: "ci".into() },
        Input::SetPool { author: "ada".into(), name: "default".into(), limits: limits() },
        Input::RequestLease { tenant: TenantId(1), key: "k".into(), spec: request() },
    ];
    for input in inputs {
        let outcome = world.apply(Timestamp(1_000), input);
        assert!(outcome.reply.is_ok(), "{:?}", outcome.reply);
    }
    world
}

/// Enough for all machines to start at once.
fn limits() -> Limits {
    Limits { max_booting: Some(8), max_booting_per_rack: Some(4), ..Limits::default() }
}

pub(crate) fn request() -> LeaseSpec {
    let member = Member {
        role: "node".into(),
        count: 1,
        at_most: None,
        arch: BTreeSet::new(),
        pool: None,
        nodes: BTreeSet::new(),
        image: "demo".into(),
        constraint: None,
    };
    LeaseSpec {
        members: vec![member],
        groupings: Vec::new(),
        duration_ms: 1,
        max_wait_ms: 1,
        purpose: String::new(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    }
}

pub(crate) fn deploying(id: u32, nodes: &[u32]) -> Change {
    let group = nodes.iter().map(|n| Assigned { node: NodeId(*n), member: 0, image: ImageId(1) }).collect();
    Change::Lease(Box::new(Lease {
        id: LeaseId(id),
        tenant: TenantId(1),
        key: format!("key {id}"),
        spec: request(),
        requested: Timestamp(0),
        promise: None,
        setback: None,
        course: Course::default(),
        state: LeaseState::Deploying { group, since: Timestamp(0) },
    }))
}

pub(crate) fn json(world: &World) -> String {
    serde_json::to_string(world).unwrap()
}

pub(crate) fn event(id: u64, message: &str) -> Change {
    Change::Event(Event {
        id,
        at: Timestamp(7),
        severity: Severity::Warning,
        kind: "test".into(),
        node: Some(NodeId(1)),
        lease: None,
        message: message.into(),
    })
}
