//! Asking and waiting.

use crate::controller::{Place, World};
use crate::program::{run, start};
use hostler_proto::lease::v1::{CloseReason, Lease, LeaseState, LeasedNode};

fn lease(state: LeaseState, status: &str) -> Lease {
    let node = LeasedNode {
        name: "r1-n01".to_owned(),
        role: "server".to_owned(),
        status: status.to_owned(),
        up: state == LeaseState::Active,
        ..Default::default()
    };
    let nodes = if state == LeaseState::Queued { Vec::new() } else { vec![node] };
    Lease { id: 7, state: state.into(), nodes, ..Default::default() }
}

#[test]
fn a_wait_goes_on_after_the_controller_was_killed() {
    let mut place = Place::new();
    place.live(World {
        leases: vec![lease(LeaseState::Queued, ""), lease(LeaseState::Deploying, "writing image")],
        ..World::default()
    });
    let mut wait = start(&place.credentials(), &["lease", "wait", "7"]);
    wait.stderr_until("r1-n01 (server): writing image");
    place.kill();
    wait.stderr_until("no connection to the controller");
    place.live(World {
        leases: vec![lease(LeaseState::Deploying, "booting"), lease(LeaseState::Active, "")],
        ..World::default()
    });
    let ended = wait.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("connected to the controller again"), "{ended:?}");
    assert!(ended.stderr.ends_with("lease 7 active\nr1-n01 (server): up\n"), "{ended:?}");
    assert!(ended.stdout.starts_with("lease 7 active\n"), "{ended:?}");
}

#[test]
fn a_request_prints_the_number_of_its_lease() {
    let mut place = Place::new();
    let world = World {
        leases: vec![lease(LeaseState::Queued, ""), lease(LeaseState::Active, "")],
        ..World::default()
    };
    place.live(world.clone());
    let arguments =
        ["lease", "request", "server=1:x86_64", "--duration", "2h", "--idempotency-key", "k", "--wait"];
    let ended = run(&place.credentials(), &arguments);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "7\n"), "{ended:?}");
    let asked = &world.asked.lock().unwrap().leases;
    assert_eq!((asked[0].idempotency_key.as_str(), asked[0].duration_s), ("k", 7_200));
    assert_eq!((asked[0].members[0].role.as_str(), asked[0].members[0].count), ("server", 1));
}

#[test]
fn each_change_is_a_line_of_json() {
    let mut place = Place::new();
    place.live(World {
        leases: vec![lease(LeaseState::Queued, ""), lease(LeaseState::Active, "")],
        ..World::default()
    });
    let ended = run(&place.credentials(), &["lease", "wait", "7", "--output", "json"]);
    let states: Vec<_> = ended
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["state"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!((ended.code, states), (0, vec!["queued".to_owned(), "active".to_owned()]));
}

#[test]
fn how_a_lease_ended_is_the_exit_code() {
    let cases = [
        (CloseReason::WaitedTooLong, 4),
        (CloseReason::Expired, 4),
        (CloseReason::Released, 3),
        (CloseReason::Infrastructure, 5),
    ];
    let mut place = Place::new();
    for (reason, code) in cases {
        let closed = Lease { close_reason: reason.into(), ..lease(LeaseState::Closed, "") };
        place.live(World { leases: vec![lease(LeaseState::Queued, ""), closed], ..World::default() });
        let ended = run(&place.credentials(), &["lease", "wait", "7"]);
        assert_eq!(ended.code, code, "{ended:?}");
    }
}

#[test]
fn a_wait_that_is_over_says_how_to_go_on() {
    let mut place = Place::new();
    place.live(World { leases: vec![lease(LeaseState::Queued, "")], ..World::default() });
    let ended = run(&place.credentials(), &["lease", "wait", "7", "--timeout", "1ms"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stderr.contains("next: hostler lease wait 7"), "{ended:?}");

    let mut wait = start(&place.credentials(), &["lease", "wait", "7"]);
    wait.stderr_until("lease 7 queued");
    wait.interrupt();
    let ended = wait.end();
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(ended.stderr.contains("next: hostler lease release 7"), "{ended:?}");
}
