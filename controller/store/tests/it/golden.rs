//! Stores as earlier versions wrote them are brought up to date, and read.

use crate::place::Place;
use crate::world::{batch, deploying, event, world};
use hostler_core::ids::{LeaseId, NodeId};
use hostler_core::lease::LeaseState;
use hostler_core::time::Timing;
use hostler_core::world::{Change, World};
use hostler_store::{BatchNumber, EventFilter, copy};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The version that is written now.
const PRESENT: u32 = 2;

fn directory(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{version}"))
}

fn versions() -> impl Iterator<Item = u32> {
    1..=PRESENT
}

/// What is in all of them.
fn check(place: &Place, version: u32) {
    let (mut store, history) = place.open();
    let loaded = store.load().unwrap();
    let mut world = World::new(Timing::default());
    world.restore(loaded.changes);
    let names: Vec<_> = world.nodes.values().map(|n| n.spec.name.as_str()).collect();
    assert_eq!(names, ["n1", "n2"], "version {version}");
    assert_eq!(world.tenant_named("ci").unwrap().id.0, 1);
    assert_eq!(world.images.values().next().unwrap().name, "demo");
    // Pools came with the second version.
    let bounds = world.pool_named("default").map(|pool| pool.bounds.to_string());
    let expected = "8 of its machines may be starting at once, 4 in each rack";
    assert_eq!(bounds.as_deref(), (version > 1).then_some(expected));
    let lease = world.leases.get(LeaseId(7)).unwrap();
    assert!(matches!(lease.state, LeaseState::Deploying { .. }), "{lease:?}");
    assert_eq!(lease.group().iter().map(|a| a.node).collect::<Vec<_>>(), [NodeId(1)]);
    assert_eq!(
        history.lease(LeaseId(1)).unwrap().unwrap().key,
        "k",
        "it was forgotten, and is in the history"
    );
    let events = history.events(EventFilter { after: 99, limit: 9, ..EventFilter::default() }).unwrap();
    assert_eq!(events.iter().map(|e| e.message.as_str()).collect::<Vec<_>>(), ["ж 'quoted' \"\\\n"]);
    let epoch = store.claim().unwrap();
    store.commit(&batch(epoch, 1, vec![deploying(8, &[2])])).unwrap();
    store.commit(&batch(epoch, 2, vec![deploying(9, &[1])])).unwrap_err();
}

#[test]
fn sqlite_stores_of_all_versions_are_read() {
    for version in versions() {
        let place = Place::sqlite();
        place.sql(&std::fs::read_to_string(directory(version).join("sqlite.sql")).unwrap());
        check(&place, version);
    }
}

#[test]
fn postgres_stores_of_all_versions_are_read() {
    for version in versions() {
        let Some(place) = Place::postgres("postgres_stores_of_all_versions_are_read") else { return };
        place.sql(&std::fs::read_to_string(directory(version).join("postgres.sql")).unwrap());
        check(&place, version);
    }
}

#[test]
fn backups_of_all_versions_are_restored() {
    for version in versions() {
        let place = Place::sqlite();
        let restored = copy::restore(&directory(version).join("backup"), &place.url, &mut |_| {}).unwrap();
        assert_eq!(restored.held, 2);
        check(&place, version);
    }
}

#[test]
#[ignore = "writes into the checkout: for a new version of the schema"]
fn record_the_golden_stores() {
    let (place, dir) = (Place::sqlite(), directory(PRESENT));
    {
        let (mut store, _) = place.open();
        let epoch = store.claim().unwrap();
        let mut changes = world().take_changes();
        changes.extend([
            deploying(7, &[1]),
            event(100, "ж 'quoted' \"\\\n"),
            Change::ForgetLease(LeaseId(1)),
        ]);
        store.commit(&batch(epoch, 1, changes)).unwrap();
        assert_eq!(store.load().unwrap().last, BatchNumber { epoch: 1, batch: 1 });
    }
    let _ = std::fs::remove_file(dir.join("backup"));
    copy::backup(&place.url, &dir.join("backup"), &mut |_| {}).unwrap();
    let backup = std::fs::read_to_string(dir.join("backup")).unwrap();
    let steps = |engine: &str| -> String {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(engine);
        let mut files: Vec<_> = std::fs::read_dir(source).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "sql"));
        files.sort();
        files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect()
    };
    for (engine, flags, version) in [
        ("sqlite", ["0", "1"], format!("PRAGMA user_version = {PRESENT};\n")),
        (
            "postgres",
            ["false", "true"],
            format!(
                "CREATE TABLE hostler_schema (version BIGINT NOT NULL);\nINSERT INTO hostler_schema VALUES ({PRESENT});\n"
            ),
        ),
    ] {
        let mut sql = steps(engine) + &version + "DELETE FROM meta;\n";
        for line in backup.lines().filter(|l| l.starts_with('[')) {
            let row: Vec<serde_json::Value> = serde_json::from_str(line).unwrap();
            let values: Vec<_> = row[1..].iter().map(|value| literal(value, flags)).collect();
            writeln!(sql, "INSERT INTO {} VALUES ({});", row[0].as_str().unwrap(), values.join(", "))
                .unwrap();
        }
        std::fs::write(dir.join(format!("{engine}.sql")), sql).unwrap();
    }
}

fn literal(value: &serde_json::Value, [no, yes]: [&str; 2]) -> String {
    match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::Bool(flag) => (if *flag { yes } else { no }).to_owned(),
        serde_json::Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}
