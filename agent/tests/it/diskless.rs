//! Deploying a system that is in memory only.

use crate::support::bench::{Bench, hex, task};
use crate::support::machine::HOST_KEY;
use crate::support::web::Answer;
use hostler_agent::Exit;
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::task::Task as Kind;
use hostler_proto::agent::v1::{BootDeployedTask, DeployDisklessTask};
use std::sync::atomic::Ordering;

const KERNEL: usize = 300_001;

fn image() -> Vec<u8> {
    (0..700_001_u32).map(|n| (n % 251) as u8 + 1).collect()
}

fn deploy(url: String, image: &[u8]) -> DeployDisklessTask {
    DeployDisklessTask {
        url,
        sha256: hex(image),
        size_bytes: image.len() as u64,
        kernel_bytes: KERNEL as u64,
        arguments: "quiet".into(),
        hostname: "node-1".into(),
        ssh_keys: vec!["ssh-ed25519 AAAA ci".into()],
        ..DeployDisklessTask::default()
    }
}

async fn bench() -> Bench {
    let bench = Bench::new().await;
    bench.machine.add_disk("disk", 8 << 20, false);
    bench
}

#[tokio::test]
async fn kernel_and_ramdisk_are_kept_in_memory_and_no_disk_is_opened() {
    let mut bench = bench().await;
    let image = image();
    // The second half of the first transfer is not taken for what comes in the second.
    let answers = [Answer::announcing(image.len(), &image[..500_000]), Answer::file(image.clone())];
    let url = bench.web.put("/image", answers);
    let (agent, mut session) = bench.ramdisk_session().await;
    session.send(task(1, Kind::DeployDiskless(deploy(url, &image)))).await;
    bench.sign(&mut session).await;
    let FromAgent::Deployed(deployed) = session.next().await else { panic!("not deployed") };
    assert_eq!((deployed.task_id, deployed.size_bytes, deployed.sha256), (1, 700_001, hex(&image)));
    assert_eq!(deployed.ssh_host_keys, [HOST_KEY]);
    let (kernel, ramdisk, arguments) = bench.machine.diskless.lock().unwrap().take().unwrap();
    assert!(kernel == image[..KERNEL] && ramdisk == image[KERNEL..]);
    assert_eq!(arguments, "quiet");
    assert_eq!(*bench.machine.opened.lock().unwrap(), Vec::<String>::new());
    let identity = bench.machine.installed.lock().unwrap().clone().unwrap();
    assert_eq!((identity.hostname.as_str(), identity.ssh_keys.len()), ("node-1", 1));
    session.send(task(2, Kind::BootDeployed(BootDeployedTask::default()))).await;
    assert_eq!(agent.ended().await.unwrap(), Exit::StartDeployed);
}

#[tokio::test]
async fn what_is_not_as_announced_or_does_not_fit_is_the_fault_of_the_image() {
    let mut bench = bench().await;
    let good = image();
    let mut other = good.clone();
    other[KERNEL + 5] ^= 1;
    let url = |path: &str, answer: Answer| bench.web.put(path, [answer]);
    let cases = [
        (deploy(url("/other", Answer::file(other)), &good), "has the SHA-256 "),
        (deploy(url("/short", Answer::file(&good[..100])), &good), "has 100 bytes, not 700001 as announced"),
        (
            DeployDisklessTask { size_bytes: 400 << 20, ..deploy("http://127.0.0.1:1/".into(), &good) },
            "of 419430400 bytes take 1258291200 bytes of memory until they run, and there are 1073741824",
        ),
    ];
    let (_agent, mut session) = bench.ramdisk_session().await;
    for (id, (deploy, expected)) in cases.into_iter().enumerate() {
        session.send(task(id as u64, Kind::DeployDiskless(deploy))).await;
        let FromAgent::StepFailed(failed) = session.next().await else { panic!("{expected}: no failure") };
        assert!(failed.reason.contains(expected), "{}: {expected}", failed.reason);
        assert!(failed.image_fault, "{expected}");
    }
    assert!(bench.machine.diskless.lock().unwrap().is_none());
}

#[tokio::test]
async fn it_is_not_started_after_a_wipe() {
    let mut bench = bench().await;
    let good = image();
    bench.machine.memory_available_bytes.store(3 * good.len() as u64, Ordering::Relaxed);
    let url = bench.web.put("/image", [Answer::file(good.clone())]);
    let (_agent, mut session) = bench.ramdisk_session().await;
    session.send(task(1, Kind::DeployDiskless(deploy(url, &good)))).await;
    bench.sign(&mut session).await;
    assert!(matches!(session.next().await, FromAgent::Deployed(_)));
    session.send(task(2, Kind::Wipe(bench.machine.wipe()))).await;
    assert!(matches!(session.next().await, FromAgent::Wiped(_)));
    session.send(task(3, Kind::BootDeployed(BootDeployedTask::default()))).await;
    assert!(matches!(session.next().await, FromAgent::StepFailed(_)));
}
