//! A store that fails in every way that a store can, and clients who remember what they were told: nothing that was
//! answered is lost, and nothing happens twice.

mod client;
mod disk;

use super::{Opened, Writer};
use crate::published::Published;
use client::{Client, REQUESTS};
use disk::{Disk, Fates, Simulated};
use futures::future::join_all;
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::input::Input;
use hostler_core::node::{BmcSpec, NodeSpec, Sealed, Start};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Lives in an ordinary run; `HOSTLER_FULL=true` plays more, and `HOSTLER_SEED` repeats one.
const SEEDS: u64 = 100;
const FULL_SEEDS: u64 = 5_000;
const CLIENTS: usize = 4;

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

fn play(seed: u64) -> Fates {
    let disk = Disk::new(furnished().take_changes(), seed);
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
    disk.fates
}

fn seeds() -> RangeInclusive<u64> {
    let setting = |name: &str| std::env::var(name).ok();
    match setting("HOSTLER_SEED").and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..=seed,
        None if setting("HOSTLER_FULL").is_some_and(|value| value == "true") => 1..=FULL_SEEDS,
        None => 1..=SEEDS,
    }
}

#[test]
fn invariant_5_whatever_the_store_does_nothing_answered_is_lost_and_nothing_happens_twice() {
    let (began, mut fates) = (Instant::now(), Fates::default());
    for seed in seeds() {
        let played = std::panic::catch_unwind(|| play(seed));
        fates.add(played.unwrap_or_else(|_| panic!("HOSTLER_SEED={seed} repeats this")));
        if seed.is_multiple_of(500) {
            eprintln!("{seed} lives of a store, {:.0?}", began.elapsed());
        }
    }
    println!("{fates:?} in {:.1?}", began.elapsed());
    if *seeds().end() >= SEEDS {
        assert!(fates.failed > 0 && fates.cut > 0 && fates.lost_power > 0 && fates.hung > 0, "{fates:?}");
    }
}
