//! What payloads say, over links that break.

use crate::support::bench::{Bench, Stored, shell};
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::controller_message::Message as ToAgent;
use hostler_proto::agent::v1::{KnownRun, RunAck, StartRun};
use std::collections::HashMap;

#[tokio::test]
async fn a_payload_has_a_directory_an_environment_and_an_input_of_its_own() {
    let mut bench = Bench::new().await;
    bench.machine.add_disk("local", 1 << 20, false);
    bench.machine.add_disk("far", 1 << 20, true);
    bench.machine.add_disk("local2", 1 << 20, false);
    let (_agent, mut session) = bench.deployed_session().await;
    let script = r#"pwd; ls -A; cat; echo "$OWN $LEASE $HOSTLER_NODE $HOSTLER_RUN"; echo "$HOSTLER_DISKS" >&2; env | wc -l"#;
    let environment = HashMap::from(
        [("LEASE", "9"), ("OWN", "lease"), ("HOSTLER_DISKS", "/dev/null")]
            .map(|(n, v)| (n.to_owned(), v.to_owned())),
    );
    let stored = session.run(StartRun { environment, stdin: b"input\n".into(), ..shell(4, script) }).await;
    let disks =
        ["local", "local2"].map(|serial| bench.machine.disk_path(serial).to_str().unwrap().to_owned());
    let lines: Vec<_> = stored.text().lines().collect();
    let work = bench.machine.work(4).canonicalize().unwrap();
    // PATH, OWN, LEASE, three of the agent's, and PWD, which the shell adds.
    assert_eq!(lines, [work.to_str().unwrap(), "input", "lease 9 n1 4", disks.join(" ").as_str(), "7"]);
    assert!(stored.started);
    let result = stored.result();
    assert_eq!((result.exit_code, result.killed.as_str(), result.start_error.as_str()), (0, "", ""));
}

#[tokio::test]
async fn both_outputs_are_one_in_the_order_of_writing() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    let script = "for i in $(seq 300); do echo out $i; echo err $i >&2; done; exit 3";
    let stored = session.run(shell(1, script)).await;
    let expected: String = (1..=300).map(|i| format!("out {i}\nerr {i}\n")).collect();
    assert_eq!(stored.text(), expected);
    assert_eq!(stored.result().exit_code, 3);
}

#[tokio::test]
async fn output_is_sent_again_from_what_was_acknowledged() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    session.send(ToAgent::StartRun(shell(1, "echo one; read never; sleep 1000"))).await;
    assert!(matches!(session.next().await, FromAgent::RunStarted(_)));
    let FromAgent::RunOutput(first) = session.next().await else { panic!("no output") };
    assert_eq!((first.offset, &first.data[..]), (0, &b"one\n"[..]));
    session.send(ToAgent::RunAck(RunAck { run_id: 1, output_bytes: 2, finished: false })).await;
    // Acknowledgements and messages are of one stream each, so this proves that the agent has read the first.
    session.send(ToAgent::StartRun(shell(2, "echo two"))).await;
    while !matches!(session.next().await, FromAgent::RunFinished(_)) {}
    drop(session);

    let mut session = bench.controller.session().await;
    assert_eq!(
        session.hello.runs,
        [KnownRun { run_id: 1, finished: false }, KnownRun { run_id: 2, finished: true }]
    );
    session.welcome(1).await;
    let mut again = None;
    let mut finished = false;
    while again.is_none() || !finished {
        match session.next().await {
            FromAgent::RunOutput(output) if output.run_id == 1 => again = Some(output),
            FromAgent::RunFinished(result) => finished = result.run_id == 2,
            _ => {}
        }
    }
    let again = again.unwrap();
    assert_eq!((again.offset, &again.data[..]), (2, &b"e\n"[..]));
}

#[tokio::test]
async fn no_byte_is_lost_or_doubled_however_often_the_link_breaks() {
    let mut bench = Bench::new().await;
    let agent = bench.deployed();
    let script = "seq 1 60000; mkdir r; seq 1 30000 > r/a.xml; : > r/b.xml";
    let start = StartRun { junit: vec!["r/*.xml".into()], ..shell(1, script) };
    let mut stored = Stored::default();
    // The links carry so many messages each, the last one all that are left.
    for messages in [1, 3, 7, 12, usize::MAX] {
        let mut session = bench.controller.welcomed().await;
        if session.hello.runs.is_empty() {
            session.send(ToAgent::StartRun(start.clone())).await;
        }
        for _ in 0..messages {
            let Some(message) = session.maybe().await else { break };
            // Every third acknowledgement is lost with the link.
            if let Some(ack) = stored.take(message)
                && (!ack.output_bytes.is_multiple_of(3) || ack.finished)
            {
                session.send(ToAgent::RunAck(ack)).await;
            }
            if stored.finished.is_some() {
                break;
            }
        }
        if stored.finished.is_some() {
            break;
        }
    }
    let numbers = |last: u32| (1..=last).map(|n| format!("{n}\n")).collect::<String>();
    assert_eq!(stored.text(), numbers(60_000));
    assert_eq!(stored.files["r/a.xml"], numbers(30_000).into_bytes());
    assert_eq!(stored.files["r/b.xml"], b"");
    drop(agent);
}

#[tokio::test]
async fn without_acknowledgements_no_more_than_the_window_is_sent() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    session.send(ToAgent::StartRun(shell(1, "head -c 3000000 /dev/zero"))).await;
    let mut sent = 0;
    while sent < 1 << 20 {
        if let FromAgent::RunOutput(output) = session.next().await {
            assert_eq!(output.offset, sent);
            sent += output.data.len() as u64;
        }
    }
    assert_eq!(sent, 1 << 20);
    // Whatever else there is to send comes, but no output of this run.
    session.send(ToAgent::StartRun(shell(2, "true"))).await;
    loop {
        match session.next().await {
            FromAgent::RunFinished(result) if result.run_id == 2 => break,
            FromAgent::RunStarted(_) => {}
            other => panic!("{other:?}"),
        }
    }
    session.send(ToAgent::RunAck(RunAck { run_id: 1, output_bytes: 1, finished: false })).await;
    let FromAgent::RunOutput(output) = session.next().await else { panic!("no output") };
    assert_eq!((output.offset, output.data.len()), (1 << 20, 1));
}

#[tokio::test]
async fn a_run_is_started_once() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    let start = shell(1, "echo once >> count; cat count");
    session.send(ToAgent::StartRun(start.clone())).await;
    let stored = session.run(start.clone()).await;
    assert_eq!(stored.text(), "once\n");
    // It is acknowledged, and forgotten but for the mark that it was there.
    session.send(ToAgent::StartRun(start)).await;
    let other = session.run(shell(2, "echo other")).await;
    assert_eq!((other.result().run_id, other.text()), (2, "other\n"));
}

#[tokio::test]
async fn an_unknown_run_cannot_be_stopped_and_the_controller_hears_so() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    let stop = hostler_proto::agent::v1::StopRun { run_id: 9, epoch: 1, reason: "enough".into() };
    session.send(ToAgent::StopRun(stop)).await;
    let FromAgent::RunFinished(result) = session.next().await else { panic!("no answer") };
    assert_eq!((result.run_id, result.start_error.as_str()), (9, "this agent does not know the run"));
}

#[tokio::test]
async fn an_agent_that_restarts_reports_what_that_interrupted() {
    let mut bench = Bench::new().await;
    let (agent, mut session) = bench.deployed_session().await;
    assert_eq!(session.hello.incarnation, 0);
    session.send(ToAgent::StartRun(shell(1, "echo before; sleep 1000"))).await;
    session.send(ToAgent::StartRun(shell(2, "echo done"))).await;
    let mut seen = (false, false);
    while seen != (true, true) {
        match session.next().await {
            FromAgent::RunOutput(output) if output.run_id == 1 => seen.0 = true,
            FromAgent::RunFinished(result) => seen.1 = result.run_id == 2,
            _ => {}
        }
    }
    agent.cut().await;
    let _agent = bench.deployed();
    let mut session = bench.controller.session().await;
    assert_eq!(session.hello.incarnation, 1);
    assert_eq!(
        session.hello.runs,
        [KnownRun { run_id: 1, finished: true }, KnownRun { run_id: 2, finished: true }]
    );
    session.welcome(1).await;
    let mut runs = HashMap::from([(1, Stored::default()), (2, Stored::default())]);
    while runs.values().any(|stored| stored.finished.is_none()) {
        let message = session.next().await;
        let run_id = match &message {
            FromAgent::RunOutput(output) => output.run_id,
            FromAgent::RunFinished(result) => result.run_id,
            other => panic!("{other:?}"),
        };
        if let Some(ack) = runs.get_mut(&run_id).unwrap().take(message) {
            session.send(ToAgent::RunAck(ack)).await;
        }
    }
    let lost = runs[&1].result();
    assert_eq!((runs[&1].text(), lost.exit_code), ("before\n", 137));
    assert_eq!(lost.killed, "the machine or its agent restarted while the payload ran");
    assert_eq!((runs[&2].text(), runs[&2].result().exit_code), ("done\n", 0));
}

#[tokio::test]
async fn a_run_whose_output_was_lost_on_the_node_ends_with_what_the_controller_has() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    session
        .send(ToAgent::StartRun(shell(1, "mkfifo go; echo kept; read line < go; echo lost; sleep 1000")))
        .await;
    let mut stored = Stored::default();
    while stored.text() != "kept\n" {
        let message = session.next().await;
        if let Some(ack) = stored.take(message) {
            session.send(ToAgent::RunAck(ack)).await;
        }
    }
    std::fs::remove_file(bench.machine.work(1).join("../output")).unwrap();
    tokio::fs::write(bench.machine.work(1).join("go"), "go\n").await.unwrap();
    stored.take(session.next().await);
    assert_eq!(
        stored.result().killed,
        "its output was lost on the node: No such file or directory (os error 2)"
    );
    assert_eq!((stored.text(), stored.result().exit_code), ("kept\n", 143));
}
