//! Payloads: at most once on each machine, and never forgotten.

use crate::given::hello;
use crate::rack::{Rack, SECOND};
use hostler_core::attempt::Stage;
use hostler_core::boot::NetworkEvidence;
use hostler_core::ids::{LeaseId, RunId};
use hostler_core::input::{Input, Profile, Refusal, Report};
use hostler_core::node::{Presence, StateName};
use hostler_core::order::{self, RunOrder};
use hostler_core::run::{TaskResult, TaskState};

fn task(rack: &Rack, run: RunId, name: &str) -> TaskState {
    let run = rack.world.runs.get(run).expect("the run is remembered");
    run.task(rack.id(name)).expect("it has a task there").state.clone()
}

fn say(rack: &mut Rack, name: &str, report: Report) {
    let input = rack.agent(name, Profile::Tenant, report);
    rack.accept(input);
}

fn finished(run: RunId) -> Report {
    Report::RunFinished { run, result: TaskResult::default() }
}

/// A machine in a tenant's hands, and a run on it.
fn running() -> (Rack, LeaseId, RunId) {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    let run = rack.run(lease, "test");
    (rack, lease, run)
}

#[test]
fn a_run_is_ordered_started_and_finished() {
    let (mut rack, _, run) = running();
    assert_eq!(task(&rack, run, "a"), TaskState::Pending { incarnation: Some(1) });
    let ordered = order::for_tenant(&rack.world, rack.id("a"));
    assert!(matches!(ordered[..], [RunOrder::Start(r)] if r.id == run));
    say(&mut rack, "a", Report::RunStarted { run });
    let since = rack.now;
    assert_eq!(task(&rack, run, "a"), TaskState::Running { since });
    assert_eq!(order::for_tenant(&rack.world, rack.id("a")), []);
    say(&mut rack, "a", finished(run));
    assert_eq!(
        task(&rack, run, "a"),
        TaskState::Finished { since, at: rack.now, result: TaskResult::default() }
    );
}

/// A payload that a restart has ended is not one that took too long: another try may succeed.
#[test]
fn a_payload_that_nobody_saw_end_is_lost() {
    for started in [true, false] {
        let (mut rack, _, run) = running();
        if started {
            say(&mut rack, "a", Report::RunStarted { run });
        }
        let killed = "the machine or its agent restarted while the payload ran".to_owned();
        let result =
            TaskResult { exit_code: 137, killed: killed.clone(), lost: true, ..TaskResult::default() };
        say(&mut rack, "a", Report::RunFinished { run, result });
        assert_eq!(task(&rack, run, "a"), TaskState::Lost { at: rack.now, reason: killed });
    }
}

/// What happened between the order and the next hello, and what becomes of the task.
#[test]
fn a_payload_is_started_at_most_once() {
    let lost = "the machine restarted while the payload ran";
    for (reported_start, incarnation, knows_it, expected) in [
        // The connection broke; the agent never saw the order, and may still get it.
        (false, 1, false, None),
        // It saw the order and is about to report.
        (false, 1, true, None),
        // The machine restarted: nobody can say whether the payload had begun.
        (false, 2, false, Some(lost)),
        // It runs, and the agent knows of it.
        (true, 1, true, None),
        // It ran, and the agent does not know of it any more.
        (true, 1, false, Some(lost)),
        (true, 2, false, Some(lost)),
    ] {
        let (mut rack, _, run) = running();
        if reported_start {
            say(&mut rack, "a", Report::RunStarted { run });
        }
        let known: &[RunId] = if knows_it { &[run] } else { &[] };
        say(&mut rack, "a", hello(incarnation, known));
        let reason = match task(&rack, run, "a") {
            TaskState::Lost { reason, .. } => Some(reason),
            _ => None,
        };
        let about = (reported_start, incarnation, knows_it);
        assert_eq!(reason.as_deref(), expected, "{about:?}");
        if reason.is_some() {
            assert_eq!(
                order::for_tenant(&rack.world, rack.id("a")),
                [],
                "it is not ordered again: {about:?}"
            );
            say(&mut rack, "a", finished(run));
            assert!(matches!(task(&rack, run, "a"), TaskState::Lost { .. }), "lost is lost: {about:?}");
        }
    }
}

#[test]
fn a_run_goes_to_the_members_of_its_role() {
    let mut rack = Rack::with(&["a", "b"]);
    let lease = rack.active("1 any among a + 1 any among b");
    let Input::StartRun { lease, key, mut spec } = rack.start_run(lease, "one") else { panic!("no run") };
    spec.role = "r1".into();
    rack.accept(Input::StartRun { lease, key, spec: spec.clone() });
    let nodes: Vec<_> = rack.world.runs.get(RunId(1)).unwrap().tasks.iter().map(|t| t.node).collect();
    assert_eq!(nodes, [rack.id("b")]);
    spec.role = "nobody".into();
    let refusal = rack.refuse(Input::StartRun { lease, key: "two".into(), spec });
    assert_eq!(refusal, Refusal::Invalid("lease 1 has no role \"nobody\"; its roles: r0, r1".into()));
}

#[test]
fn runs_are_for_active_leases() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.lease("1 any");
    let early = rack.start_run(lease, "early");
    assert!(matches!(rack.refuse(early), Refusal::Conflict(_)));
    rack.work("a", StateName::Leased);
    let run = rack.run(lease, "test");
    rack.release(lease);
    assert!(matches!(task(&rack, run, "a"), TaskState::Lost { reason, .. } if reason == "the lease ended"));
    let late = rack.start_run(lease, "late");
    assert!(matches!(rack.refuse(late), Refusal::Conflict(_)));
}

#[test]
fn the_same_key_is_the_same_run() {
    let (mut rack, lease, run) = running();
    assert_eq!(rack.run(lease, "test"), run);
    let Input::StartRun { lease, key, mut spec } = rack.start_run(lease, "test") else { panic!("no run") };
    spec.command.push("--twice".into());
    assert!(matches!(rack.refuse(Input::StartRun { lease, key, spec }), Refusal::Conflict(_)));
}

#[test]
fn a_run_is_stopped_whether_it_began_or_not() {
    for begun in [false, true] {
        let (mut rack, _, run) = running();
        if begun {
            say(&mut rack, "a", Report::RunStarted { run });
        }
        rack.accept(Input::StopRun { run, author: "kim".into() });
        rack.accept(Input::StopRun { run, author: "ada".into() });
        let orders = order::for_tenant(&rack.world, rack.id("a"));
        assert_eq!(orders, [RunOrder::Stop(run, "stopped by kim")]);
    }
}

#[test]
fn an_agent_speaks_of_its_own_lease_only() {
    let mut rack = Rack::with(&["a", "b"]);
    let first = rack.active("1 any among a");
    rack.active("1 any among b");
    let run = rack.run(first, "test");
    for report in [Report::RunStarted { run }, finished(run)] {
        let forged = rack.agent("b", Profile::Tenant, report);
        assert!(matches!(rack.refuse(forged), Refusal::Forbidden(_)));
    }
    assert!(matches!(task(&rack, run, "a"), TaskState::Pending { .. }));
}

/// The tenant is root on the machine: what it reports is kept, but not without bound.
#[test]
fn a_result_is_kept_within_bounds() {
    let (mut rack, _, run) = running();
    let file = |i: usize| hostler_core::run::File { path: format!("f{i}"), size: 1, sha256: "00".into() };
    let result = TaskResult {
        killed: "x".repeat(1 << 20),
        files: (0..50_000).map(file).collect(),
        ..TaskResult::default()
    };
    say(&mut rack, "a", Report::RunFinished { run, result });
    let TaskState::Finished { result, .. } = task(&rack, run, "a") else { panic!("not finished") };
    assert!(result.killed.len() < 1024 && result.files.len() <= 1000);
}

#[test]
fn the_ramdisk_knows_nothing_of_runs() {
    let (mut rack, _, run) = running();
    let forged = rack.agent("a", Profile::Ramdisk, Report::RunStarted { run });
    assert!(matches!(rack.refuse(forged), Refusal::Forbidden(_)));
    assert_eq!(rack.stage("a"), Stage::Deployed);
}

/// What nobody was told of cannot have begun: it waits for the agent of the system that comes.
#[test]
fn a_run_on_a_machine_that_restarts_waits_for_its_agent() {
    for evidence in [NetworkEvidence::Dhcp, NetworkEvidence::Script] {
        let (mut rack, lease, sent) = running();
        rack.now.0 += 60 * SECOND;
        let restarts = rack.network("a", evidence);
        rack.accept(restarts);
        assert_eq!(rack.node("a").agent, Presence::Absent, "{evidence:?}");
        let waiting = rack.run(lease, "later");
        assert_eq!(task(&rack, waiting, "a"), TaskState::Pending { incarnation: None });
        let ordered = order::for_tenant(&rack.world, rack.id("a"));
        assert!(matches!(ordered[..], [RunOrder::Start(r)] if r.id == sent), "{ordered:?}");

        say(&mut rack, "a", hello(2, &[]));
        assert!(matches!(task(&rack, sent, "a"), TaskState::Lost { .. }), "it may have begun");
        assert_eq!(task(&rack, waiting, "a"), TaskState::Pending { incarnation: Some(2) });
        let ordered = order::for_tenant(&rack.world, rack.id("a"));
        assert!(matches!(ordered[..], [RunOrder::Start(r)] if r.id == waiting), "{ordered:?}");
    }
}

/// The evidence was late, or a deployed system renewed its address.
#[test]
fn an_agent_that_was_there_all_the_time_gets_the_run_with_its_next_word() {
    let (mut rack, lease, sent) = running();
    rack.now.0 += 60 * SECOND;
    let renews = rack.network("a", NetworkEvidence::Dhcp);
    rack.accept(renews);
    let run = rack.run(lease, "later");
    say(&mut rack, "a", Report::Back);
    assert_eq!(task(&rack, run, "a"), TaskState::Pending { incarnation: Some(1) });
    assert_eq!(task(&rack, sent, "a"), TaskState::Pending { incarnation: Some(1) });
    // What it was told of is lost with its next restart, as ever.
    say(&mut rack, "a", hello(2, &[]));
    assert!(matches!(task(&rack, run, "a"), TaskState::Lost { .. }));
}

#[test]
fn evidence_of_an_earlier_time_does_not_make_an_agent_absent() {
    let (mut rack, _, _) = running();
    let since = rack.node("a").since;
    let node = rack.id("a");
    let detail = String::new();
    rack.accept(Input::Network { node, evidence: NetworkEvidence::Dhcp, began: since, detail });
    assert_eq!(rack.node("a").agent, Presence::Heard);
}

#[test]
fn a_run_on_a_machine_that_is_silent_waits_until_it_is_heard() {
    let (mut rack, lease, _) = running();
    say(&mut rack, "a", Report::Lost);
    let run = rack.run(lease, "later");
    assert_eq!(task(&rack, run, "a"), TaskState::Pending { incarnation: None });
    say(&mut rack, "a", Report::Back);
    assert_eq!(task(&rack, run, "a"), TaskState::Pending { incarnation: Some(1) });
}

/// While the controller was away, the machine may have restarted.
#[test]
fn a_new_controller_waits_for_the_agents_before_it_tells_them_of_runs() {
    let (mut rack, lease, sent) = running();
    rack.restart();
    let run = rack.run(lease, "later");
    assert_eq!(task(&rack, run, "a"), TaskState::Pending { incarnation: None });
    say(&mut rack, "a", hello(2, &[]));
    assert_eq!(task(&rack, run, "a"), TaskState::Pending { incarnation: Some(2) });
    assert!(matches!(task(&rack, sent, "a"), TaskState::Lost { .. }));
}

#[test]
fn a_machine_that_restarts_and_does_not_come_back_is_silent() {
    let (mut rack, _, _) = running();
    rack.now.0 += 60 * SECOND;
    let restarts = rack.network("a", NetworkEvidence::Script);
    rack.accept(restarts);
    rack.heard();
    say(&mut rack, "a", Report::Lost);
    assert_eq!(rack.heard(), ["agent-lost"]);
}

#[test]
fn a_run_that_nobody_was_told_of_is_stopped_at_once() {
    let (mut rack, lease, _) = running();
    say(&mut rack, "a", Report::Lost);
    let run = rack.run(lease, "later");
    rack.accept(Input::StopRun { run, author: "kim".into() });
    let TaskState::Finished { result, .. } = task(&rack, run, "a") else { panic!("it goes on") };
    assert_eq!((result.killed.as_str(), result.exit_code), ("stopped by kim", 143));
    say(&mut rack, "a", Report::Back);
    let ordered = order::for_tenant(&rack.world, rack.id("a"));
    assert!(!ordered.iter().any(|o| matches!(o, RunOrder::Start(r) if r.id == run)), "{ordered:?}");
}

/// A task as it was stored before tasks could wait for an agent.
#[test]
fn a_stored_task_is_one_that_was_told() {
    let stored: TaskState = serde_json::from_str(r#"{"Pending":{"incarnation":3}}"#).unwrap();
    assert_eq!(stored, TaskState::Pending { incarnation: Some(3) });
}
