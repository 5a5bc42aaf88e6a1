//! Images that are written before anybody asks for them.

use crate::support::bench::{Bench, hex, task};
use crate::support::controller::Session;
use crate::support::faulty::{Behaviour, Does};
use crate::support::web::Answer;
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::task::Task as Kind;
use hostler_proto::agent::v1::{DeployDisklessTask, DeployTask, InspectTask};

const DISK: usize = 8 << 20;

/// Without a zero, and not a whole number of pieces.
fn image(of: u8, size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 31) as u8 + of).collect()
}

/// A small disk, and the one on which larger images go.
async fn bench() -> Bench {
    let bench = Bench::new().await;
    bench.machine.add_disk("small", 2 << 20, false);
    bench.machine.add_disk("disk", DISK as u64, false);
    bench
}

/// An image that is served as `answers`, and the task that makes it this machine's system.
fn served(bench: &Bench, path: &str, image: &[u8], answers: impl Into<Vec<Answer>>) -> DeployTask {
    DeployTask {
        url: bench.web.put(path, answers),
        sha256: hex(image),
        size_bytes: image.len() as u64,
        hostname: "node-1".into(),
        inspected: bench.machine.inspected(),
        ..DeployTask::default()
    }
}

/// That is served once: whoever fetches it again gets something else.
fn served_once(bench: &Bench, path: &str, image: &[u8]) -> DeployTask {
    served(bench, path, image, [Answer::file(image), Answer::status("410 Gone")])
}

/// The machine is wiped by this agent, which knows from then on what is on its disks.
async fn wiped(bench: &Bench, session: &mut Session, id: u64) {
    session.send(task(id, Kind::Wipe(bench.machine.wipe()))).await;
    assert!(matches!(session.next().await, FromAgent::Wiped(_)));
}

async fn written(session: &mut Session, id: u64, deploy: &DeployTask) {
    let ahead = DeployTask { hostname: String::new(), ..deploy.clone() };
    session.send(task(id, Kind::WriteAhead(ahead))).await;
    let FromAgent::WrittenAhead(written) = session.next().await else { panic!("not written") };
    assert_eq!(
        (written.task_id, written.sha256, written.size_bytes),
        (id, deploy.sha256.clone(), deploy.size_bytes)
    );
}

/// The machine is looked at, as before every lease, and then deployed.
async fn deployed(bench: &Bench, session: &mut Session, id: u64, deploy: DeployTask) {
    session.send(task(id, Kind::Inspect(InspectTask {}))).await;
    assert!(matches!(session.next().await, FromAgent::Inspected(_)));
    let sha256 = deploy.sha256.clone();
    session.send(task(id + 1, Kind::Deploy(deploy))).await;
    bench.sign(session).await;
    let FromAgent::Deployed(deployed) = session.next().await else { panic!("not deployed") };
    assert_eq!(deployed.sha256, sha256);
}

/// What is on the disks: on the one nothing, on the other this and nothing behind it.
#[track_caller]
fn has(bench: &Bench, serial: &str, image: &[u8]) {
    for (disk, size) in [("small", 2 << 20), ("disk", DISK)] {
        let expected = if disk == serial { image } else { &[] };
        let found = bench.machine.read(disk, 0, size);
        assert!(found[..expected.len()] == *expected, "{disk} has something else");
        let first = found[expected.len()..].iter().position(|&byte| byte != 0);
        assert_eq!(first, None, "of {disk}, behind {} bytes", expected.len());
    }
}

#[tokio::test]
async fn a_deployment_of_what_was_written_ahead_fetches_nothing() {
    let mut bench = bench().await;
    let image = image(1, 2_500_001);
    let deploy = served_once(&bench, "/image", &image);
    let (_agent, mut session) = bench.ramdisk_session().await;
    wiped(&bench, &mut session, 1).await;
    written(&mut session, 2, &deploy).await;
    has(&bench, "disk", &image);
    assert!(bench.machine.installed.lock().unwrap().is_none(), "it has no name yet");
    drop(session);
    let mut session = bench.controller.welcomed().await;
    assert!(matches!(session.next().await, FromAgent::WrittenAhead(_)), "it may not have arrived");
    deployed(&bench, &mut session, 3, deploy).await;
    assert_eq!(*bench.machine.installed_on.lock().unwrap(), "disk");
    assert_eq!(bench.machine.installed.lock().unwrap().as_ref().unwrap().hostname, "node-1");
    has(&bench, "disk", &image);
}

#[tokio::test]
async fn of_an_image_that_another_lease_does_not_want_nothing_is_left() {
    let mut bench = bench().await;
    let (large, small) = (image(1, 5_000_003), image(100, 2_500_001));
    let (other, tiny) = (image(70, 3_000_001), image(90, 100_001));
    let (_agent, mut session) = bench.ramdisk_session().await;
    for (n, (path, next, serial)) in
        [("/small", &small, "disk"), ("/other", &other, "disk"), ("/tiny", &tiny, "small")]
            .into_iter()
            .enumerate()
    {
        wiped(&bench, &mut session, 10 * n as u64 + 1).await;
        let ahead = served_once(&bench, "/large", &large);
        written(&mut session, 10 * n as u64 + 2, &ahead).await;
        let deploy = served_once(&bench, path, next);
        deployed(&bench, &mut session, 10 * n as u64 + 3, deploy).await;
        has(&bench, serial, next);
    }
    // The same with another that is written ahead before.
    wiped(&bench, &mut session, 101).await;
    let ahead = served_once(&bench, "/large", &large);
    written(&mut session, 102, &ahead).await;
    let ahead = served_once(&bench, "/small", &small);
    written(&mut session, 103, &ahead).await;
    has(&bench, "disk", &small);
    deployed(&bench, &mut session, 104, ahead).await;
    has(&bench, "disk", &small);
}

#[tokio::test]
async fn a_system_in_memory_leaves_nothing_on_the_disks_either() {
    let mut bench = bench().await;
    let ahead = image(1, 2_500_001);
    let system = image(50, 300_001);
    let (_agent, mut session) = bench.ramdisk_session().await;
    wiped(&bench, &mut session, 1).await;
    let order = served_once(&bench, "/image", &ahead);
    written(&mut session, 2, &order).await;
    let deploy = DeployDisklessTask {
        url: bench.web.put("/system", [Answer::file(system.clone())]),
        sha256: hex(&system),
        size_bytes: system.len() as u64,
        kernel_bytes: 100_000,
        inspected: bench.machine.inspected(),
        ..DeployDisklessTask::default()
    };
    session.send(task(3, Kind::DeployDiskless(deploy))).await;
    bench.sign(&mut session).await;
    assert!(matches!(session.next().await, FromAgent::Deployed(_)));
    has(&bench, "disk", &[]);
}

/// The machine has booted again since the image was written: this agent has seen nothing of it.
#[tokio::test]
async fn another_agent_believes_nobody_that_an_image_is_there_and_clears_what_it_is_told() {
    let mut bench = bench().await;
    let (old, next) = (image(1, 5_000_003), image(100, 2_500_001));
    bench.machine.soil("disk", 0, &old);
    bench.machine.soil("small", 0, &old[..2 << 20]);
    let (_agent, mut session) = bench.ramdisk_session().await;
    let deploy = served(&bench, "/next", &next, [Answer::file(next.clone())]);
    let deploy = DeployTask { clear_bytes: 5_000_003, ..deploy };
    deployed(&bench, &mut session, 2, deploy).await;
    has(&bench, "disk", &next);
}

/// A lease takes the machine meanwhile: what was begun is given up, whatever image it is.
#[tokio::test]
async fn what_is_half_written_when_the_machine_is_taken_does_not_count() {
    let mut bench = bench().await;
    let (large, small) = (image(1, 5_000_003), image(100, 2_500_001));
    let (_agent, mut session) = bench.ramdisk_session().await;
    for (n, next) in [&large, &small].into_iter().enumerate() {
        wiped(&bench, &mut session, 10 * n as u64 + 1).await;
        let half = Answer::announcing(large.len(), &large[..4_000_000]).stalls();
        let ahead = served(&bench, "/large", &large, [half, Answer::file(large.clone())]);
        session.send(task(10 * n as u64 + 2, Kind::WriteAhead(ahead))).await;
        until_written(&mut session, 4_000_000).await;
        let deploy = match next.len() {
            5_000_003 => served(&bench, "/large", &large, [Answer::file(large.clone())]),
            _ => served_once(&bench, "/small", &small),
        };
        deployed(&bench, &mut session, 10 * n as u64 + 3, deploy).await;
        has(&bench, "disk", next);
    }
}

async fn until_written(session: &mut Session, bytes: u64) {
    loop {
        match session.any().await {
            Some(FromAgent::Progress(progress)) if progress.done_bytes >= bytes => return,
            Some(_) => {}
            None => panic!("the agent hung up"),
        }
    }
}

#[tokio::test]
async fn an_image_that_is_not_what_was_announced_is_told_and_not_kept() {
    let mut bench = bench().await;
    let good = image(1, 2_500_001);
    let mut other = good.clone();
    other[2_000_000] ^= 0xff;
    let (_agent, mut session) = bench.ramdisk_session().await;
    wiped(&bench, &mut session, 1).await;
    let order = served(&bench, "/image", &good, [Answer::file(other), Answer::file(good.clone())]);
    session.send(task(2, Kind::WriteAhead(order.clone()))).await;
    let FromAgent::StepFailed(failed) = session.next().await else { panic!("no failure") };
    assert!(failed.reason.contains("has the SHA-256 ") && failed.image_fault, "{}", failed.reason);
    has(&bench, "disk", &[]);
    deployed(&bench, &mut session, 3, order).await;
    has(&bench, "disk", &good);
}

#[tokio::test]
async fn zeros_are_put_by_the_way_that_works_and_where_none_does_the_machine_is_at_fault() {
    let mut bench = bench().await;
    let (large, small) = (image(1, DISK), image(100, 2_500_001));
    let (_agent, mut session) = bench.ramdisk_session().await;
    for (n, overwrite) in [Does::It, Does::Fail].into_iter().enumerate() {
        let id = 10 * n as u64;
        bench.machine.behaviours.lock().unwrap().clear();
        wiped(&bench, &mut session, id + 1).await;
        written(&mut session, id + 2, &served_once(&bench, "/large", &large)).await;
        let lies = Behaviour {
            discard: Does::Nothing,
            write_zeroes: Does::Refuse,
            overwrite,
            ..Behaviour::default()
        };
        bench.machine.behaviours.lock().unwrap().insert("disk".into(), lies);
        let deploy = served_once(&bench, "/small", &small);
        if overwrite == Does::It {
            deployed(&bench, &mut session, id + 3, deploy).await;
            has(&bench, "disk", &small);
            continue;
        }
        session.send(task(id + 3, Kind::Deploy(deploy))).await;
        let FromAgent::StepFailed(failed) = session.next().await else { panic!("no failure") };
        let told =
            (failed.reason.starts_with("cannot put to zero what was written ahead to "), failed.image_fault);
        assert_eq!(told, (true, false), "{}", failed.reason);
    }
}
