//! Deploying an image and starting it.

use crate::support::bench::{Bench, hex, shell, task};
use crate::support::machine::HOST_KEY;
use crate::support::web::Answer;
use flate2::Compression;
use flate2::write::GzEncoder;
use hostler_agent::{Exit, run_deployed};
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::controller_message::Message as ToAgent;
use hostler_proto::agent::v1::task::Task as Kind;
use hostler_proto::agent::v1::{BootDeployedTask, DeployTask, InspectTask, Signed};
use std::io::Write as _;

/// Not a whole number of pieces, and no byte like its neighbour.
fn image() -> Vec<u8> {
    (0..2_500_001_u32).map(|n| (n % 251) as u8 + 1).collect()
}

fn deploy(url: String, image: &[u8]) -> DeployTask {
    DeployTask {
        url,
        sha256: hex(image),
        size_bytes: image.len() as u64,
        hostname: "node-1".into(),
        keep_disks: vec!["keep".into()],
        ..DeployTask::default()
    }
}

/// Told to an agent whose inspection found the disks that there are now.
fn order(bench: &Bench, id: u64, deploy: DeployTask) -> ToAgent {
    task(id, Kind::Deploy(DeployTask { inspected: bench.machine.inspected(), ..deploy }))
}

fn gzip(image: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(image).unwrap();
    encoder.finish().unwrap()
}

/// A task that says that the image has so many bytes more than it has.
fn encoded(url: String, image: &[u8], more: i64) -> DeployTask {
    DeployTask {
        encoding: "gzip".into(),
        disk_bytes: (image.len() as u64).strict_add_signed(more),
        ..deploy(url, &gzip(image))
    }
}

async fn bench() -> Bench {
    let bench = Bench::new().await;
    for (serial, size, remote) in [
        ("far", 8 << 20, true),
        ("keep", 8 << 20, false),
        ("small", 1 << 20, false),
        ("disk", 8 << 20, false),
    ] {
        bench.machine.add_disk(serial, size, remote);
    }
    bench
}

#[tokio::test]
async fn an_image_is_written_its_agent_gets_an_identity_and_is_started() {
    let mut bench = bench().await;
    let image = image();
    let url = bench.web.put("/image", [Answer::file(image.clone())]);
    let (agent, mut session) = bench.ramdisk_session().await;
    let keys = vec!["ssh-ed25519 AAAA ci".to_owned()];
    let deploy = DeployTask { ssh_keys: keys.clone(), ..deploy(url, &image) };
    session.send(order(&bench, 1, deploy)).await;
    bench.sign(&mut session).await;
    let FromAgent::Deployed(deployed) = session.next().await else { panic!("not deployed") };
    assert_eq!((deployed.task_id, deployed.size_bytes, deployed.sha256), (1, 2_500_001, hex(&image)));
    assert_eq!(deployed.ssh_host_keys, [HOST_KEY]);
    assert_eq!(*bench.machine.installed_on.lock().unwrap(), "disk");
    assert_eq!(bench.machine.read("disk", 0, image.len()), image);
    for (serial, size) in [("far", 8 << 20), ("keep", 8 << 20), ("small", 1 << 20)] {
        assert!(bench.machine.read(serial, 0, size).iter().all(|&byte| byte == 0), "{serial}");
    }
    session.send(task(2, Kind::BootDeployed(BootDeployedTask::default()))).await;
    assert_eq!(agent.ended().await.unwrap(), Exit::StartDeployed);

    let identity = bench.machine.installed.lock().unwrap().clone().unwrap();
    assert_eq!((identity.hostname.as_str(), identity.node.as_str(), identity.epoch), ("node-1", "n1", 1));
    assert_eq!(identity.ssh_keys, keys);
    assert_eq!(*bench.machine.restarted.lock().unwrap(), Some(false));
    let agent = run_deployed(bench.machine.clone(), identity);
    let use_it = async {
        let mut session = bench.controller.welcomed().await;
        session.run(shell(1, "echo deployed")).await
    };
    tokio::select! {
        ended = agent => panic!("{ended:?}"),
        stored = use_it => assert_eq!(stored.text(), "deployed\n"),
    }
}

/// The firmware might start what is on it, and the tenant could read it.
#[tokio::test]
async fn nothing_is_deployed_beside_a_disk_that_appeared_after_the_inspection() {
    let mut bench = bench().await;
    let image = image();
    let url = bench.web.put("/image", [Answer::file(image.clone())]);
    let order = order(&bench, 1, deploy(url, &image));
    bench.machine.add_disk("late", 8 << 20, false);
    let (_agent, mut session) = bench.ramdisk_session().await;
    session.send(order).await;
    let FromAgent::StepFailed(failed) = session.next().await else { panic!("no failure") };
    let told = "(serial \"late\", 8388608 bytes) appeared after the inspection, so nothing was written";
    assert!(failed.reason.ends_with(told) && !failed.image_fault, "{}", failed.reason);
    assert_eq!(*bench.machine.opened.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_to_sign_is_repeated_on_the_next_link_and_a_certificate_for_another_key_passed_over() {
    let mut bench = bench().await;
    let image = image();
    let url = bench.web.put("/image", [Answer::file(image.clone())]);
    let (_agent, mut session) = bench.ramdisk_session().await;
    session.send(order(&bench, 1, deploy(url, &image))).await;
    let FromAgent::SignRequest(first) = session.next().await else { panic!("no request") };
    drop(session);
    let mut session = bench.controller.welcomed().await;
    let FromAgent::SignRequest(again) = session.next().await else { panic!("no request") };
    assert_eq!(first, again);
    let certificate_chain = bench.identity().certificate_chain;
    session.send(ToAgent::Signed(Signed { certificate_chain })).await;
    bench.sign(&mut session).await;
    assert!(matches!(session.next().await, FromAgent::Deployed(_)));
}

#[tokio::test]
async fn images_that_are_not_what_was_announced_do_not_count() {
    let mut bench = bench().await;
    let good = image();
    let mut other = good.clone();
    other[2_000_000] ^= 1;
    let huge = DeployTask { size_bytes: 1 << 40, ..deploy("http://127.0.0.1:1/".into(), &good) };
    let url = |path: &str, answer: Answer| bench.web.put(path, [answer]);
    let missing = Answer::status("404 Not Found");
    let moved = Answer::status("302 Found\r\nLocation: /image");
    let cases = [
        (deploy(url("/other", Answer::file(other)), &good), "has the SHA-256 "),
        (
            deploy(url("/short", Answer::file(&good[..100])), &good),
            "has 100 bytes, not 2500001 as announced in the task",
        ),
        (
            deploy(url("/long", Answer::unannounced([&good[..], b"x"].concat())), &good),
            "goes on after 2500001 bytes",
        ),
        (deploy(url("/missing", missing), &good), "answered 404 Not Found"),
        (deploy(url("/moved", moved), &good), "answered 302 Found"),
        (
            deploy("https://127.0.0.1/".into(), &good),
            "the image's address makes no sense: \"https://127.0.0.1/\" does",
        ),
        (deploy("http://image.example/".into(), &good), "is not an IP address"),
        (
            DeployTask { sha256: "abc".into(), ..deploy("http://127.0.0.1:1/".into(), &good) },
            "is not 64 hexadecimal",
        ),
        (
            DeployTask { encoding: "xz".into(), ..deploy("http://127.0.0.1:1/".into(), &good) },
            "this agent knows no encoding \"xz\", only",
        ),
        (
            DeployTask {
                encoding: "zstd".into(),
                ..deploy(url("/plain", Answer::file(good.clone())), &good)
            },
            "is not zstd as announced in the task, or damaged: after ",
        ),
        (encoded(url("/less", Answer::file(gzip(&good))), &good, 1), "decodes to 2500001 bytes, not 2500002"),
        (
            encoded(url("/more", Answer::file(gzip(&good))), &good, -1),
            "decodes to more than the 2500000 bytes that the task announces",
        ),
        (
            DeployTask { disk_bytes: 1 << 40, ..deploy("http://127.0.0.1:1/".into(), &good) },
            "no disk can take an image of 1099511627776 bytes: ",
        ),
        (huge, "no disk can take an image of 1099511627776 bytes: "),
    ];
    let (_agent, mut session) = bench.ramdisk_session().await;
    for (id, (deploy, expected)) in cases.into_iter().enumerate() {
        session.send(order(&bench, id as u64, deploy)).await;
        let FromAgent::StepFailed(failed) = session.next().await else { panic!("{expected}: no failure") };
        assert!(failed.reason.contains(expected), "{}: {expected}", failed.reason);
    }
    assert!(bench.machine.installed.lock().unwrap().is_none());
    // Most of them were written in part, but nothing that a machine could boot from.
    assert_eq!(bench.machine.read("disk", 0, 1 << 20), vec![0; 1 << 20]);
    session.send(task(100, Kind::BootDeployed(BootDeployedTask::default()))).await;
    let FromAgent::StepFailed(failed) = session.next().await else { panic!("started") };
    assert_eq!(failed.reason, "nothing was deployed in this boot, so there is nothing to start");
}

#[tokio::test]
async fn an_encoded_image_is_decoded_on_its_way() {
    let mut bench = bench().await;
    let image = image();
    let gzip = ("gzip", gzip(&image));
    let zstd = ("zstd", zstd::bulk::compress(&image, 1).unwrap());
    let (agent, mut session) = bench.ramdisk_session().await;
    for (id, (encoding, data)) in (1..).zip([gzip, zstd]) {
        bench.machine.soil("disk", 0, &[0xff; 3 << 20]);
        let url = bench.web.put("/image", [Answer::file(data.clone())]);
        let task_of = deploy(url, &data);
        let deploy = DeployTask { encoding: encoding.into(), disk_bytes: image.len() as u64, ..task_of };
        session.send(order(&bench, id, deploy)).await;
        bench.sign(&mut session).await;
        let FromAgent::Deployed(deployed) = session.next().await else { panic!("not deployed") };
        assert_eq!((deployed.size_bytes, deployed.sha256), (data.len() as u64, hex(&data)));
        assert_eq!(bench.machine.read("disk", 0, image.len()), image);
    }
    session.send(task(9, Kind::BootDeployed(BootDeployedTask { restart: true }))).await;
    assert_eq!(agent.ended().await.unwrap(), Exit::StartDeployed);
    assert_eq!(*bench.machine.restarted.lock().unwrap(), Some(true));
}

#[tokio::test]
async fn a_transfer_that_breaks_off_is_begun_anew() {
    let mut bench = bench().await;
    let good = image();
    let answers = [
        Answer::status("503 Service Unavailable"),
        Answer::announcing(good.len(), &good[..1_500_000]),
        Answer::unannounced(&good[..2_000_000]),
        Answer::unannounced(good.clone()),
    ];
    let url = bench.web.put("/image", answers);
    let (_agent, mut session) = bench.ramdisk_session().await;
    session.send(order(&bench, 1, deploy(url, &good))).await;
    bench.sign(&mut session).await;
    assert!(matches!(session.next().await, FromAgent::Deployed(_)));
    assert_eq!(bench.machine.read("disk", 0, good.len()), good);
}

#[tokio::test]
async fn a_newer_task_replaces_one_that_hangs() {
    let mut bench = bench().await;
    let good = image();
    let url = bench.web.put("/image", [Answer::announcing(good.len(), &good[..1000]).stalls()]);
    let (_agent, mut session) = bench.ramdisk_session().await;
    session.send(order(&bench, 1, deploy(url.clone(), &good))).await;
    session.send(order(&bench, 1, deploy(url, &good))).await;
    loop {
        if let Some(FromAgent::Progress(progress)) = session.any().await
            && progress.done_bytes > 0
        {
            assert_eq!((progress.task_id, progress.done_bytes, progress.total_bytes), (1, 1000, 2_500_001));
            break;
        }
    }
    session.send(task(2, Kind::Inspect(InspectTask {}))).await;
    let FromAgent::Inspected(inspected) = session.next().await else { panic!("not inspected") };
    assert_eq!(inspected.task_id, 2);
}

#[tokio::test]
async fn what_was_deployed_is_not_started_after_a_wipe() {
    let mut bench = bench().await;
    let good = image();
    let url = bench.web.put("/image", [Answer::file(good.clone())]);
    let (_agent, mut session) = bench.ramdisk_session().await;
    session.send(order(&bench, 1, deploy(url, &good))).await;
    bench.sign(&mut session).await;
    assert!(matches!(session.next().await, FromAgent::Deployed(_)));
    session.send(task(2, Kind::Wipe(bench.machine.wipe()))).await;
    assert!(matches!(session.next().await, FromAgent::Wiped(_)));
    session.send(task(3, Kind::BootDeployed(BootDeployedTask::default()))).await;
    assert!(matches!(session.next().await, FromAgent::StepFailed(_)));
}
