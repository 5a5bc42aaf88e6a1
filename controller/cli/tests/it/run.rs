//! Payloads.

use crate::controller::{Place, World};
use crate::program::{run, start};
use aws_lc_rs::digest::{SHA256, digest};
use hostler_proto::lease::v1::{JUnitTotals, Run, RunFile, RunTask, TaskState};
use std::collections::BTreeMap;

const SERVER: &str = "one\ntwo\nthree";
const CLIENT: &str = "hello\n";

fn task(node: &str, role: &str, state: TaskState, output: &str) -> RunTask {
    RunTask {
        node: node.to_owned(),
        role: role.to_owned(),
        state: state.into(),
        output_bytes: output.len() as u64,
        ..Default::default()
    }
}

fn world(server: &str, client: &str, state: TaskState) -> World {
    let tasks = vec![task("a", "server", state, server), task("b", "client", state, client)];
    let output = [("a", server), ("b", client)].map(|(node, text)| (node.to_owned(), text.into()));
    World {
        run: Run { id: 5, lease_id: 7, tasks, command: Vec::new() },
        output: BTreeMap::from(output),
        is_over: state != TaskState::Running,
        ..World::default()
    }
}

fn file(path: &str, contents: &str) -> (RunFile, (String, Vec<u8>)) {
    let sha256 =
        digest(&SHA256, contents.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let file = RunFile { path: path.to_owned(), size: contents.len() as u64, sha256 };
    (file, (path.to_owned(), contents.as_bytes().to_vec()))
}

/// Lines of one node in the order in which they came.
fn lines<'a>(stdout: &'a str, label: &str) -> Vec<&'a str> {
    stdout.lines().filter_map(|line| line.strip_prefix(label)).collect()
}

#[test]
fn output_is_whole_and_comes_once_over_a_restart_of_the_controller() {
    let mut place = Place::new();
    let first = world("one\ntw", "", TaskState::Running);
    place.live(first.clone());
    let results = place.path("out");
    let results = results.to_str().unwrap();
    let mut program = start(&place.credentials(), &["run", "7", "--results", results, "--", "make", "check"]);
    let begin = program.next_stdout();
    place.kill();
    program.stderr_until("no connection to the controller");
    let second =
        World { overlap: 2, asked: first.asked.clone(), ..world(SERVER, CLIENT, TaskState::Finished) };
    place.live(second);
    let ended = program.end();

    assert_eq!(ended.code, 0, "{ended:?}");
    let stdout = begin + &ended.stdout;
    assert_eq!(lines(&stdout, "server/a | "), ["one", "two", "three"]);
    assert_eq!(lines(&stdout, "client/b | "), ["hello"]);
    assert_eq!(std::fs::read_to_string(place.path("out/a/output.log")).unwrap(), SERVER);
    assert_eq!(std::fs::read_to_string(place.path("out/b/output.log")).unwrap(), CLIENT);
    let asked = first.asked.lock().unwrap();
    assert_eq!((asked.runs.len(), asked.runs[0].command.join(" ").as_str()), (1, "make check"));
    assert!(asked.offsets.last().unwrap()["a"] >= 4, "the second connection began anew: {:?}", asked.offsets);
}

#[test]
fn failed_tests_fail_the_run_and_their_reports_are_downloaded() {
    let mut place = Place::new();
    let mut world = world(SERVER, CLIENT, TaskState::Finished);
    let (report, contents) = file("reports/a.xml", "<testsuite/>");
    world.run.tasks[0].files.push(report);
    world.run.tasks[0].junit = Some(JUnitTotals { tests: 3, failures: 1, ..Default::default() });
    world.files.extend([contents]);
    place.live(world);
    let results = place.path("out");
    let ended =
        run(&place.credentials(), &["run", "7", "--results", results.to_str().unwrap(), "--", "true"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("run 5 failed: 1 of 2 nodes succeeded; 1 of 3 tests failed"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(place.path("out/a/files/reports/a.xml")).unwrap(), "<testsuite/>");
}

#[test]
fn hostile_files_are_refused_and_the_others_still_come() {
    let mut place = Place::new();
    let mut world = world("", "", TaskState::Finished);
    let (outside, outside_contents) = file("../../evil.xml", "x");
    let (altered, (name, _)) = file("altered.xml", "what was promised");
    let (honest, honest_contents) = file("honest.xml", "x");
    world.run.tasks[0].files.extend([outside, altered, honest]);
    world.files.extend([outside_contents, (name, b"what else came ..".to_vec()), honest_contents]);
    place.live(world);
    let results = place.path("in/out");
    let ended =
        run(&place.credentials(), &["run", "7", "--results", results.to_str().unwrap(), "--", "true"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("is not safe"), "{ended:?}");
    assert!(ended.stderr.contains("another SHA-256 digest"), "{ended:?}");
    assert!(!place.path("in/evil.xml").exists() && !place.path("evil.xml").exists());
    assert!(!place.path("in/out/a/files/altered.xml").exists());
    assert!(place.path("in/out/a/files/honest.xml").exists());
}

#[test]
fn output_that_the_controller_lost_is_reported_and_does_not_hang() {
    let mut place = Place::new();
    let mut world = World { lost: 4, ..world(SERVER, CLIENT, TaskState::Finished) };
    world.run.tasks[0].output_bytes = 1_000;
    place.live(world);
    let ended = run(&place.credentials(), &["run", "7", "--", "true"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for lost in ["4 bytes of the output of a", "4 bytes of the output of b", "987 bytes of the output of a"] {
        assert!(ended.stderr.contains(lost), "{lost}: {ended:?}");
    }
    assert_eq!(lines(&ended.stdout, "server/a | "), ["two", "three"]);
    assert_eq!(lines(&ended.stdout, "client/b | "), ["o"]);
}

#[test]
fn how_tasks_ended_is_the_exit_code() {
    let mut place = Place::new();
    for (state, code) in [(TaskState::Lost, 5), (TaskState::Killed, 4)] {
        place.live(world("", "", state));
        let ended = run(&place.credentials(), &["run", "7", "--", "true"]);
        assert_eq!(ended.code, code, "{ended:?}");
    }
}

#[test]
fn an_interrupted_run_goes_on_and_says_how_to_follow_it() {
    let mut place = Place::new();
    place.live(world("one\n", "", TaskState::Running));
    let mut program = start(&place.credentials(), &["run", "7", "--", "true"]);
    assert_eq!(program.next_stdout(), "server/a | one\n");
    program.interrupt();
    let ended = program.end();
    assert_eq!(ended.code, 130, "{ended:?}");
    for next in ["hostler run --attach 5", "hostler run --stop 5", "hostler lease release 7"] {
        assert!(ended.stderr.contains(next), "{ended:?}");
    }
    place.live(world("one\n", "", TaskState::Finished));
    let ended = run(&place.credentials(), &["run", "--attach", "5", "--raw"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "one\n"), "{ended:?}");
}

#[test]
fn json_lines_tell_the_whole_run() {
    let mut place = Place::new();
    place.live(world(SERVER, CLIENT, TaskState::Finished));
    let ended = run(&place.credentials(), &["run", "7", "-o", "json", "--", "true"]);
    let events: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("started", "finished"));
    let text: Vec<_> =
        events.iter().filter(|event| event["node"] == "a").map(|event| event["text"].clone()).collect();
    assert_eq!(text, ["one", "two", "three"]);
    assert_eq!(events[events.len() - 1]["exit"], 0);
}
