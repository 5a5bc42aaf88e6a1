//! The SQLite engine: what was committed is there, what the schema forbids is not.

#![expect(clippy::unwrap_used, reason = "a test panics when its own set-up fails")]

use hostler_core::catalogue::Content;
use hostler_core::course::{Course, Terms};
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::{ImageId, LeaseId, NodeId, TenantId};
use hostler_core::input::{Input, Reply};
use hostler_core::lease::{Assigned, Lease, LeaseSpec, LeaseState, Member};
use hostler_core::node::{BmcSpec, NodeSpec, Sealed, Start};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use hostler_store::{Batch, BatchNumber, EventFilter, History as _, SqliteStore, Store as _, StoreError};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        Self { _dir: dir, path }
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path).unwrap()
    }
}

fn batch(number: u64, changes: Vec<Change>) -> Batch {
    Batch { number: BatchNumber { epoch: 1, batch: number }, changes }
}

fn node(number: u8) -> (NodeSpec, BmcSpec) {
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

/// A world with nodes, an image, a tenant and a queued lease.
fn world() -> World {
    let mut world = World::new(Timing::default());
    let inputs = [
        Input::Apply { author: "ada".into(), nodes: vec![node(1), node(2)] },
        Input::AddImage { name: "demo".into(), arch: Arch::X86_64, content: Content::raw("ab".into(), 1) },
        Input::AddTenant { name: "ci".into() },
        Input::RequestLease { tenant: TenantId(1), key: "k".into(), spec: request() },
    ];
    for input in inputs {
        let outcome = world.apply(Timestamp(1_000), input);
        assert!(outcome.reply.is_ok(), "{:?}", outcome.reply);
    }
    world
}

fn request() -> LeaseSpec {
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

fn deploying(id: u32, nodes: &[u32]) -> Change {
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

fn json(world: &World) -> String {
    serde_json::to_string(world).unwrap()
}

#[test]
fn invariant_5_what_was_committed_is_there_after_a_restart() {
    let fixture = Fixture::new();
    let mut original = world();
    {
        let mut store = fixture.open();
        store.commit(&batch(1, original.take_changes())).unwrap();
        // Dropped without any farewell.
    }
    let loaded = fixture.open().load().unwrap();
    assert_eq!(loaded.last, BatchNumber { epoch: 1, batch: 1 });
    let mut restored = World::new(Timing::default());
    restored.restore(loaded.changes);
    assert_eq!(json(&restored), json(&original));

    let next = Input::ReleaseLease { lease: LeaseId(1), author: "ada".into(), at_once: false };
    for world in [&mut original, &mut restored] {
        assert_eq!(world.apply(Timestamp(2_000), next.clone()).reply, Ok(Reply::Lease(LeaseId(1))));
    }
    assert_eq!(json(&restored), json(&original), "and goes on as if nothing had happened");
}

#[test]
fn invariant_1_the_schema_refuses_a_node_in_two_leases() {
    let fixture = Fixture::new();
    let mut store = fixture.open();
    store.commit(&batch(1, vec![deploying(1, &[1, 2])])).unwrap();
    let refused = store.commit(&batch(2, vec![deploying(2, &[2])])).unwrap_err();
    assert!(matches!(refused, StoreError::Database(_)), "{refused:?}");
    let loaded = store.load().unwrap();
    assert_eq!(loaded.last, BatchNumber { epoch: 1, batch: 1 }, "nothing of the batch was written");
    assert_eq!(loaded.changes, vec![deploying(1, &[1, 2])]);
}

#[test]
fn a_node_may_pass_from_one_lease_to_another_within_a_batch() {
    let fixture = Fixture::new();
    let mut store = fixture.open();
    store.commit(&batch(1, vec![deploying(1, &[1]), deploying(2, &[2])])).unwrap();
    store.commit(&batch(2, vec![deploying(1, &[2]), deploying(2, &[1])])).unwrap();
}

#[test]
fn a_forgotten_lease_stays_in_the_history_and_its_key_is_free() {
    let fixture = Fixture::new();
    let mut store = fixture.open();
    store.commit(&batch(1, vec![deploying(1, &[1])])).unwrap();
    store.commit(&batch(2, vec![deploying(1, &[]), Change::ForgetLease(LeaseId(1))])).unwrap();
    assert!(store.load().unwrap().changes.is_empty());
    let history = store.history().unwrap();
    assert_eq!(history.lease(LeaseId(1)).unwrap().unwrap().id, LeaseId(1));
    assert_eq!(history.leases(Some(TenantId(1)), 10).unwrap().len(), 1);
    assert!(history.leases(Some(TenantId(2)), 10).unwrap().is_empty());
    assert!(history.lease(LeaseId(9)).unwrap().is_none());
}

#[test]
fn all_leases_are_read_a_page_at_a_time() {
    let fixture = Fixture::new();
    let mut store = fixture.open();
    store.commit(&batch(1, (1..=5).map(|id| deploying(id, &[id])).collect())).unwrap();
    let history = store.history().unwrap();
    let mut before = LeaseId(6);
    let mut read = Vec::new();
    loop {
        let page = history.leases_before(Some(TenantId(1)), before, 2).unwrap();
        let Some(last) = page.last() else { break };
        before = last.id;
        read.extend(page.iter().map(|lease| lease.id.0));
    }
    assert_eq!(read, [5, 4, 3, 2, 1]);
    assert!(history.leases_before(Some(TenantId(2)), LeaseId(6), 2).unwrap().is_empty());
}

#[test]
fn events_are_found_by_what_they_are_about() {
    let fixture = Fixture::new();
    let mut store = fixture.open();
    store.commit(&batch(1, world().take_changes())).unwrap();
    let history = store.history().unwrap();
    let all = EventFilter { limit: 100, ..EventFilter::default() };
    let events = history.events(all).unwrap();
    assert!(events.len() >= 4 && events.is_sorted_by_key(|e| e.id));
    let of_node = history.events(EventFilter { node: Some(NodeId(2)), ..all }).unwrap();
    assert!(!of_node.is_empty() && of_node.iter().all(|e| e.node == Some(NodeId(2))));
    let rest = history.events(EventFilter { after: events[1].id, ..all }).unwrap();
    assert_eq!(rest, events[2..]);
}

#[test]
fn a_second_controller_is_kept_away() {
    let fixture = Fixture::new();
    let _first = fixture.open();
    let refused = SqliteStore::open(&fixture.path).unwrap_err();
    assert!(matches!(&refused, StoreError::Locked { .. }), "{refused:?}");
    assert!(refused.to_string().contains("in use by another hostlerd"));
}

#[test]
fn a_newer_schema_is_refused_with_words() {
    let fixture = Fixture::new();
    drop(fixture.open());
    rusqlite::Connection::open(&fixture.path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = SqliteStore::open(&fixture.path).unwrap_err().to_string();
    assert!(refused.contains("schema version 99") && refused.contains("use the newer hostlerd"), "{refused}");
}

#[test]
fn a_row_that_makes_no_sense_is_named() {
    let fixture = Fixture::new();
    fixture.open().commit(&batch(1, world().take_changes())).unwrap();
    let db = rusqlite::Connection::open(&fixture.path).unwrap();
    db.execute("UPDATE node SET body = '{}' WHERE id = 2", []).unwrap();
    let refused = fixture.open().load().unwrap_err();
    assert_eq!(refused.to_string(), "the node row 2 cannot be understood");
}
