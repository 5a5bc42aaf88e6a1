//! Starting and ending payloads.

use crate::support::bench::{Bench, Stored, shell};
use crate::support::controller::Session;
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::controller_message::Message as ToAgent;
use hostler_proto::agent::v1::{StartRun, StopRun};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt as _, BufReader, Interest};
use tokio::process::{Child, Command};
use tonic::Status;

/// A process that is watched.
struct Watched(AsyncFd<OwnedFd>);

impl Watched {
    fn new(pid: i32) -> Self {
        let fd = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
        #[expect(deprecated, reason = "its successor is unsafe for the sake of types other than OwnedFd")]
        Self(AsyncFd::with_interest(fd, Interest::READABLE).unwrap())
    }

    async fn ended(&self) {
        let _readable = self.0.readable().await.unwrap();
    }
}

/// Reads output until the payload has said so many numbers.
async fn numbers(session: &mut Session, stored: &mut Stored, count: usize) -> Vec<i32> {
    loop {
        let message = session.next().await;
        stored.take(message);
        let numbers: Vec<_> = stored.text().lines().map(|line| line.parse().unwrap()).collect();
        if stored.text().ends_with('\n') && numbers.len() >= count {
            return numbers;
        }
    }
}

#[tokio::test]
async fn exit_codes_are_those_of_a_shell() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    for (run_id, script, expected) in
        [(1, "exit 0", 0), (2, "exit 77", 77), (3, "kill -SEGV $$", 139), (4, "kill -9 $$", 137)]
    {
        let stored = session.run(shell(run_id, script)).await;
        assert_eq!((stored.result().exit_code, stored.result().killed.as_str()), (expected, ""), "{script}");
    }
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    let command = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let start = |run_id, words| StartRun { run_id, epoch: 1, command: command(words), ..StartRun::default() };
    let environment = |name: &str| HashMap::from([(name.to_owned(), "x".to_owned())]);
    for (start, expected) in [
        (start(1, &["no-such-program"]), "No such file or directory (os error 2)"),
        (start(2, &[]), "the command is empty"),
        (start(3, &["/etc/passwd"]), "Permission denied (os error 13)"),
        (start(4, &["a\0b"]), "nul byte found in provided data"),
        (
            StartRun { environment: environment("A=B"), ..start(5, &["true"]) },
            "\"A=B\" cannot be the name of an environment variable",
        ),
        (
            StartRun { environment: environment(""), ..start(6, &["true"]) },
            "\"\" cannot be the name of an environment variable",
        ),
    ] {
        let stored = session.run(start).await;
        assert_eq!((stored.result().start_error.as_str(), stored.started), (expected, false));
    }
}

#[tokio::test]
async fn several_runs_at_a_time() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    // Each waits for the next one, and the last one for the first.
    let fifo = |n: u32| format!("../../fifo{}", n % 5);
    for run_id in 1..=5 {
        std::fs::create_dir_all(bench.machine.work(run_id)).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            bench.machine.work(run_id).join(fifo(run_id)),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
    }
    for run_id in 1..=5 {
        let script =
            format!("echo {run_id} > {} & read n < {}; wait; echo $n", fifo(run_id), fifo(run_id + 1));
        session.send(ToAgent::StartRun(shell(run_id, &script))).await;
    }
    let mut ended = 0;
    while ended < 5 {
        if let FromAgent::RunFinished(result) = session.next().await {
            assert_eq!(result.exit_code, 0, "{result:?}");
            ended += 1;
        }
    }
}

#[tokio::test]
async fn a_run_is_stopped_with_its_whole_group() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    session.send(ToAgent::StartRun(shell(1, "sleep 1000 & echo $!; echo $$; wait"))).await;
    let mut stored = Stored::default();
    let group = numbers(&mut session, &mut stored, 2).await;
    let watched: Vec<_> = group.into_iter().map(Watched::new).collect();
    session.send(ToAgent::StopRun(StopRun { run_id: 1, epoch: 1, reason: "stopped by alice".into() })).await;
    while stored.finished.is_none() {
        stored.take(session.next().await);
    }
    assert_eq!((stored.result().exit_code, stored.result().killed.as_str()), (143, "stopped by alice"));
    for process in watched {
        process.ended().await;
    }
}

#[tokio::test]
async fn a_payload_may_tidy_up_when_it_is_stopped() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    session.send(ToAgent::StartRun(shell(1, "trap 'echo 2; exit 5' TERM; echo 1; sleep 1000 & wait"))).await;
    let mut stored = Stored::default();
    numbers(&mut session, &mut stored, 1).await;
    session.send(ToAgent::StopRun(StopRun { run_id: 1, epoch: 1, reason: "enough".into() })).await;
    while stored.finished.is_none() {
        stored.take(session.next().await);
    }
    assert_eq!(
        (stored.text(), stored.result().exit_code, stored.result().killed.as_str()),
        ("1\n2\n", 5, "enough")
    );
}

#[tokio::test]
async fn a_run_ends_when_its_time_is_up() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    let stored = session.run(StartRun { timeout_ms: 100, ..shell(1, "sleep 1000") }).await;
    let result = stored.result();
    assert_eq!((result.exit_code, result.killed.as_str()), (143, "its time limit of 0.1 s passed"));
}

#[tokio::test]
async fn what_a_payload_leaves_running_is_killed() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    session.send(ToAgent::StartRun(shell(1, "mkfifo go; sleep 1000 & echo $!; read line < go"))).await;
    let mut stored = Stored::default();
    let left = numbers(&mut session, &mut stored, 1).await;
    let watched = Watched::new(left[0]);
    tokio::fs::write(bench.machine.work(1).join("go"), "go\n").await.unwrap();
    while stored.finished.is_none() {
        stored.take(session.next().await);
    }
    watched.ended().await;
    assert_eq!(stored.result().killed, "");
}

#[tokio::test]
async fn a_cut_of_power_kills_every_payload() {
    let mut bench = Bench::new().await;
    let (agent, mut session) = bench.deployed_session().await;
    session.send(ToAgent::StartRun(shell(1, "trap '' TERM HUP; sleep 1000 & echo $!; echo $$; wait"))).await;
    let mut stored = Stored::default();
    let group = numbers(&mut session, &mut stored, 2).await;
    let watched: Vec<_> = group.into_iter().map(Watched::new).collect();
    agent.cut().await;
    for process in watched {
        process.ended().await;
    }
}

/// The program, as an init of whatever kind starts it: with next to nothing in its environment.
fn program(bench: &Bench, directory: &Path) -> Child {
    let identity = directory.join("identity.json");
    std::fs::write(&identity, serde_json::to_vec(&bench.identity()).unwrap()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_hostler-agent"))
        .arg("deployed")
        .arg("--identity")
        .arg(identity)
        .arg("--spool")
        .arg(directory.join("spool"))
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn terminate(agent: &Child) {
    let pid = Pid::from_raw(agent.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

#[tokio::test]
async fn an_init_starts_the_program_and_ends_it_with_its_payloads() {
    let mut bench = Bench::new().await;
    let directory = tempfile::tempdir().unwrap();
    let mut agent = program(&bench, directory.path());
    let mut session = bench.controller.welcomed().await;
    session.send(ToAgent::StartRun(shell(1, "echo $$; sleep 1000 & echo $!; wait"))).await;
    let numbers = numbers(&mut session, &mut Stored::default(), 2).await;
    let payload: Vec<_> = numbers.into_iter().map(Watched::new).collect();
    terminate(&agent);
    assert!(agent.wait().await.unwrap().success());
    for process in payload {
        process.ended().await;
    }
}

#[tokio::test]
async fn a_program_that_the_controller_is_done_with_waits_for_its_end() {
    let mut bench = Bench::new().await;
    let directory = tempfile::tempdir().unwrap();
    let mut agent = program(&bench, directory.path());
    let mut log = BufReader::new(agent.stderr.take().unwrap()).lines();
    let session = bench.controller.session().await;
    session.refuse(Status::permission_denied("the lease is over")).await;
    while !log.next_line().await.unwrap().unwrap().contains("ends: Fenced") {}
    terminate(&agent);
    // It would not say so if it had been gone by itself.
    assert!(log.next_line().await.unwrap().is_some_and(|line| line.contains("terminated")));
    assert!(agent.wait().await.unwrap().success());
}
