//! What every engine does.

use crate::place::Place;
use crate::world::{batch, deploying, event, json, request, world};
use hostler_core::event::Event;
use hostler_core::ids::{LeaseId, NodeId, RunId, TenantId};
use hostler_core::input::{Input, Reply};
use hostler_core::lease::{Lease, LeaseState};
use hostler_core::run::{Run, RunSpec};
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::{Change, World};
use hostler_store::{BatchNumber, EventFilter, StoreError};
use std::collections::BTreeMap;

/// Each case on each engine.
macro_rules! on_every_engine {
    ($($case:ident)*) => {
        mod sqlite {
            use crate::place::Place;
            $(#[test] fn $case() { super::$case(&Place::sqlite()); })*
        }
        mod postgres {
            use crate::place::Place;
            $(#[test] fn $case() {
                if let Some(place) = Place::postgres(concat!("store on PostgreSQL: ", stringify!($case))) {
                    super::$case(&place);
                }
            })*
        }
    };
}

on_every_engine! {
    invariant_5_what_was_committed_is_there_after_a_restart
    invariant_1_the_schema_refuses_a_node_in_two_leases
    an_empty_store_has_nothing_and_no_epoch
    a_node_may_pass_from_one_lease_to_another_within_a_batch
    a_forgotten_lease_stays_in_the_history_and_its_key_is_free
    all_leases_are_read_a_page_at_a_time
    the_key_of_a_lease_that_is_forgotten_is_free_in_the_same_batch
    a_row_that_comes_twice_is_as_it_was_the_last_time
    an_older_epoch_writes_nothing
    a_batch_is_written_once
    events_are_found_by_what_they_are_about
    old_events_make_room
    a_run_is_found_in_the_history
    a_second_controller_is_kept_away
    a_newer_schema_is_refused_with_words
    a_row_that_makes_no_sense_is_named
    any_text_is_kept_but_nul_in_columns
    a_large_body_comes_back_whole
    a_refusal_is_told_in_the_words_of_the_database
}

fn invariant_5_what_was_committed_is_there_after_a_restart(place: &Place) {
    let mut original = world();
    let epoch = {
        let (mut store, _) = place.open();
        let epoch = store.claim().unwrap();
        store.commit(&batch(epoch, 1, original.take_changes())).unwrap();
        // Dropped without any farewell.
        epoch
    };
    let loaded = place.open().0.load().unwrap();
    assert_eq!(loaded.last, BatchNumber { epoch, batch: 1 });
    let mut restored = World::new(Timing::default());
    restored.restore(loaded.changes);
    assert_eq!(json(&restored), json(&original));

    let next = Input::ReleaseLease { lease: LeaseId(1), author: "ada".into(), at_once: false };
    for world in [&mut original, &mut restored] {
        assert_eq!(world.apply(Timestamp(2_000), next.clone()).reply, Ok(Reply::Lease(LeaseId(1))));
    }
    assert_eq!(json(&restored), json(&original), "and goes on as if nothing had happened");
}

fn invariant_1_the_schema_refuses_a_node_in_two_leases(place: &Place) {
    let (mut store, _) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, vec![deploying(1, &[1, 2])])).unwrap();
    let refused = store.commit(&batch(epoch, 2, vec![deploying(2, &[2])])).unwrap_err();
    assert!(matches!(refused, StoreError::Database(_)), "{refused:?}");
    let loaded = store.load().unwrap();
    assert_eq!(loaded.last, BatchNumber { epoch, batch: 1 }, "nothing of the batch was written");
    assert_eq!(loaded.changes, vec![deploying(1, &[1, 2])]);
    store.commit(&batch(epoch, 3, vec![deploying(2, &[3])])).unwrap();
}

fn an_empty_store_has_nothing_and_no_epoch(place: &Place) {
    let (mut store, history) = place.open();
    let loaded = store.load().unwrap();
    assert_eq!((loaded.last, loaded.changes), (BatchNumber::default(), Vec::new()));
    assert!(history.events(EventFilter { limit: 9, ..EventFilter::default() }).unwrap().is_empty());
}

fn a_node_may_pass_from_one_lease_to_another_within_a_batch(place: &Place) {
    let (mut store, _) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, vec![deploying(1, &[1]), deploying(2, &[2])])).unwrap();
    store.commit(&batch(epoch, 2, vec![deploying(1, &[2]), deploying(2, &[1])])).unwrap();
}

fn a_forgotten_lease_stays_in_the_history_and_its_key_is_free(place: &Place) {
    let (mut store, history) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, vec![deploying(1, &[1])])).unwrap();
    store.commit(&batch(epoch, 2, vec![deploying(1, &[]), Change::ForgetLease(LeaseId(1))])).unwrap();
    assert!(store.load().unwrap().changes.is_empty());
    assert_eq!(history.lease(LeaseId(1)).unwrap().unwrap().id, LeaseId(1));
    assert_eq!(history.leases(Some(TenantId(1)), 10).unwrap().len(), 1);
    assert_eq!(history.leases(None, 10).unwrap().len(), 1);
    assert!(history.leases(Some(TenantId(2)), 10).unwrap().is_empty());
    assert!(history.lease(LeaseId(9)).unwrap().is_none());
}

fn all_leases_are_read_a_page_at_a_time(place: &Place) {
    let (mut store, history) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, (1..=5).map(|id| deploying(id, &[id])).collect())).unwrap();
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

/// A lease with a key of the test's own.
fn with_key(id: u32, key: &str) -> Change {
    let Change::Lease(lease) = deploying(id, &[]) else { panic!("not a lease") };
    Change::Lease(Box::new(Lease { key: key.into(), ..*lease }))
}

fn the_key_of_a_lease_that_is_forgotten_is_free_in_the_same_batch(place: &Place) {
    let (mut store, _) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, vec![with_key(1, "k")])).unwrap();
    let refused = store.commit(&batch(epoch, 2, vec![with_key(2, "k")])).unwrap_err();
    assert!(matches!(refused, StoreError::Database(_)), "{refused:?}");
    store.load().unwrap();
    store.commit(&batch(epoch, 3, vec![with_key(2, "k"), Change::ForgetLease(LeaseId(1))])).unwrap();
    assert_eq!(store.load().unwrap().changes, [with_key(2, "k")]);
}

fn a_row_that_comes_twice_is_as_it_was_the_last_time(place: &Place) {
    let (mut store, _) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, vec![deploying(1, &[1, 2]), deploying(1, &[3])])).unwrap();
    assert_eq!(store.load().unwrap().changes, [deploying(1, &[3])]);
    store.commit(&batch(epoch, 2, vec![deploying(2, &[1, 2])])).unwrap();
}

fn an_older_epoch_writes_nothing(place: &Place) {
    let (mut store, _) = place.open();
    let older = store.claim().unwrap();
    store.commit(&batch(older, 1, vec![deploying(1, &[1])])).unwrap();
    let newer = store.claim().unwrap();
    assert!(newer > older);
    assert_eq!(store.load().unwrap().last, BatchNumber { epoch: newer, batch: 0 });
    let refused = store.commit(&batch(older, 2, vec![deploying(2, &[2])])).unwrap_err();
    let found = BatchNumber { epoch: newer, batch: 0 };
    assert!(matches!(refused, StoreError::Superseded { found: f, .. } if f == found), "{refused:?}");
    assert_eq!(store.load().unwrap().changes, [deploying(1, &[1])]);
    store.commit(&batch(newer, 1, vec![deploying(2, &[2])])).unwrap();
}

fn a_batch_is_written_once(place: &Place) {
    let (mut store, _) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, vec![deploying(1, &[1])])).unwrap();
    for number in [0, 1] {
        let refused = store.commit(&batch(epoch, number, vec![deploying(2, &[2])])).unwrap_err();
        assert!(matches!(refused, StoreError::Superseded { .. }), "{refused:?}");
    }
    assert_eq!(store.load().unwrap().changes, [deploying(1, &[1])]);
}

fn events_are_found_by_what_they_are_about(place: &Place) {
    let (mut store, history) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, world().take_changes())).unwrap();
    let all = EventFilter { limit: 100, ..EventFilter::default() };
    let events = history.events(all).unwrap();
    assert!(events.len() >= 4 && events.is_sorted_by_key(|e| e.id));
    let of_node = history.events(EventFilter { node: Some(NodeId(2)), ..all }).unwrap();
    assert!(!of_node.is_empty() && of_node.iter().all(|e| e.node == Some(NodeId(2))));
    let of_lease = history.events(EventFilter { lease: Some(LeaseId(1)), ..all }).unwrap();
    assert!(!of_lease.is_empty() && of_lease.iter().all(|e| e.lease == Some(LeaseId(1))));
    let both = EventFilter { node: Some(NodeId(2)), lease: Some(LeaseId(9)), ..all };
    assert!(history.events(both).unwrap().is_empty());
    let rest = history.events(EventFilter { after: events[1].id, ..all }).unwrap();
    assert_eq!(rest, events[2..]);
    assert_eq!(history.events(EventFilter { limit: 1, ..all }).unwrap(), events[..1]);
}

fn old_events_make_room(place: &Place) {
    let (mut store, history) = place.open();
    let epoch = store.claim().unwrap();
    let far = 4096 * 1000;
    store.commit(&batch(epoch, 1, vec![event(1, "old"), event(far - 1, "new")])).unwrap();
    store.commit(&batch(epoch, 2, vec![event(far, "newest")])).unwrap();
    let events = history.events(EventFilter { limit: 9, ..EventFilter::default() }).unwrap();
    assert_eq!(events.iter().map(|e| e.id).collect::<Vec<_>>(), [far - 1, far]);
}

fn a_run_is_found_in_the_history(place: &Place) {
    let (mut store, history) = place.open();
    let epoch = store.claim().unwrap();
    let spec = RunSpec {
        role: String::new(),
        command: vec!["true".into()],
        environment: BTreeMap::new(),
        timeout_ms: None,
        junit: Vec::new(),
        stdin_sha256: String::new(),
    };
    let run = Run {
        id: RunId(3),
        lease: LeaseId(1),
        key: "k".into(),
        spec,
        tasks: Vec::new(),
        requested: Timestamp(1),
        stop: None,
    };
    store.commit(&batch(epoch, 1, vec![Change::Run(Box::new(run)), Change::ForgetRun(RunId(3))])).unwrap();
    assert!(store.load().unwrap().changes.is_empty());
    assert_eq!(history.run(RunId(3)).unwrap().unwrap().id, RunId(3));
    assert!(history.run(RunId(4)).unwrap().is_none());
}

fn a_second_controller_is_kept_away(place: &Place) {
    let (_first, _) = place.open();
    let refused = place.try_open().err().unwrap();
    assert!(matches!(&refused, StoreError::Locked { .. }), "{refused:?}");
    assert!(refused.to_string().contains("in use by another hostlerd"), "{refused}");
    assert!(!place.is_postgres() || refused.to_string().contains("(session "), "{refused}");
}

fn a_newer_schema_is_refused_with_words(place: &Place) {
    drop(place.open());
    place.sql(if place.is_postgres() {
        "UPDATE hostler_schema SET version = 99"
    } else {
        "PRAGMA user_version = 99"
    });
    let refused = place.try_open().err().unwrap().to_string();
    assert!(refused.contains("schema version 99") && refused.contains("use the newer hostlerd"), "{refused}");
}

fn a_row_that_makes_no_sense_is_named(place: &Place) {
    let (mut store, history) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, world().take_changes())).unwrap();
    place.sql("UPDATE node SET body = '{}' WHERE id = 2; UPDATE lease SET body = '{}'");
    assert_eq!(store.load().unwrap_err().to_string(), "the node row 2 cannot be understood");
    let refused = history.lease(LeaseId(1)).unwrap_err();
    assert_eq!(refused.to_string(), "the lease row 1 cannot be understood");
}

/// PostgreSQL has no NUL in text: columns lose it on both engines, bodies keep it.
fn any_text_is_kept_but_nul_in_columns(place: &Place) {
    let (mut store, history) = place.open();
    let epoch = store.claim().unwrap();
    let strange = "ж 机器 \u{10ffff} ' \" \\ \u{1} \n";
    let Change::Lease(lease) = with_key(1, &format!("{strange}\0")) else { panic!("not a lease") };
    let mut spec = request();
    spec.purpose = format!("\0{strange}\0");
    let lease = Change::Lease(Box::new(Lease { spec, ..*lease }));
    let told = event(1, &format!("{strange}\0."));
    store.commit(&batch(epoch, 1, vec![lease.clone(), told])).unwrap();
    assert_eq!(store.load().unwrap().changes, [lease]);
    let events = history.events(EventFilter { limit: 9, ..EventFilter::default() }).unwrap();
    let messages: Vec<_> = events.into_iter().map(|Event { message, .. }| message).collect();
    assert_eq!(messages, [format!("{strange}\u{fffd}.")]);
}

fn a_large_body_comes_back_whole(place: &Place) {
    let (mut store, _) = place.open();
    let epoch = store.claim().unwrap();
    let large = |id: u32, size: usize| {
        let Change::Lease(mut lease) = deploying(id, &[]) else { panic!("not a lease") };
        lease.spec.purpose = format!("{id} ").repeat(size / 4);
        lease.state = LeaseState::Deploying { group: Vec::new(), since: Timestamp(u64::from(id)) };
        Change::Lease(lease)
    };
    let mut changes = vec![large(1, 20 << 20)];
    changes.extend((2..1_500).map(|id| large(id, 4 << 10)));
    store.commit(&batch(epoch, 1, changes.clone())).unwrap();
    assert!(store.load().unwrap().changes == changes, "not the same");
}

fn a_refusal_is_told_in_the_words_of_the_database(place: &Place) {
    let (mut store, _) = place.open();
    let epoch = store.claim().unwrap();
    place.sql(if place.is_postgres() {
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'poisoned'; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON lease FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION poison()"
    } else {
        "CREATE TRIGGER poison BEFORE INSERT ON lease WHEN NEW.id = 7
         BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
    });
    let refused = store.commit(&batch(epoch, 1, vec![deploying(6, &[]), deploying(7, &[])])).unwrap_err();
    let StoreError::Database(source) = &refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("poisoned"), "{source}");
    assert!(store.load().unwrap().changes.is_empty());
    store.commit(&batch(epoch, 2, vec![deploying(6, &[])])).unwrap();
}
