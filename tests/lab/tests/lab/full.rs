//! Faults that take too long for every change: `cargo xtask test --full` and `HOSTLER_FULL=true cargo xtask lab test`.

use crate::scene::{Case, NODE, Scene, events, impatient, last_event, play, room};
use crate::support::{BOOT, can_run, is_full};
use anyhow::{Context as _, ensure};
use hostler_checkout::programs::Programs;
use hostler_lab::layout::Layout;
use hostler_lab::machine::disk;
use hostler_lab::network::Fault;
use hostler_lab::ramdisks;
use hostler_lab::room::{Arch, MachineSpec, Platform};
use hostler_lab::tenant::admin;
use hostler_lab::wait;
use std::fs;
use std::path::Path;
use std::time::Duration;

const CASES: [Case; 5] = [
    Case {
        name: "a fifth of all packets is lost while the machine boots and is provisioned",
        happen: packets_are_lost,
        state: "leased",
        event: ("lease-active", "is active"),
    },
    Case {
        name: "the cable is out while the image is written, and comes back",
        happen: link_is_down,
        state: "leased",
        event: ("agent-back", "bios1: agent is heard again"),
    },
    Case {
        name: "the agent of the deployed system is killed, and started again by its init",
        happen: agent_is_killed,
        state: "leased",
        event: ("run-requested", "run"),
    },
    Case {
        name: "the agent of the deployed system is killed and does not come back",
        happen: agent_is_gone,
        state: "cleaning",
        event: ("agent-lost", "bios1: agent is silent"),
    },
    Case {
        name: "the ramdisk in the boot directory is for machines of another architecture",
        happen: ramdisk_is_of_another_architecture,
        state: "ready",
        event: ("ladder", "began again from its firmware"),
    },
];

const DISK_CASES: [Case; 3] = [
    Case {
        name: "no disk is large enough for the image: first known, then not",
        happen: disk_is_too_small,
        state: "failed",
        event: ("hold", "has 16777216 bytes, and had 4294967296 before"),
    },
    Case {
        name: "the disk has a sector that cannot be written, where the image is to be",
        happen: sector_is_bad,
        state: "failed",
        event: ("hold", "boot: the agent reports: cannot store what was written to /dev/vda"),
    },
    Case {
        name: "nothing can be written to the disk that is to be wiped",
        happen: disk_is_dead,
        state: "failed",
        event: ("hold", "the wipe was not verified of /dev/vda"),
    },
];

/// Of every hundred packets, in each direction.
const LOST: u8 = 20;

fn packets_are_lost(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.lab.set_faults(&[(NODE, Fault::Loss(LOST))])?;
    let lease = scene.request()?;
    scene.ci.ok(&format!("lease wait {lease} --timeout 20m"))?;
    scene.lab.set_faults(&[])?;
    let node = scene.lab.node(NODE)?;
    ensure!(node["boot"]["rung"] == 0, "it was powered again: {node}");
    Ok(())
}

/// For longer than an agent may be silent, and shorter than the ladder waits after that.
fn link_is_down(scene: &Scene<'_>) -> anyhow::Result<()> {
    let after = last_event(scene.lab)?;
    let machine = scene.lab.machine(NODE)?;
    scene.request()?;
    scene.wait_for_reason("the image to be written")?;
    machine.set_link(false)?;
    scene.wait_for_event(after, "agent-lost")?;
    let node = scene.lab.node(NODE)?;
    let reason = node["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("the image to be written") && reason.contains("its agent is silent"), "{node}");
    machine.set_link(true)?;
    let node = scene.settle("leased")?;
    ensure!(node["boot"]["rung"] == 0, "it was powered again: {node}");
    Ok(())
}

const SMALL_MIB: u64 = 16;
const USUAL_MIB: u64 = 4096;

fn disk_is_too_small(scene: &Scene<'_>) -> anyhow::Result<()> {
    let machine = scene.lab.machine(NODE)?;
    exchange_disk(scene, SMALL_MIB)?;
    let refused = scene.ci.say("lease request 1:x86_64 --image tiny --max-wait 1h")?;
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(refused.status.code() == Some(3) && text.contains("0 of such machines have a disk"), "{text}");
    exchange_disk(scene, USUAL_MIB)?;
    // The controller believes that the disk is the one that it knows.
    scene.lab.power_off(NODE)?;
    disk::replace(machine, 0, SMALL_MIB)?;
    let lease = scene.request()?;
    scene.settle("failed")?;
    scene.ci.ok(&format!("lease release {lease}"))?;
    disk::replace(machine, 0, USUAL_MIB)
}

/// As an administrator does it.
fn exchange_disk(scene: &Scene<'_>, mib: u64) -> anyhow::Result<()> {
    scene.lab.power_off(NODE)?;
    disk::replace(scene.lab.machine(NODE)?, 0, mib)?;
    admin(scene.lab, ["node", "repair", NODE])?;
    wait::until("the new disk to be wiped", BOOT, || {
        let node = scene.lab.node(NODE)?;
        let size = node["inventory"]["disks"][0]["size_bytes"].as_u64();
        Ok((node["state"] == "ready" && size == Some(mib << 20)).then_some(()))
    })
}

/// For as many boots as the ladder has rungs.
const LADDER: Duration = Duration::from_secs(4 * BOOT.as_secs());

/// A write that fails is noticed when the disk is to confirm what it has.
fn sector_is_bad(scene: &Scene<'_>) -> anyhow::Result<()> {
    // Where the image for BIOS machines has its loader.
    let fault = disk::Fault::WritesAt(1 << 20);
    disk::set_fault(scene.lab.machine(NODE)?, 0, Some(fault))?;
    let lease = scene.request()?;
    scene.lab.wait_for_state(NODE, &["failed"], LADDER)?;
    scene.ci.ok(&format!("lease release {lease}"))?;
    disk::set_fault(scene.lab.machine(NODE)?, 0, None)
}

fn disk_is_dead(scene: &Scene<'_>) -> anyhow::Result<()> {
    disk::set_fault(scene.lab.machine(NODE)?, 0, Some(disk::Fault::Writes))?;
    // Emulated disks are broken when the machine gets power.
    scene.lab.power_off(NODE)?;
    admin(scene.lab, ["node", "repair", NODE])?;
    scene.lab.wait_for_state(NODE, &["failed"], LADDER)?;
    disk::set_fault(scene.lab.machine(NODE)?, 0, None)
}

fn ramdisk_is_of_another_architecture(scene: &Scene<'_>) -> anyhow::Result<()> {
    let after = last_event(scene.lab)?;
    let served = scene.lab.controller_dir().join("boot/ramdisks/x86_64");
    let right = fs::read(&served)?;
    let boot = ramdisks::cached(Arch::Aarch64, &Layout::new(), &Programs::in_target("debug"))?;
    put(&served, &fs::read(boot.join("ramdisks/aarch64"))?)?;
    admin(scene.lab, ["node", "repair", NODE])?;
    scene.lab.wait_for_console(NODE, "No working init found", BOOT)?;
    wait::until("the ladder", LADDER, || {
        Ok(events(scene.lab, after)?.iter().any(|event| event["kind"] == "ladder").then_some(()))
    })?;
    put(&served, &right)?;
    scene.settle("ready").map(|_| ())
}

/// At once, as `hostlerd ramdisk build` does it.
fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(&new, path).context("cannot replace the ramdisk")
}

/// A payload that goes on when nobody watches it any more.
const KILLER: &str = r#"
echo $$ > /root/payload
kill -9 $(pidof hostler-agent)
sleep 600
"#;

fn agent_is_killed(scene: &Scene<'_>) -> anyhow::Result<()> {
    let lease = scene.ci.lease_of("1:x86_64 --image tiny")?;
    let killed = scene.ci.run_script(lease, KILLER)?;
    let text = String::from_utf8_lossy(&killed.stdout) + String::from_utf8_lossy(&killed.stderr);
    ensure!(killed.status.code() == Some(5), "{killed:?}");
    ensure!(text.contains("its agent restarted while the payload ran"), "{text}");
    // What the next payload finds is not what the former one has left.
    let next = scene.ci.run_script(lease, "[ -s /root/payload ] && ! kill -0 $(cat /root/payload)")?;
    ensure!(next.status.success(), "the former payload still runs: {next:?}");
    Ok(())
}

fn agent_is_gone(scene: &Scene<'_>) -> anyhow::Result<()> {
    let after = last_event(scene.lab)?;
    let lease = scene.ci.lease_of("1:x86_64 --image tiny")?;
    let script = "mv /usr/lib/hostler/hostler-agent /root; kill -9 $(pidof hostler-agent)";
    let run =
        scene.ci.ok(&format!("run {lease} --detach --script {}", scene.ci.script(script)?.display()))?;
    scene.wait_for_event(after, "agent-lost")?;
    let node = scene.lab.node(NODE)?;
    let reason = node["reason"].as_str().unwrap_or_default();
    ensure!(reason.ends_with("its agent is silent"), "{node}");
    scene.ci.ok(&format!("lease release {lease}"))?;
    let ended = scene.ci.say(&format!("run --attach {}", run.trim()))?;
    ensure!(ended.status.code() == Some(5), "a payload whose end nobody saw was not lost: {ended:?}");
    Ok(())
}

#[test]
fn each_fault_that_takes_long_ends_where_the_table_says() {
    const NAME: &str = "each_fault_that_takes_long_ends_where_the_table_says";
    // The other one is not made; its ramdisk is what the first must not boot.
    let mut needed = room();
    needed.machines.push(MachineSpec::new("arm1", Platform::Arm));
    if is_full(NAME) && can_run(NAME, &needed) {
        play(&impatient("full", room()), &chosen(CASES));
    }
}

#[test]
fn each_fault_of_a_disk_ends_where_the_table_says() {
    const NAME: &str = "each_fault_of_a_disk_ends_where_the_table_says";
    if is_full(NAME) && can_run(NAME, &room()) {
        play(&impatient("full-disks", room()), &chosen(DISK_CASES));
    }
}

/// All, or those with one of the comma-separated texts of `HOSTLER_CASES` in their names.
fn chosen(cases: impl IntoIterator<Item = Case>) -> Vec<Case> {
    let texts = std::env::var("HOSTLER_CASES").unwrap_or_default();
    cases.into_iter().filter(|case| texts.split(',').any(|text| case.name.contains(text))).collect()
}
