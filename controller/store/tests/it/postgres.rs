//! What only a database on a server can do: go away, come back, and belong to somebody else meanwhile.

use crate::place::Place;
use crate::relay::{Fate, Relay};
use crate::world::{batch, deploying, event};
use hostler_store::{BatchNumber, EventFilter, Opened, StoreError, StoreUrl, open};
use std::path::Path;

/// A store behind a network that can be cut.
fn behind(place: &Place) -> (Relay, Opened) {
    let relay = Relay::before(place.server().socket_directory());
    let url = format!("postgres://hostler@127.0.0.1:{}/{}", relay.port, place.database().name);
    let opened = open(&StoreUrl::parse(&url, Path::new("/")).unwrap()).unwrap();
    (relay, opened)
}

/// Ends all sessions of the database, as an administrator or a failing server would.
fn end_sessions(place: &Place) {
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
        place.database().name
    );
    place.server().sql("postgres", &sql).unwrap();
}

#[test]
fn of_two_controllers_the_one_that_came_last_writes() {
    let Some(place) = Place::postgres("of_two_controllers_the_one_that_came_last_writes") else { return };
    let (mut first, _) = place.open();
    let older = first.claim().unwrap();
    first.commit(&batch(older, 1, vec![deploying(1, &[1])])).unwrap();
    end_sessions(&place);

    let (mut second, _) = place.open();
    assert_eq!(second.load().unwrap().last, BatchNumber { epoch: older, batch: 1 });
    let newer = second.claim().unwrap();
    second.commit(&batch(newer, 1, vec![deploying(2, &[2])])).unwrap();

    // Its session is gone, and it does not know yet that the store is gone as well.
    let lost = first.commit(&batch(older, 2, vec![deploying(3, &[3])])).unwrap_err();
    assert!(lost.is_unavailable(), "{lost:?}");
    let refused = first.commit(&batch(older, 3, vec![deploying(3, &[3])])).unwrap_err();
    assert!(matches!(refused, StoreError::Superseded { found, .. } if found.epoch == newer), "{refused:?}");
    assert!(refused.to_string().contains("another hostlerd has taken the store over"), "{refused}");
    assert!(matches!(first.load(), Err(StoreError::Superseded { .. })));
    assert_eq!(second.load().unwrap().changes, [deploying(1, &[1]), deploying(2, &[2])]);
    second.commit(&batch(newer, 2, vec![deploying(3, &[3])])).unwrap();

    // Also when the other one is gone again, and nothing but the epoch is in the way.
    drop(second);
    assert!(matches!(first.load(), Err(StoreError::Superseded { .. })));
    let refused = first.commit(&batch(older, 4, vec![deploying(4, &[4])])).unwrap_err();
    assert!(matches!(refused, StoreError::Superseded { .. }), "{refused:?}");
}

#[test]
fn a_server_that_restarts_is_found_again() {
    let Some(place) = Place::postgres_alone("a_server_that_restarts_is_found_again") else { return };
    let (mut store, history) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, vec![deploying(1, &[1]), event(1, "there")])).unwrap();
    let all = EventFilter { limit: 9, ..EventFilter::default() };
    assert_eq!(history.events(all).unwrap().len(), 1);

    place.server().stop();
    let lost = store.commit(&batch(epoch, 2, vec![deploying(2, &[2])])).unwrap_err();
    assert!(lost.is_unavailable(), "{lost:?}");
    assert!(lost.to_string().contains("cannot be used now"), "{lost}");
    assert!(store.load().unwrap_err().is_unavailable());
    assert!(history.events(all).unwrap_err().is_unavailable());
    assert!(place.try_open().err().unwrap().is_unavailable());

    place.server().start_again().unwrap();
    let loaded = store.load().unwrap();
    assert_eq!(loaded.last, BatchNumber { epoch, batch: 1 });
    assert_eq!(loaded.changes, [deploying(1, &[1])]);
    store.commit(&batch(epoch, 3, vec![deploying(2, &[2])])).unwrap();
    assert_eq!(history.events(all).unwrap().len(), 1);
    // A session that the server ended while nobody used it is not worth an error to readers.
    end_sessions(&place);
    assert_eq!(history.events(all).unwrap().len(), 1);
    assert_eq!(store.load().unwrap().last, BatchNumber { epoch, batch: 3 });
}

#[test]
fn a_commit_whose_answer_is_lost_is_looked_up() {
    let Some(place) = Place::postgres("a_commit_whose_answer_is_lost_is_looked_up") else { return };
    let (relay, Opened { mut store, .. }) = behind(&place);
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, vec![deploying(1, &[1])])).unwrap();

    relay.set(Fate::AnswersLost);
    let unknown = store.commit(&batch(epoch, 2, vec![deploying(2, &[2])])).unwrap_err();
    assert!(unknown.is_unavailable(), "{unknown:?}");
    relay.set(Fate::Arrive);
    assert_eq!(store.load().unwrap().last, BatchNumber { epoch, batch: 2 }, "it was written");

    relay.set(Fate::RequestsLost);
    let unknown = store.commit(&batch(epoch, 3, vec![deploying(3, &[3])])).unwrap_err();
    assert!(unknown.is_unavailable(), "{unknown:?}");
    relay.set(Fate::Arrive);
    let loaded = store.load().unwrap();
    assert_eq!(loaded.last, BatchNumber { epoch, batch: 2 }, "it was not");
    assert_eq!(loaded.changes, [deploying(1, &[1]), deploying(2, &[2])]);
    store.commit(&batch(epoch, 4, vec![deploying(3, &[3])])).unwrap();
}

#[test]
fn a_network_that_says_nothing_is_given_up() {
    let Some(place) = Place::postgres("a_network_that_says_nothing_is_given_up") else { return };
    let (relay, Opened { mut store, history }) = behind(&place);
    let epoch = store.claim().unwrap();
    relay.set(Fate::Silence);
    let slow = store.commit(&batch(epoch, 1, vec![deploying(1, &[1])])).unwrap_err();
    let StoreError::Unavailable { source, .. } = &slow else { panic!("{slow:?}") };
    assert!(source.to_string().contains("no answer within"), "{source}");
    assert!(store.load().unwrap_err().is_unavailable());
    assert!(history.leases(None, 1).unwrap_err().is_unavailable());

    relay.set(Fate::Refused);
    relay.set(Fate::Arrive);
    let mut loaded = store.load();
    // The server ends the old session when it finds the connection closed.
    while loaded.as_ref().is_err_and(StoreError::is_unavailable) {
        loaded = store.load();
    }
    assert_eq!(loaded.unwrap().last, BatchNumber { epoch, batch: 0 });
    store.commit(&batch(epoch, 2, vec![deploying(1, &[1])])).unwrap();
}

#[test]
fn a_database_that_is_held_up_says_so() {
    let Some(place) = Place::postgres("a_database_that_is_held_up_says_so") else { return };
    let (mut store, _) = place.open();
    let epoch = store.claim().unwrap();
    let url = StoreUrl::parse(&place.database().url, Path::new("/")).unwrap();
    let hold = "BEGIN; LOCK TABLE meta IN EXCLUSIVE MODE; SELECT pg_sleep(8)";
    std::thread::scope(|scope| {
        scope.spawn(|| place.sql(hold));
        let locks = format!(
            "SELECT count(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation IS NOT NULL AND database =
             (SELECT oid FROM pg_database WHERE datname = '{}')",
            place.database().name
        );
        while place.server().sql("postgres", &locks).unwrap().trim() == "0" {}
        let slow = store.commit(&batch(epoch, 1, vec![deploying(1, &[1])])).unwrap_err();
        let StoreError::Unavailable { source, .. } = &slow else { panic!("{slow:?}") };
        assert!(source.to_string().contains("lock timeout"), "{source}");
        assert_eq!(store.load().unwrap().last.batch, 0, "reading goes on");
    });
    store.commit(&batch(epoch, 2, vec![deploying(1, &[1])])).unwrap();
    drop(store);
    assert_eq!(open(&url).unwrap().store.load().unwrap().changes, [deploying(1, &[1])]);
}

#[test]
fn what_only_an_administrator_can_mend_is_told_as_it_is() {
    let Some(place) = Place::postgres("what_only_an_administrator_can_mend_is_told_as_it_is") else { return };
    let host = place.server().socket_directory().display();
    for (url, words) in [
        (format!("postgres://hostler@/nothing?host={host}"), "database \"nothing\" does not exist"),
        (format!("postgres://nobody@/postgres?host={host}"), "role \"nobody\" does not exist"),
    ] {
        let refused = open(&StoreUrl::parse(&url, Path::new("/")).unwrap()).err().unwrap();
        let StoreError::Database(source) = &refused else { panic!("{refused:?}") };
        assert!(source.to_string().contains(words), "{source}");
    }
    let missing = StoreUrl::parse("postgres://hostler@/x?host=/nowhere", Path::new("/")).unwrap();
    assert!(open(&missing).err().unwrap().is_unavailable());
}

#[test]
fn a_database_of_somebody_else_is_left_alone() {
    let Some(place) = Place::postgres("a_database_of_somebody_else_is_left_alone") else { return };
    place.sql("CREATE TABLE node (mine TEXT); INSERT INTO node VALUES ('precious')");
    let refused = place.try_open().err().unwrap();
    assert!(matches!(refused, StoreError::Database(_)), "{refused:?}");
    assert_eq!(place.sql("SELECT mine FROM node").trim(), "precious");
    assert_eq!(place.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").trim(), "1");
}
