//! Burning a machine in whose disks are files.

use crate::support::bench::{Bench, task};
use crate::support::faulty::{Behaviour, Does};
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::task::Task as Kind;
use hostler_proto::agent::v1::{ProofCheck, ProveTask};

/// What a burn-in finds on a machine with one disk that behaves like this, another to be kept, and one of the network.
async fn proved(behaviour: Behaviour, soiled: bool) -> Vec<ProofCheck> {
    let mut bench = Bench::new().await;
    for (serial, remote) in [("one", false), ("keep", false), ("far", true)] {
        bench.machine.add_disk(serial, 64 << 20, remote);
    }
    bench.machine.soil("keep", 4096, b"a tenant's");
    if soiled {
        bench.machine.soil("one", 4096, b"a tenant's");
    }
    bench.machine.behaviours.lock().unwrap().insert("one".into(), behaviour);
    let (_agent, mut session) = bench.ramdisk_session().await;
    let keep_disks = vec!["keep".to_owned()];
    session.send(task(3, Kind::Prove(ProveTask { keep_disks }))).await;
    match session.next().await {
        FromAgent::Proved(proved) => {
            assert_eq!(proved.task_id, 3);
            proved.checks
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_machine_is_tried_in_all_its_parts() {
    let checks = proved(Behaviour::default(), false).await;
    let found: Vec<_> = checks.iter().map(|c| (c.part.as_str(), c.passed, c.detail.as_str())).collect();
    let [memory, processors, (part, passed, detail)] = found[..] else { panic!("{found:?}") };
    assert_eq!(memory, ("memory", true, "1 MiB written and read in two patterns"));
    assert_eq!(processors, ("processors", true, "2 at once for 0 s, 8192 digests"));
    assert_eq!((part, passed), ("disks", true));
    assert!(detail.ends_with("MiB of 1 disks read"), "{detail}");
}

#[tokio::test]
async fn a_disk_that_cannot_be_read_or_is_not_as_it_was_wiped_fails() {
    let unreadable = Behaviour { read_end: Does::Fail, ..Behaviour::default() };
    for (behaviour, soiled, problem) in
        [(unreadable, false, "cannot read at"), (Behaviour::default(), true, "the byte at 4096 is not zero")]
    {
        let checks = proved(behaviour, soiled).await;
        assert!(!checks[2].passed && checks[2].detail.contains(problem), "{checks:?}");
    }
}
