//! From one store to another, to a file, and back.

use crate::place::Place;
use crate::world::{batch, deploying, event, json, world};
use hostler_core::node::HoldKind;
use hostler_core::time::Timing;
use hostler_core::world::{Change, World};
use hostler_store::copy::{self, Step};
use hostler_store::{BatchNumber, EventFilter, StoreError};
use std::path::PathBuf;

const ALL: EventFilter = EventFilter { after: 0, limit: u32::MAX, node: None, lease: None };

/// More events than fit into a page, and every other kind of row.
fn filled(place: &Place) -> BatchNumber {
    let (mut store, _) = place.open();
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, world().take_changes())).unwrap();
    let events = (100..2_600).map(|id| event(id, &format!("ж {id} \"quoted\" \\ and\nmore")));
    let mut changes: Vec<_> = events.collect();
    changes.extend([deploying(7, &[1, 2]), Change::ForgetLease(hostler_core::ids::LeaseId(1))]);
    store.commit(&batch(epoch, 2, changes)).unwrap();
    BatchNumber { epoch, batch: 2 }
}

/// Everything that can be asked of a store.
fn everything(place: &Place) -> String {
    let (mut store, history) = place.open();
    let loaded = store.load().unwrap();
    let (events, leases) = (history.events(ALL).unwrap(), history.leases(None, 100).unwrap());
    format!("{:?} {:?} {events:?} {leases:?}", loaded.last, loaded.changes)
}

fn silent() -> impl FnMut(Step) {
    |_| {}
}

fn both(test: &str) -> Option<[Place; 2]> {
    Some([Place::sqlite(), Place::postgres(test)?])
}

#[test]
fn a_store_goes_to_the_other_engine_and_back_as_it_is() {
    let Some([sqlite, postgres]) = both("a_store_goes_to_the_other_engine_and_back_as_it_is") else { return };
    filled(&sqlite);
    let original = everything(&sqlite);
    let mut steps = Vec::new();
    let copied = copy::migrate(&sqlite.url, &postgres.url, &mut |step| steps.push(step)).unwrap();
    assert_eq!(everything(&postgres), original);
    assert!(copied.rows() > 2_500 && copied.tables.contains(&("membership", 2)), "{copied:?}");
    assert!(steps.iter().any(|s| !s.comparing) && steps.iter().any(|s| s.comparing), "{steps:?}");

    let back = Place::sqlite();
    assert_eq!(copy::migrate(&postgres.url, &back.url, &mut silent()).unwrap(), copied);
    assert_eq!(everything(&back), original);
    let (mut store, _) = back.open();
    assert!(store.claim().unwrap() > 1, "and it goes on");
}

#[test]
fn only_an_empty_store_that_nobody_has_is_filled() {
    let Some(places) = both("only_an_empty_store_that_nobody_has_is_filled") else { return };
    let source = Place::sqlite();
    filled(&source);
    for target in places {
        let (mut store, _) = target.open();
        let refused = copy::migrate(&source.url, &target.url, &mut silent()).unwrap_err();
        assert!(matches!(refused, StoreError::Locked { .. }), "{refused:?}");
        store.claim().unwrap();
        drop(store);
        let refused = copy::migrate(&source.url, &target.url, &mut silent()).unwrap_err();
        assert!(matches!(refused, StoreError::NotEmpty { .. }), "{refused:?}");
        assert!(refused.to_string().contains("is not empty: choose an empty database"), "{refused}");
    }
}

#[test]
fn a_source_is_neither_made_nor_taken_from_a_controller() {
    let Some(places) = both("a_source_is_neither_made_nor_taken_from_a_controller") else { return };
    for source in places {
        let target = Place::sqlite();
        copy::migrate(&source.url, &target.url, &mut silent()).unwrap_err();
        let (_store, _) = source.open();
        let refused = copy::migrate(&source.url, &target.url, &mut silent()).unwrap_err();
        assert!(matches!(refused, StoreError::Locked { .. }), "{refused:?}");
    }
}

/// What a target refuses in the midst of a copy leaves nothing in it.
#[test]
fn a_copy_that_fails_leaves_the_target_empty() {
    let Some([sqlite, postgres]) = both("a_copy_that_fails_leaves_the_target_empty") else { return };
    filled(&sqlite);
    drop(postgres.open());
    postgres.sql("ALTER TABLE event ADD CHECK (id <> 2599)");
    let refused = copy::migrate(&sqlite.url, &postgres.url, &mut silent()).unwrap_err();
    assert!(matches!(refused, StoreError::Database(_)), "{refused:?}");
    assert_eq!(postgres.sql("SELECT count(*) FROM node").trim(), "0");

    postgres.sql(
        "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN NEW.message := 'something else'; RETURN NEW; END $$;
         ALTER TABLE event DROP CONSTRAINT event_id_check;
         CREATE TRIGGER other BEFORE INSERT ON event FOR EACH ROW WHEN (NEW.id = 1234) EXECUTE FUNCTION other()",
    );
    let differs = copy::migrate(&sqlite.url, &postgres.url, &mut silent()).unwrap_err();
    assert!(matches!(differs, StoreError::Differs { table: "event", id: 1234 }), "{differs:?}");
    assert_eq!(postgres.sql("SELECT count(*) FROM node").trim(), "0");
}

fn backup_of(place: &Place, dir: &tempfile::TempDir) -> PathBuf {
    let path = dir.path().join("backup");
    copy::backup(&place.url, &path, &mut silent()).unwrap();
    path
}

#[test]
fn a_backup_is_of_one_moment_while_the_controller_writes() {
    const LATE: &str = "written during the backup";
    let Some(places) = both("a_backup_is_of_one_moment_while_the_controller_writes") else { return };
    for place in places {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backup");
        let BatchNumber { epoch, batch: mut number } = filled(&place);
        let (mut store, _) = place.open();
        let mut writes = |_| {
            number += 1;
            store
                .commit(&batch(epoch, number, vec![event(10_000 + number, LATE), deploying(7, &[])]))
                .unwrap();
        };
        copy::backup(&place.url, &path, &mut writes).unwrap();
        assert!(number > 3, "nothing was written meanwhile");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(LATE), "what came later is in it");
        assert_eq!(text.lines().filter(|l| l.starts_with("[\"membership\"")).count(), 2);
        let again = copy::backup(&place.url, &path, &mut silent()).unwrap_err();
        assert!(
            matches!(&again, StoreError::File { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists)
        );
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(left, [path]);
    }
}

/// Invariant 3 and 4 hang on it: what was free then may be somebody's now, and what was not given out yet may be.
#[test]
fn what_was_restored_holds_machines_and_leaves_numbers_out() {
    let Some(places) = both("what_was_restored_holds_machines_and_leaves_numbers_out") else { return };
    let (dir, source) = (tempfile::tempdir().unwrap(), Place::sqlite());
    let before = filled(&source);
    let path = backup_of(&source, &dir);
    for place in places {
        let restored = copy::restore(&path, &place.url, &mut silent()).unwrap();
        assert_eq!(restored.held, 2);
        let (mut store, history) = place.open();
        let loaded = store.load().unwrap();
        assert!(loaded.last.epoch > before.epoch + 1_000, "{:?}", loaded.last);
        let mut world = World::new(Timing::default());
        world.restore(loaded.changes);
        assert!(world.nodes.values().all(|n| n.holds.contains_key(&HoldKind::Quarantine)));
        let counters: serde_json::Value = serde_json::from_str(&json(&world)).unwrap();
        let counters = &counters["meta"]["counters"];
        for kind in ["node", "bmc", "lease", "tenant", "image", "run", "pool", "boot"] {
            assert!(counters[kind].as_u64().unwrap() >= 10_000_000, "{kind}: {counters}");
        }
        assert_eq!(history.events(ALL).unwrap().len(), source.open().1.events(ALL).unwrap().len());
        drop(store);
        let refused = copy::restore(&path, &place.url, &mut silent()).unwrap_err();
        assert!(matches!(refused, StoreError::NotEmpty { .. }), "{refused:?}");
    }
}

#[test]
fn a_backup_that_is_not_whole_is_refused() {
    let (dir, source) = (tempfile::tempdir().unwrap(), Place::sqlite());
    filled(&source);
    let whole = std::fs::read_to_string(backup_of(&source, &dir)).unwrap();
    let end = whole.trim_end().rfind('\n').unwrap();
    let damaged = [
        (String::new(), "it is empty"),
        ("something else\n".to_owned(), "does not begin as a backup does"),
        (whole[..end + 1].to_owned(), "its end is missing"),
        (String::from_utf8_lossy(&whole.as_bytes()[..end / 2]).into_owned(), "its end is missing"),
        (whole.replacen("quoted", "quotes", 1), "the digest differs"),
        (whole.replacen("\"schema\":", "\"schema\":7", 1), "use the newer hostlerd"),
    ];
    for (text, words) in damaged {
        let (path, target) = (dir.path().join("damaged"), Place::sqlite());
        std::fs::write(&path, text).unwrap();
        let refused = copy::restore(&path, &target.url, &mut silent()).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
        assert!(target.open().0.load().unwrap().changes.is_empty());
    }
}

#[test]
fn a_backup_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, source) = (tempfile::tempdir().unwrap(), Place::sqlite());
    filled(&source);
    let mode = std::fs::metadata(backup_of(&source, &dir)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
