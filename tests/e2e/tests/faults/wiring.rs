//! Machines that are not the ones that they are taken for: held, and not a byte of their disks is touched.

use hostler_e2e::stage::{Setup, Stage, is_held, is_ready};
use serde_json::Value;

const DATA: &[u8] = b"the only copy";

fn hold_of(node: &Value) -> (&str, &str) {
    let hold = &node["holds"][0];
    (hold["kind"].as_str().unwrap_or_default(), hold["reason"].as_str().unwrap_or_default())
}

/// Waits until the node is held as miswired; returns the reason.
async fn miswired(stage: &Stage, node: &str) -> anyhow::Result<String> {
    let node = stage.node_until(node, "held", is_held).await?;
    let (kind, reason) = hold_of(&node);
    assert_eq!(kind, "miswired", "{reason}");
    Ok(reason.to_owned())
}

/// An administrator agreed to the first wipe of all of them, blindly.
async fn approve(stage: &Stage) -> anyhow::Result<()> {
    for machine in stage.room().machines() {
        stage.admin.ok(&format!("node approve-wipe {} --yes", machine.plan().name)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_another_serial_is_held_whatever_was_agreed() -> anyhow::Result<()> {
    let stage = Setup::of(2).set().await?;
    stage.register_all().await?;
    // Its disks may be wiped without asking: it was leased before. Then somebody swaps the machine.
    let lease = stage.ci.lease("1,nodes=r1-n01").await?;
    stage.soil("r1-n01", 500 << 20, DATA)?;
    stage.machine("r1-n01")?.host().set_serial("SOMEBODY-ELSES");
    stage.ci.ok(&format!("lease release {}", lease["id"])).await?;

    let reason = miswired(&stage, "r1-n01").await?;
    let registered = &stage.machine("r1-n01")?.plan().serial;
    assert!(reason.contains(registered) && reason.contains("SOMEBODY-ELSES"), "{reason}");
    assert_eq!(stage.node("r1-n01").await?["state"], "failed");
    assert!(stage.is_on_disk("r1-n01", DATA)?);
    assert!(is_ready(&stage.node("r1-n02").await?));
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_whose_bmcs_are_swapped_are_both_held() -> anyhow::Result<()> {
    let stage = Setup::of(2).set().await?;
    for machine in stage.room().machines() {
        stage.soil(&machine.plan().name, 500 << 20, DATA)?;
    }
    let mut registration = stage.room().registration();
    let [one, other] = &mut registration.node[..] else { anyhow::bail!("two machines") };
    std::mem::swap(&mut one.bmc, &mut other.bmc);
    stage.register(&registration).await?;
    approve(&stage).await?;
    for node in ["r1-n01", "r1-n02"] {
        let reason = miswired(&stage, node).await?;
        assert!(reason.contains("the BMC belongs to the system"), "{reason}");
        assert!(stage.is_on_disk(node, DATA)?);
    }

    // The registration is put right: nothing was lost, and both can be used.
    stage.register(&stage.room().registration()).await?;
    for node in ["r1-n01", "r1-n02"] {
        stage.admin.ok(&format!("node repair {node}")).await?;
    }
    stage.all_ready().await?;
    stage.end().await
}

/// One of them can be powered, through the address that is registered for the other: power on one, evidence from the
/// other.
#[tokio::test(flavor = "multi_thread")]
async fn power_on_one_and_evidence_from_another_holds_both() -> anyhow::Result<()> {
    let stage = Setup::of(2).impatient().set().await?;
    let mut registration = stage.room().registration();
    let [one, other] = &mut registration.node[..] else { anyhow::bail!("two machines") };
    std::mem::swap(&mut one.bmc, &mut other.bmc);
    stage.machine("r1-n01")?.bmc().faults().change(|faults| faults.dead = true);
    stage.register(&registration).await?;
    let expected = "power was given to r1-n01, but r1-n02 booted: check their BMC addresses";
    for node in ["r1-n01", "r1-n02"] {
        let reason = miswired(&stage, node).await?;
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(stage.machine("r1-n01")?.bmc().journal().read().starts(), 0);
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_of_another_system_is_noticed() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    stage.soil("r1-n01", 500 << 20, DATA)?;
    let machine = stage.machine("r1-n01")?;
    machine.bmc().faults().change(|faults| faults.guid = Some(*b"another machine!"));
    stage.register(&stage.room().registration()).await?;
    approve(&stage).await?;
    let reason = miswired(&stage, "r1-n01").await?;
    let uuid = machine.plan().uuid.to_string();
    assert!(reason.contains("the BMC belongs to the system") && reason.contains(&uuid), "{reason}");
    assert!(stage.is_on_disk("r1-n01", DATA)?);
    stage.end().await
}
