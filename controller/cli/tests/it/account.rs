//! Accounts.

use crate::controller::{Place, World};
use crate::program::run;
use hostler_proto::lease::v1::{AccountLeasesRequest, CloseReason, LeaseAccount, LeaseState, LeaseTimes};

const T: u64 = 1_774_087_953_000;

/// A lease of one machine that waited a minute and was used for an hour.
fn account(id: u32, tenant: &str) -> LeaseAccount {
    LeaseAccount {
        id,
        tenant: tenant.to_owned(),
        state: LeaseState::Closed.into(),
        close_reason: CloseReason::Released.into(),
        times: Some(LeaseTimes {
            waits_from_ms: T,
            assigned_ms: T + 60_000,
            active_ms: T + 60_000,
            ended_ms: T + 3_660_000,
            closed_ms: T + 3_660_000,
            held_ms: 0,
        }),
        machines: [("x86_64".to_owned(), 1)].into(),
        wanted_machines: 1,
        duration_ms: 3_600_000,
        purpose: String::new(),
        interruptions: Vec::new(),
        part_time: Vec::new(),
    }
}

fn place() -> (Place, World) {
    let mut place = Place::new();
    let world = World { accounts: vec![account(2, "kernel"), account(1, "ci")], ..World::default() };
    place.live(world.clone());
    (place, world)
}

#[test]
fn a_period_is_accounted_for_by_tenant() {
    let (place, world) = place();
    let arguments =
        ["account", "--tenant", "kernel", "--since", "2026-03-01", "--until", "2026-04-01", "-o", "json"];
    let ended = run(&place.credentials(), &arguments);
    let sums: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, sums.as_array().map(Vec::len)), (0, Some(2)), "{ended:?}");
    assert_eq!(sums[1]["tenant"], "kernel");
    assert_eq!(sums[1]["node_hours"]["x86_64"], 1.0);
    assert_eq!(sums[1]["waits"]["p95_ms"], 60_000);
    let (since_ms, until_ms) = (1_772_323_200_000, 1_775_001_600_000);
    let asked = AccountLeasesRequest { tenant: "kernel".to_owned(), since_ms, until_ms };
    assert_eq!(world.asked.lock().unwrap().accounts, [asked]);
}

#[test]
fn each_format_has_its_own_shape() {
    let (place, _) = place();
    let print = |format: &str| {
        let period = ["--since", "2026-03-01", "--until", "2026-04-01"];
        let arguments = [&["account", "--by", "lease", "--format", format][..], &period].concat();
        let ended = run(&place.credentials(), &arguments);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout
    };
    assert!(print("table").starts_with("LEASE  TENANT"), "{}", print("table"));
    assert_eq!(print("csv").lines().count(), 3);
    let leases: serde_json::Value = serde_json::from_str(&print("json")).unwrap();
    assert_eq!(leases[0]["close_reason"], "released");
    let swf = print("swf");
    assert!(swf.contains("; MaxNodes: 2\n"), "{swf}");
    let jobs: Vec<_> = swf.lines().filter(|line| !line.starts_with(';')).collect();
    assert_eq!(jobs.len(), 2);
    assert!(jobs.iter().all(|job| job.split_whitespace().count() == 18), "{swf}");
}
