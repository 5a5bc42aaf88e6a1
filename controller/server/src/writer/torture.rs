//! A store that fails in every way that a store can, and clients who remember what they were told: nothing that was
//! answered is lost, and nothing happens twice.

use super::{Inbox, Opened, SubmitError, Writer};
use crate::published::Published;
use futures::future::join_all;
use hostler_core::course::Terms;
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::input::{Input, Reply};
use hostler_core::lease::{LeaseSpec, Member};
use hostler_core::node::{BmcSpec, NodeSpec, Sealed, Start};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use hostler_store::{Batch, BatchNumber, Loaded, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SEEDS: u64 = 30;
const CLIENTS: usize = 4;
const REQUESTS: usize = 12;

/// What is on the disk, and what becomes of those who use it.
struct Disk {
    rows: Vec<Change>,
    last: BatchNumber,
    dice: u64,
    /// The machine has lost its power: this controller reads and writes nothing more.
    is_off: bool,
    /// How often it is not there yet when somebody asks.
    away: u64,
}

impl Disk {
    /// Less than `sides`; the same for the same seed.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    fn write(&mut self, batch: &Batch) {
        assert!(batch.number > self.last, "{:?} after {:?}", batch.number, self.last);
        self.rows.extend(batch.changes.iter().cloned());
        self.last = batch.number;
    }

    fn world(&self) -> World {
        let mut world = World::new(Timing::default());
        world.restore(self.rows.iter().cloned());
        world
    }
}

#[derive(Clone)]
struct Simulated(Arc<Mutex<Disk>>);

fn off() -> StoreError {
    StoreError::Database("no power".into())
}

fn cut() -> StoreError {
    StoreError::Unavailable { store: "the store".into(), source: "cut off".into() }
}

impl Store for Simulated {
    fn claim(&mut self) -> Result<u64, StoreError> {
        let mut disk = self.0.lock().unwrap();
        (disk.is_off, disk.away) = (false, 0);
        disk.last = BatchNumber { epoch: disk.last.epoch + 1, batch: 0 };
        Ok(disk.last.epoch)
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        let mut disk = self.0.lock().unwrap();
        if disk.is_off {
            return Err(off());
        }
        if disk.away > 0 {
            disk.away -= 1;
            return Err(cut());
        }
        Ok(Loaded { changes: disk.rows.clone(), last: disk.last })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut disk = self.0.lock().unwrap();
        if disk.is_off {
            return Err(off());
        }
        let fate = disk.roll(12);
        // Both a loss of the connection and of power may come before or after the transaction.
        if !matches!(fate, 0 | 2 | 4) {
            disk.write(batch);
        }
        match fate {
            0 => Err(StoreError::Database("a constraint".into())),
            1 | 2 => {
                disk.away = disk.roll(4);
                Err(cut())
            }
            3 | 4 => {
                disk.is_off = true;
                Err(off())
            }
            _ => Ok(()),
        }
    }
}

/// Somebody who asks for one thing after the other, and asks again until told.
struct Client {
    number: usize,
    told: Vec<Reply>,
}

impl Client {
    /// The third of each three gives back what the second asked for.
    fn request(&self) -> Input {
        let (client, number) = (self.number, self.told.len());
        match (number % 3, self.told.last()) {
            (1, Some(Reply::Tenant(tenant))) => {
                Input::RequestLease { tenant: *tenant, key: format!("{client}-{number}"), spec: spec() }
            }
            (2, Some(Reply::Lease(lease))) => {
                Input::ReleaseLease { lease: *lease, author: format!("client{client}"), at_once: false }
            }
            _ => Input::AddTenant { name: format!("t{client}-{number}") },
        }
    }

    /// Until all is done, or the controller ends.
    async fn go_on(&mut self, inbox: &Inbox) {
        while self.told.len() < REQUESTS {
            match inbox.submit(self.request()).await {
                Ok(reply) => self.told.push(reply),
                Err(SubmitError::NotStored | SubmitError::Unavailable) => {}
                Err(SubmitError::Closed | SubmitError::Elsewhere(_)) => return,
                Err(SubmitError::Refused(refusal)) => panic!("{:?}: {refusal}", self.request()),
            }
        }
    }

    /// What it was told is so.
    fn check(&self, world: &World, leases: &mut BTreeSet<LeaseId>, tenants: &mut BTreeMap<TenantId, String>) {
        for (number, reply) in self.told.iter().enumerate() {
            match (number % 3, reply) {
                (0, Reply::Tenant(id)) => {
                    let name = format!("t{}-{number}", self.number);
                    assert_eq!(world.tenant_named(&name).map(|t| t.id), Some(*id));
                    assert_eq!(tenants.insert(*id, name), None, "one number for two tenants");
                }
                (1, Reply::Lease(id)) => {
                    let lease = world.leases.get(*id).unwrap();
                    assert_eq!(lease.key, format!("{}-{number}", self.number));
                    assert!(leases.insert(*id), "one number for two leases");
                    assert!(
                        lease.is_closed() || self.told.len() == number + 1,
                        "it was given back: {lease:?}"
                    );
                }
                (2, Reply::Lease(_)) => {}
                other => panic!("an answer to something else: {other:?}"),
            }
        }
    }
}

fn spec() -> LeaseSpec {
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
        duration_ms: 3_600_000,
        max_wait_ms: 3_600_000,
        purpose: String::new(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    }
}

/// A machine and an image, so that a lease is possible.
fn furnished() -> World {
    let mut world = World::new(Timing::default());
    let node = NodeSpec {
        name: "n1".into(),
        arch: Arch::X86_64,
        firmware: Firmware::Uefi,
        pool: "default".into(),
        mac: Mac([2, 0, 0, 0, 0, 1]),
        address: Ipv4Addr::new(10, 0, 0, 1),
        serial: None,
        uuid: None,
        keep_disks: BTreeSet::new(),
        start: Start::Kexec,
        rack: None,
        switch: None,
        labels: BTreeMap::new(),
    };
    let bmc = BmcSpec {
        address: "10.1.0.1:623".into(),
        user: "admin".into(),
        password: Sealed(String::new()),
        cipher_suite: 17,
        shared: false,
    };
    let content = hostler_core::catalogue::Content::raw("ab".into(), 1);
    for input in [
        Input::Apply { author: "ada".into(), nodes: vec![(node, bmc)] },
        Input::AddImage { name: "demo".into(), arch: Arch::X86_64, content },
    ] {
        world.apply(Timestamp(1), input).reply.unwrap();
    }
    world
}

/// One life of a controller: it ends with the power, or when all clients are done.
fn live(store: &Simulated, clients: &mut [Client]) -> Arc<Published> {
    let Opened { mut writer, inbox, published, .. } =
        Writer::open(Box::new(store.clone()), Timing::default(), None).unwrap();
    writer.patience = Duration::ZERO;
    let thread = std::thread::spawn(move || writer.run());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(join_all(clients.iter_mut().map(|client| client.go_on(&inbox))));
    drop(inbox);
    let ended = thread.join().unwrap();
    assert_eq!(ended.is_err(), store.0.lock().unwrap().is_off, "{ended:?}");
    published
}

/// That time has passed is shown, and not worth a transaction.
fn without_time(world: &World) -> String {
    let mut world = world.clone();
    world.meta.now = Timestamp(0);
    serde_json::to_string(&world).unwrap()
}

fn play(seed: u64) {
    let rows = furnished().take_changes();
    let disk = Disk { rows, last: BatchNumber::default(), dice: seed, is_off: false, away: 0 };
    let store = Simulated(Arc::new(Mutex::new(disk)));
    let mut clients: Vec<_> = (0..CLIENTS).map(|number| Client { number, told: Vec::new() }).collect();
    loop {
        let published = live(&store, &mut clients);
        let disk = store.0.lock().unwrap();
        if !disk.is_off {
            assert_eq!(
                published.read(without_time),
                without_time(&disk.world()),
                "what is shown is what is stored"
            );
            break;
        }
    }
    let world = store.0.lock().unwrap().world();
    let (mut leases, mut tenants) = (BTreeSet::new(), BTreeMap::new());
    for client in &clients {
        assert_eq!(client.told.len(), REQUESTS);
        client.check(&world, &mut leases, &mut tenants);
    }
    assert_eq!(leases.len(), world.leases.values().count(), "a lease that nobody asked for");
    assert_eq!(tenants.len(), world.tenants.values().count(), "a tenant that nobody asked for");
    let disk = store.0.lock().unwrap();
    let events =
        disk.rows.iter().filter_map(|row| if let Change::Event(event) = row { Some(event.id) } else { None });
    assert!(events.is_sorted_by(|a, b| a < b), "an event happened twice");
}

#[test]
fn invariant_5_whatever_the_store_does_nothing_answered_is_lost_and_nothing_happens_twice() {
    for seed in 1..=SEEDS {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "with the seed {seed}");
    }
}
