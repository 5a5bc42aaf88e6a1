//! How controllers on one database agree who leads.

use crate::place::Place;
use crate::world::{batch, deploying, node};
use hostler_core::ids::NodeId;
use hostler_core::input::{AdminAction, Input};
use hostler_core::leadership::Ballot;
use hostler_core::time::{Timestamp, Timing};
use hostler_core::world::World;
use hostler_store::{
    BatchNumber, Follower, Leadership, Member, PostgresStore, PostgresUrl, StoreError, StoreUrl,
    open_as_leader,
};
use std::thread;
use std::time::{Duration, Instant};

fn url(place: &Place) -> PostgresUrl {
    match &place.url {
        StoreUrl::Postgres(url) => (**url).clone(),
        StoreUrl::Sqlite(_) => panic!("not PostgreSQL"),
    }
}

fn member(name: &str) -> Member {
    let (name, address) = (name.to_owned(), format!("https://{name}:7443"));
    Member { place: format!("host of {name}"), keys: "digest".into(), name, address }
}

/// The state of the row, as somebody sees it who stands by.
fn ballot(rows: &mut Leadership) -> Ballot {
    rows.look().unwrap().leader.ballot
}

/// Waits until some session of the database has the lock.
fn until_locked(place: &Place) {
    let held = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()";
    while place.sql(held).trim() != "1" {
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn one_of_two_that_stand_by_gets_the_leadership() {
    let Some(place) = Place::postgres("one_of_two_that_stand_by_gets_the_leadership") else { return };
    let (mut a, mut b) = (Leadership::new(&url(&place)), Leadership::new(&url(&place)));
    let roster = a.stand_by(&member("a")).unwrap();
    assert!(roster.leader.resigned && roster.leading().is_none(), "nobody leads a new database: {roster:?}");
    let seen = ballot(&mut b);
    let epoch = a.take(&member("a"), seen).unwrap();
    assert_eq!(epoch, Some(1));
    assert_eq!(b.take(&member("b"), seen).unwrap(), None, "it was taken meanwhile");
    let roster = b.stand_by(&member("b")).unwrap();
    assert_eq!(roster.leading(), Some(&member("a")));
    assert_eq!(roster.members.iter().map(|(m, _)| m.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(roster.leader.since_ms > 1_700_000_000_000 && roster.leader.age_ms < 60_000, "{roster:?}");
}

#[test]
fn a_renewal_is_seen_and_ends_with_the_leadership() {
    let Some(place) = Place::postgres("a_renewal_is_seen_and_ends_with_the_leadership") else { return };
    let (mut a, mut b) = (Leadership::new(&url(&place)), Leadership::new(&url(&place)));
    let seen = ballot(&mut a);
    a.take(&member("a"), seen).unwrap().unwrap();
    let seen = ballot(&mut b);
    assert!(a.renew(&member("a"), 1).unwrap().is_some());
    assert_eq!(ballot(&mut b), Ballot { renewals: seen.renewals + 1, ..seen });
    assert_eq!(b.take(&member("b"), seen).unwrap(), None, "it was renewed meanwhile");
    let seen = ballot(&mut b);
    assert_eq!(b.take(&member("b"), seen).unwrap(), Some(2));
    assert!(a.renew(&member("a"), 1).unwrap().is_none());
    a.resign(&member("a"), Some(1)).unwrap();
    let roster = b.look().unwrap();
    assert_eq!(roster.leading(), Some(&member("b")), "what is over cannot be given up");
    assert_eq!(roster.members.len(), 1, "and the one that left is not there");
    b.resign(&member("b"), Some(2)).unwrap();
    assert!(b.look().unwrap().leader.resigned);
}

#[test]
fn nothing_is_written_by_a_leader_that_was_replaced() {
    let Some(place) = Place::postgres("nothing_is_written_by_a_leader_that_was_replaced") else { return };
    let url = url(&place);
    let mut rows = Leadership::new(&url);
    let lead = |rows: &mut Leadership, name: &str| {
        let seen = ballot(rows);
        let epoch = rows.take(&member(name), seen).unwrap().unwrap();
        let mut store = open_as_leader(&url, epoch).unwrap().store;
        assert_eq!(store.claim().unwrap(), epoch, "it is claimed already");
        (epoch, store)
    };
    let (older, mut first) = lead(&mut rows, "a");
    first.commit(&batch(older, 1, vec![deploying(1, &[1])])).unwrap();
    let (newer, mut second) = lead(&mut rows, "b");
    assert_eq!(second.load().unwrap().changes, [deploying(1, &[1])], "what was answered is there");
    let lost = first.commit(&batch(older, 2, vec![deploying(2, &[2])])).unwrap_err();
    assert!(lost.is_unavailable(), "its session was ended: {lost:?}");
    for refused in [first.commit(&batch(older, 3, vec![deploying(2, &[2])])).err(), first.load().err()] {
        assert!(matches!(refused, Some(StoreError::Superseded { .. })), "{refused:?}");
    }
    assert!(matches!(PostgresStore::of_leader(&url, older), Err(StoreError::Superseded { .. })));
    second.commit(&batch(newer, 1, vec![deploying(2, &[2])])).unwrap();
    let mut follower = Follower::new(&url);
    assert_eq!(follower.last().unwrap(), BatchNumber { epoch: newer, batch: 1 });
    assert_eq!(follower.load().unwrap().changes, [deploying(1, &[1]), deploying(2, &[2])]);
}

/// As a leader leaves it that is stopped, or cut off, while it commits: without an end, the rows locked.
#[test]
fn a_transaction_without_an_end_holds_up_no_successor() {
    let Some(place) = Place::postgres("a_transaction_without_an_end_holds_up_no_successor") else { return };
    let mut rows = Leadership::new(&url(&place));
    let seen = ballot(&mut rows);
    rows.take(&member("a"), seen).unwrap().unwrap();
    let stuck = "SET application_name = 'hostlerd writer'; SELECT pg_advisory_lock(1752134516, 7103858);
                 BEGIN; UPDATE meta SET batch = batch + 1; SELECT pg_sleep(60);";
    thread::scope(|scope| {
        let session = scope.spawn(|| place.try_sql(stuck));
        until_locked(&place);
        let (began, seen) = (Instant::now(), ballot(&mut rows));
        let epoch = rows.take(&member("b"), seen).unwrap().unwrap();
        open_as_leader(&url(&place), epoch).unwrap();
        assert!(session.join().unwrap().is_err(), "the server ended it");
        println!("taken over after {} ms", began.elapsed().as_millis());
    });
}

#[test]
fn a_copy_that_is_under_way_is_left_alone() {
    let Some(place) = Place::postgres("a_copy_that_is_under_way_is_left_alone") else { return };
    let mut rows = Leadership::new(&url(&place));
    let seen = ballot(&mut rows);
    let copy = "SELECT pg_advisory_lock(1752134516, 7103858); SELECT pg_sleep(12);";
    thread::scope(|scope| {
        let session = scope.spawn(|| place.try_sql(copy));
        until_locked(&place);
        let epoch = rows.take(&member("a"), seen).unwrap().unwrap();
        let refused = open_as_leader(&url(&place), epoch).err().unwrap();
        assert!(refused.is_unavailable(), "{refused:?}");
        session.join().unwrap().unwrap();
    });
}

/// The row of a machine that was retired stays, and has its address.
#[test]
fn a_machine_that_was_registered_anew_is_found_by_its_address() {
    let Some(place) = Place::postgres("a_machine_that_was_registered_anew_is_found_by_its_address") else {
        return;
    };
    let url = url(&place);
    let mut rows = Leadership::new(&url);
    let seen = ballot(&mut rows);
    let epoch = rows.take(&member("a"), seen).unwrap().unwrap();
    let mut store = open_as_leader(&url, epoch).unwrap().store;
    store.claim().unwrap();
    let mut world = World::new(Timing::default());
    let retire = Input::Admin { author: "ada".into(), node: "n1".into(), action: AdminAction::Retire };
    let apply = || Input::Apply { author: "ada".into(), nodes: vec![node(1)] };
    for input in [apply(), retire, apply()] {
        world.apply(Timestamp(1_000), input).reply.unwrap();
    }
    store.commit(&batch(epoch, 1, world.take_changes())).unwrap();
    let found = Follower::new(&url).node_at(node(1).0.address).unwrap().expect("it is registered");
    assert_eq!((found.id, found.in_service()), (NodeId(2), true));
}
