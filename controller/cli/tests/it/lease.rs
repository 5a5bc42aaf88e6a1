//! Asking and waiting.

use crate::controller::{Place, World};
use crate::program::{run, start};
use hostler_proto::lease::v1::extend_lease_request::Wanted;
use hostler_proto::lease::v1::{
    CloseReason, Departure, Lease, LeasePreview, LeaseState, LeaseTimes, LeasedNode, Relaxation, TextProblem,
};

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
        (CloseReason::Abandoned, 4),
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

#[test]
fn an_extension_prints_the_new_end_and_why_it_is_less_than_was_asked_for() {
    let mut place = Place::new();
    let world = World { leases: vec![lease(LeaseState::Active, "")], ..World::default() };
    place.live(world.clone());
    let ended = run(&place.credentials(), &["lease", "extend", "7", "--by", "30m", "--idempotency-key", "k"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "lease 7 lasts until 2026-03-21 10:12:33Z, 20m 00s longer\n"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("granted 20 min of 30 min: another lease waits"), "{ended:?}");
    let ended =
        run(&place.credentials(), &["lease", "extend", "7", "--until", "2026-03-21T18:00Z", "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (answer["granted_ms"].as_u64(), answer["lease"]["state"].as_str()),
        (Some(1_200_000), Some("active"))
    );
    let asked = &world.asked.lock().unwrap().extensions;
    assert_eq!((asked[0].idempotency_key.as_str(), asked[0].wanted), ("k", Some(Wanted::ByS(1_800))));
    assert_eq!(asked[1].wanted, Some(Wanted::UntilMs(1_774_116_000_000)));
}

#[test]
fn an_extension_says_by_how_much_or_until_when() {
    let place = Place::new();
    for arguments in
        [&["lease", "extend", "7"][..], &["lease", "extend", "7", "--by", "1h", "--until", "2026-03-21"]]
    {
        assert_eq!(run(&place.credentials(), arguments).code, 2, "{arguments:?}");
    }
}

/// r1-n02 was given back; what was to take its place is `status`, or failed where nothing is said of it.
fn replaced(status: Option<&str>) -> Lease {
    let departure = |node: &str, successor: &str| Departure {
        node: node.to_owned(),
        role: "server".to_owned(),
        why: "its deployment failed".to_owned(),
        successor: successor.to_owned(),
        ..Default::default()
    };
    let whole = lease(LeaseState::Active, "");
    let Some(status) = status else {
        return Lease { departures: vec![departure("r1-n02", "r1-n05"), departure("r1-n05", "")], ..whole };
    };
    let up = status.is_empty();
    let substitute =
        LeasedNode { name: "r1-n05".to_owned(), up, status: status.to_owned(), ..Default::default() };
    let nodes = whole.nodes.iter().cloned().chain([substitute]).collect();
    Lease { nodes, departures: vec![departure("r1-n02", "r1-n05")], ..whole }
}

#[test]
fn a_replacement_is_waited_for_until_it_is_there_or_the_place_is_empty() {
    let arguments =
        ["lease", "replace", "7", "r1-n02", "--reason", "no link", "--wait", "--idempotency-key", "k"];
    let printed = "r1-n05 takes the place of r1-n02 in lease 7\n";
    for (end, code, stdout, stderr) in [
        (Some(""), 0, printed, "r1-n05 (): up\n"),
        (None, 5, "", "error: lease 7 goes on without r1-n05: its deployment failed\n"),
    ] {
        let mut place = Place::new();
        let world =
            World { leases: vec![replaced(Some("writing image")), replaced(end)], ..World::default() };
        place.live(world.clone());
        let ended = run(&place.credentials(), &arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, stdout), "{ended:?}");
        assert!(ended.stderr.starts_with(printed) && ended.stderr.contains(stderr), "{ended:?}");
        let asked = &world.asked.lock().unwrap().replacements[0];
        assert_eq!((asked.id, asked.node.as_str(), asked.reason.as_str()), (7, "r1-n02", "no link"));
        assert_eq!(asked.idempotency_key, "k");
    }
}

/// Who waits for a lease waits for the machines that are to come into it.
#[test]
fn a_wait_for_an_active_lease_is_over_when_its_substitutes_are_there() {
    let mut place = Place::new();
    let leases = vec![replaced(Some("writing image")), replaced(Some(""))];
    place.live(World { leases, ..World::default() });
    let ended = run(&place.credentials(), &["lease", "wait", "7", "-o", "json"]);
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 2), "{ended:?}");
    let answer = run(&place.credentials(), &["lease", "replace", "7", "r1-n02", "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((&answer["substitute"], &answer["lease"]["id"]), (&"r1-n05".into(), &7.into()));
}

/// The first release begins a hold; sent again because its answer was lost, it must not end that.
#[test]
fn only_a_lease_that_is_held_already_is_released_at_once() {
    let times = LeaseTimes { held_ms: 5, ..Default::default() };
    let held = Lease { times: Some(times), ..lease(LeaseState::Active, "") };
    for (known, arguments, at_once) in [
        (lease(LeaseState::Active, ""), &["lease", "release", "7"][..], false),
        (lease(LeaseState::Active, ""), &["lease", "release", "7", "--at-once"], true),
        (held, &["lease", "release", "7"], true),
    ] {
        let mut place = Place::new();
        let world = World { leases: vec![known], ..World::default() };
        place.live(world.clone());
        assert_eq!(run(&place.credentials(), arguments).code, 3);
        assert_eq!(world.asked.lock().unwrap().releases[0].at_once, at_once, "{arguments:?}");
    }
}

#[test]
fn a_lease_is_kept_alive_until_it_is_over_whatever_happens_to_the_controller() {
    let mut place = Place::new();
    let first = World { leases: vec![lease(LeaseState::Active, "")], ..World::default() };
    place.live(first.clone());
    let mut keepalive = start(&place.credentials(), &["lease", "keepalive", "7"]);
    keepalive.stderr_until("lease 7 active");
    place.kill();
    keepalive.stderr_until("no connection to the controller");
    let released = Lease { close_reason: CloseReason::Released.into(), ..lease(LeaseState::Closing, "") };
    let second = World { leases: vec![lease(LeaseState::Active, ""), released], ..World::default() };
    place.live(second.clone());
    let ended = keepalive.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    for world in [first, second] {
        assert!(world.asked.lock().unwrap().keepalives.iter().all(|keepalive| *keepalive));
    }
}

/// A job hears in time that its machines go, and that they stay.
#[test]
fn a_job_that_keeps_a_lease_alive_is_told_that_it_gives_way() {
    let mut place = Place::new();
    let active = || lease(LeaseState::Active, "");
    let told = Lease { gives_way_ms: 1_774_051_200_000, gives_way_to: 9, ..active() };
    let released = Lease { close_reason: CloseReason::Released.into(), ..lease(LeaseState::Closing, "") };
    let queued = lease(LeaseState::Queued, "");
    let leases = vec![active(), told.clone(), active(), told, queued, released];
    place.live(World { leases, ..World::default() });
    let ended = run(&place.credentials(), &["lease", "keepalive", "7"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let told = "lease 7 gives way to lease 9 at 2026-03-21 00:00:00Z, and goes back to the queue";
    let lines =
        [told, "lease 7 does not give way any more", told, "lease 7 gave way, and is in the queue again"];
    let said: Vec<_> = ended.stderr.lines().filter(|line| line.contains(" way")).collect();
    let matches = said.iter().zip(lines).all(|(said, expected)| said.ends_with(expected));
    assert!(said.len() == lines.len() && matches, "{ended:?}");
}

#[test]
fn a_lease_that_ended_otherwise_is_said_to() {
    let mut place = Place::new();
    let expired = Lease { close_reason: CloseReason::Expired.into(), ..lease(LeaseState::Closed, "") };
    place.live(World { leases: vec![lease(LeaseState::Active, ""), expired], ..World::default() });
    let ended = run(&place.credentials(), &["lease", "keepalive", "7"]);
    assert_eq!(ended.code, 4, "{ended:?}");
}

/// Whether it starts, waits or never starts is the exit code.
#[test]
fn a_dry_run_asks_for_nothing() {
    let change = "without same rack".to_owned();
    let relaxations = vec![Relaxation { change, now: true, expected_start_ms: 0 }];
    let cases = [
        (LeasePreview { fits_now: true, ..Default::default() }, 0, "it would start now\n"),
        (
            LeasePreview { waits_for: "2 machines".to_owned(), relaxations, ..Default::default() },
            4,
            "it would wait for 2 machines\nwhat would help\n  now, without same rack\n",
        ),
        (LeasePreview { never: "no".to_owned(), ..Default::default() }, 3, "it can never start: no\n"),
    ];
    for (preview, code, text) in cases {
        let mut place = Place::new();
        place.live(World { preview, ..World::default() });
        let ended =
            run(&place.credentials(), &["lease", "request", "2", "--together", "same rack", "--dry-run"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, text), "{ended:?}");
    }
}

/// The controller knows what can be asked for; what it says is shown where it was written.
#[test]
fn what_the_controller_cannot_read_is_shown_at_its_place() {
    let problem = |field: &str| TextProblem {
        field: field.to_owned(),
        start: 0,
        end: 9,
        message: "there is no attribute `cpu.coers`".to_owned(),
        hint: "did you mean `cpu.cores`?".to_owned(),
    };
    let ask = |field: &str, arguments: &[&str]| {
        let mut place = Place::new();
        place.live(World { problem: Some(problem(field)), ..World::default() });
        let ended = run(&place.credentials(), &[&["lease", "request"], arguments].concat());
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.stderr
    };
    let flag = ask("members[1].constraint", &["a=1", "b=2 where cpu.coers > 1"]);
    let shown = "error: there is no attribute `cpu.coers`\n --> member 2, column 11\n  |\n  | b=2 where cpu.coers > 1\n  |           \
                 ^^^^^^^^^\n  = hint: did you mean `cpu.cores`?\n";
    assert!(flag.ends_with(shown), "{flag}");
    let together = ask("groupings[0]", &["1", "--together", "cpu.coers"]);
    assert!(together.contains(" --> --together, column 1\n"), "{together}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lease.yaml");
    std::fs::write(&file, "member:\n- count: 1\n  where: \"cpu.coers > 1\"\n").unwrap();
    let file = ask("members[0].constraint", &["-f", file.to_str().unwrap()]);
    assert!(file.contains("lease.yaml:3:11\n"), "{file}");
    // One that names no place here is told as it came.
    let elsewhere = ask("members[7].constraint", &["1"]);
    assert!(elsewhere.contains("caused by: there is no attribute `cpu.coers`"), "{elsewhere}");
}
