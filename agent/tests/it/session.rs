//! The session: reconnects, leaders, fences.

use crate::support::bench::{Bench, shell, task};
use hostler_agent::Exit;
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::controller_message::Message as ToAgent;
use hostler_proto::agent::v1::task::Task as Kind;
use hostler_proto::agent::v1::{InspectTask, Inspected, StartRun, StopRun, Task};
use tonic::Status;

fn inspected(message: FromAgent) -> Inspected {
    match message {
        FromAgent::Inspected(inspected) => inspected,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn inspection_tells_what_the_machine_is() {
    let mut bench = Bench::new().await;
    bench.machine.add_disk("blank", 64 << 20, false);
    bench.machine.add_disk("used", 64 << 20, false);
    bench.machine.add_disk("far", 1 << 20, true);
    // The last byte of a disk is where RAID labels are.
    bench.machine.soil("used", (64 << 20) - 1, b"x");
    let (_agent, mut session) = bench.ramdisk_session().await;
    session.send(task(7, Kind::Inspect(InspectTask {}))).await;
    let report = inspected(session.next().await);
    assert_eq!(report.task_id, 7);
    let inventory = report.inventory.unwrap();
    assert_eq!((inventory.serial.as_str(), inventory.nics[0].mac.as_str()), ("SN-1", "52:54:00:12:34:56"));
    let disks: Vec<_> =
        inventory.disks.iter().map(|d| (d.serial.as_str(), d.size_bytes, d.blank, d.remote)).collect();
    assert_eq!(
        disks,
        [("blank", 64 << 20, true, false), ("used", 64 << 20, false, false), ("far", 1 << 20, true, true)]
    );
}

#[tokio::test]
async fn heartbeats_tell_the_load() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    let Some(FromAgent::Heartbeat(beat)) = session.any().await else { panic!("no heartbeat") };
    assert_eq!((beat.memory_available_bytes, beat.uptime_s), (1 << 30, 60));
}

#[tokio::test]
async fn a_task_that_was_done_is_reported_again_and_not_repeated() {
    let mut bench = Bench::new().await;
    bench.machine.add_disk("disk", 1 << 20, false);
    let (_agent, mut session) = bench.ramdisk_session().await;
    session.send(task(7, Kind::Inspect(InspectTask {}))).await;
    let first = inspected(session.next().await);
    session.send(task(7, Kind::Inspect(InspectTask {}))).await;
    assert_eq!(inspected(session.next().await), first);
    drop(session);
    // A new link tells it unasked, and again when asked.
    let mut session = bench.controller.welcomed().await;
    assert_eq!(inspected(session.next().await), first);
    session.send(task(7, Kind::Inspect(InspectTask {}))).await;
    assert_eq!(inspected(session.next().await), first);
    assert_eq!(bench.machine.opened.lock().unwrap().len(), 1);
    session.send(task(8, Kind::Inspect(InspectTask {}))).await;
    assert_eq!(inspected(session.next().await).task_id, 8);
    assert_eq!(bench.machine.opened.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn invariant_4_a_controller_that_was_replaced_is_not_obeyed() {
    let mut bench = Bench::new().await;
    let agent = bench.ramdisk();
    let mut session = bench.controller.session().await;
    session.welcome(5).await;
    session.send(ToAgent::Task(Task { id: 1, epoch: 4, task: Some(Kind::Inspect(InspectTask {})) })).await;
    session.send(ToAgent::Task(Task { id: 2, epoch: 5, task: Some(Kind::Inspect(InspectTask {})) })).await;
    assert_eq!(inspected(session.next().await).task_id, 2);
    drop(session);
    // The old leader answers the reconnect: the agent hangs up and tries again.
    let mut old = bench.controller.session().await;
    old.welcome(4).await;
    assert!(old.maybe().await.is_none());
    let mut new = bench.controller.session().await;
    new.welcome(6).await;
    assert_eq!(inspected(new.next().await).task_id, 2);
    drop(agent);
}

#[tokio::test]
async fn invariant_4_a_run_of_a_controller_that_was_replaced_does_not_start_or_stop() {
    let mut bench = Bench::new().await;
    let _agent = bench.deployed();
    let mut session = bench.controller.session().await;
    session.welcome(3).await;
    session.send(ToAgent::StartRun(StartRun { epoch: 2, ..shell(1, "echo no") })).await;
    session.send(ToAgent::StartRun(StartRun { epoch: 3, ..shell(2, "read line; echo $line") })).await;
    session.send(ToAgent::StopRun(StopRun { run_id: 2, epoch: 2, reason: "no".into() })).await;
    let stored = session.follow().await;
    assert_eq!((stored.result().run_id, stored.text(), stored.result().killed.as_str()), (2, "\n", ""));
    assert!(!bench.machine.work(1).exists());
}

#[tokio::test]
async fn invariant_4_an_identity_is_of_an_epoch_and_obeys_none_before_it() {
    let mut bench = Bench::new().await;
    let _agent = bench.deployed();
    let mut old = bench.controller.session().await;
    old.welcome(0).await;
    assert!(old.maybe().await.is_none());
}

#[tokio::test]
async fn a_fenced_agent_stops_for_good() {
    let mut bench = Bench::new().await;
    let fenced = |reason: &str| Exit::Fenced { reason: reason.to_owned() };
    // Before Welcome.
    let agent = bench.ramdisk();
    let session = bench.controller.session().await;
    session.refuse(Status::permission_denied("boot 1 is over: a newer one was ordered")).await;
    assert_eq!(agent.ended().await.unwrap(), fenced("boot 1 is over: a newer one was ordered"));
    // In the middle of a session.
    let (agent, session) = bench.deployed_session().await;
    session.refuse(Status::permission_denied("the lease is over")).await;
    assert_eq!(agent.ended().await.unwrap(), fenced("the lease is over"));
}

#[tokio::test]
async fn any_other_end_of_a_session_is_followed_by_the_next() {
    let mut bench = Bench::new().await;
    let agent = bench.ramdisk();
    for status in [Status::failed_precondition("which protocol?"), Status::unavailable("stopping")] {
        bench.controller.session().await.refuse(status).await;
    }
    drop(bench.controller.session().await);
    let session = bench.controller.welcomed().await;
    session.refuse(Status::internal("a hiccup")).await;
    let _session = bench.controller.welcomed().await;
    drop(agent);
}

#[tokio::test]
async fn a_ramdisk_runs_no_payload_and_a_deployed_system_wipes_nothing() {
    let mut bench = Bench::new().await;
    bench.machine.add_disk("disk", 1 << 20, false);
    let (_agent, mut session) = bench.ramdisk_session().await;
    session.send(ToAgent::StartRun(shell(1, "echo no"))).await;
    session.send(task(1, Kind::Inspect(InspectTask {}))).await;
    inspected(session.next().await);
    assert!(!bench.machine.work(1).exists());

    let opened = bench.machine.opened.lock().unwrap().len();
    let (_agent, mut session) = bench.deployed_session().await;
    session.send(task(2, Kind::Wipe(Default::default()))).await;
    session.run(shell(1, "true")).await;
    assert_eq!(bench.machine.opened.lock().unwrap().len(), opened);
}
