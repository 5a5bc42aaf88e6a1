//! What one tenant leaves on a disk, the next one does not find.

use hostler_e2e::stage::{Setup, Stage, is_held, is_ready};
use hostler_fleet::host::{Erase, Faults};
use serde_json::Value;

const PATTERN: &[u8] = b"secret-of-tenant-one";

/// Leases a machine and writes all over its disk, as root may.
async fn soil(stage: &Stage, nodes: &str) -> anyhow::Result<Value> {
    let lease = stage.ci.lease(nodes).await?;
    let file = stage.directory().join("soil.sh");
    let script = "for disk in $HOSTLER_DISKS; do for seek in 0 77 4096 9999; do\n\
                  yes secret-of-tenant-one | dd of=$disk bs=64K count=8 seek=$seek iflag=fullblock conv=notrunc \
                  2>/dev/null || exit 1\n\
                  done; done\n";
    std::fs::write(&file, script)?;
    stage.ci.ok(&format!("run {} --script {}", lease["id"], file.display())).await?;
    for node in lease["nodes"].as_array().into_iter().flatten() {
        assert!(stage.is_on_disk(node["name"].as_str().unwrap_or_default(), PATTERN)?, "{node}");
    }
    Ok(lease["id"].clone())
}

/// How the node's last wipe was done.
async fn method(stage: &Stage, node: &str) -> anyhow::Result<String> {
    let node = stage.node(node).await?;
    let evidence = node["boot"]["evidence"].as_array().cloned().unwrap_or_default();
    let wiped = evidence.iter().find(|e| e["kind"] == "wiped");
    Ok(wiped.and_then(|e| e["detail"].as_str()).unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_a_disk_that_lies_about_its_wipe_is_wiped_in_another_way() -> anyhow::Result<()> {
    let stage = Setup::of(6).set().await?;
    stage.register_all().await?;
    let faults = |machine: &str, faults: Faults| -> anyhow::Result<()> {
        stage.machine(machine)?.host().sim_disks()[0].set_faults(faults);
        Ok(())
    };
    let lies = Faults { discard: Erase::Lies, ..Faults::default() };
    faults("r1-n02", lies.clone())?;
    faults("r1-n05", Faults { write_zeroes: Erase::Lies, ..lies })?;
    faults(
        "r1-n06",
        Faults { discard: Erase::Unsupported, write_zeroes: Erase::Unsupported, ..Faults::default() },
    )?;

    let lease = soil(&stage, "4:x86_64 arm=1:aarch64 power=1:ppc64le").await?;
    stage.ci.ok(&format!("lease release {lease}")).await?;
    stage.all_ready().await?;
    for machine in stage.room().machines() {
        let name = &machine.plan().name;
        assert!(!stage.is_on_disk(name, PATTERN)?, "{name}");
    }
    for (node, expected) in [
        ("r1-n01", "by discard"),
        ("r1-n02", "by write-zeroes"),
        ("r1-n05", "by overwrite"),
        ("r1-n06", "by overwrite"),
    ] {
        let method = method(&stage, node).await?;
        assert!(method.ends_with(expected), "{node}: {method}");
    }
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_a_disk_that_cannot_be_wiped_is_never_ready_again() -> anyhow::Result<()> {
    // One with UEFI: it is started five times in as many seconds, and asks from another port each time. A BIOS that is
    // started so soon gets what was sent to the port of its last transfer.
    const NODE: &str = "r1-n02";
    let stage = Setup::of(2).set().await?;
    stage.register_all().await?;
    let lease = soil(&stage, "1,nodes=r1-n02").await?;
    let broken = Faults { unwritable: Some((77 << 16)..(78 << 16)), ..Faults::default() };
    stage.machine(NODE)?.host().sim_disks()[0].set_faults(broken);

    let mut watch = stage.admin.follow("node list --watch")?;
    watch.until("the lease", |node| node["name"] == NODE && node["state"] == "leased").await?;
    stage.ci.ok(&format!("lease release {lease}")).await?;
    let mut states = vec!["leased".to_owned()];
    let failed = watch.until("the machine to be given up", |node| {
        if node["name"] == NODE {
            states.push(node["state"].as_str().unwrap_or_default().to_owned());
        }
        states.last().is_some_and(|state| state == "failed")
    });
    let failed = failed.await?;
    states.dedup();
    assert_eq!(states, ["leased", "cleaning", "failed"]);
    assert!(is_held(&failed), "{failed}");
    let reason = failed["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("0.disk") && reason.contains("was not verified"), "{reason}");
    assert!(stage.is_on_disk(NODE, PATTERN)?);

    // The lease is over all the same, and the machine can be had back when the disk is mended.
    let lease = stage.ci.json(&format!("lease show {lease}")).await?;
    assert_eq!(lease["state"], "closed");
    stage.machine(NODE)?.host().sim_disks()[0].set_faults(Faults::default());
    stage.admin.ok("node repair r1-n02").await?;
    let repaired = stage.node_until(NODE, "wiped or held", |node| is_ready(node) || is_held(node));
    if is_held(&repaired.await?) {
        // The repair forgot which disks belong to the machine: one with data is asked about.
        stage.admin.ok("node approve-wipe r1-n02 --yes").await?;
    }
    stage.node_until(NODE, "ready", is_ready).await?;
    assert!(!stage.is_on_disk(NODE, PATTERN)?);
    stage.end().await
}
