//! Faults of real machines, and where each of them ends.

use crate::scene::{Case, NODE, Scene, impatient, last_event, play, room};
use crate::support::{BOOT, can_run};
use anyhow::{Context as _, ensure};
use hostler_lab::image::Kind;
use hostler_lab::network::Fault;
use hostler_lab::room::Arch;
use hostler_lab::tenant::admin;
use hostler_lab::wait;
use std::path::PathBuf;

const CASES: [Case; 6] = [
    Case {
        name: "DHCP is withheld: the firmware is powered on and stuck at its last message",
        happen: dhcp_is_withheld,
        state: "ready",
        event: ("ladder", "next: second try"),
    },
    Case {
        name: "the BMC dies during a power attempt",
        happen: bmc_dies,
        state: "leased",
        event: ("power-unknown", "outcome of power attempt"),
    },
    Case {
        name: "the machine dies while its image is written",
        happen: machine_dies,
        state: "leased",
        event: ("ladder", "the agent went silent (image write)"),
    },
    Case {
        name: "the controller is killed in each phase",
        happen: controller_is_killed,
        state: "leased",
        event: ("controller-started", "the controller started"),
    },
    Case {
        name: "the machine boots its former tenant's disk instead of the network",
        happen: disk_is_booted,
        state: "ready",
        event: ("ladder", "next: second try"),
    },
    Case {
        name: "the stored image has another digest than the catalogue says",
        happen: image_is_damaged,
        state: "ready",
        event: ("image-failed", "image damaged cannot be deployed"),
    },
];

fn dhcp_is_withheld(scene: &Scene<'_>) -> anyhow::Result<()> {
    let after = last_event(scene.lab)?;
    scene.lab.set_faults(&[(NODE, Fault::NoDhcp)])?;
    admin(scene.lab, ["node", "repair", NODE])?;
    // Powered on, and dead: only that nothing was seen of it tells.
    scene.lab.wait_for_console(NODE, "No bootable device", BOOT)?;
    scene.wait_for_event(after, "ladder")?;
    scene.lab.set_faults(&[])?;
    scene.settle("ready").map(|_| ())
}

fn bmc_dies(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.rest()?;
    let after = last_event(scene.lab)?;
    scene.lab.kill_bmc(NODE)?;
    scene.request()?;
    scene.wait_for_event(after, "power-unknown")?;
    scene.lab.start_bmc(NODE)?;
    scene.settle("leased").map(|_| ())
}

fn machine_dies(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.request()?;
    scene.wait_for_reason("the image to be written")?;
    scene.lab.power_off(NODE)?;
    scene.settle("leased").map(|_| ())
}

/// Nothing is done twice: the boot that was ordered first is the one that brings the machine up.
fn controller_is_killed(scene: &Scene<'_>) -> anyhow::Result<()> {
    let phases = [
        "its firmware to ask for an address",
        "kernel and ramdisk",
        "its agent to enrol",
        "the image to be written",
        "the deployed system's agent",
    ];
    scene.rest()?;
    scene.request()?;
    let mut boot = None;
    for phase in phases {
        scene.wait_for_reason(phase)?;
        boot = boot.or(scene.lab.node(NODE)?["boot"]["id"].as_u64());
        scene.lab.kill_hostlerd()?;
        scene.lab.start_hostlerd()?;
    }
    let node = scene.settle("leased")?;
    ensure!(node["boot"]["id"].as_u64() == boot && node["boot"]["rung"] == 0, "it was powered again: {node}");
    Ok(())
}

/// The disk has a system of the tenant before, and its agent with an identity that is over.
fn disk_is_booted(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.request()?;
    scene.settle("leased")?;
    let after = last_event(scene.lab)?;
    scene.lab.set_faults(&[(NODE, Fault::NoDhcp)])?;
    let lease = scene.lab.node(NODE)?["lease_id"].as_u64().context("no lease")?;
    scene.ci.ok(&format!("lease release {lease}"))?;
    // Only the boot that was ordered to clean the machine begins so: its tenant's system was started by kexec.
    scene.lab.wait_for_console(NODE, "Booting from Hard Disk", BOOT)?;
    let node = scene.lab.node(NODE)?;
    ensure!(node["state"] == "cleaning", "what runs now was not ordered: {node}");
    scene.wait_for_event(after, "ladder")?;
    scene.lab.set_faults(&[])?;
    scene.settle("ready").map(|_| ())
}

fn image_is_damaged(scene: &Scene<'_>) -> anyhow::Result<()> {
    let path = damaged_image(scene)?;
    let lease = scene.ci.request("1:x86_64 --image damaged")?;
    let ended = wait::until("the lease to be closed", BOOT, || {
        let lease = scene.ci.lease(lease)?;
        Ok((lease["state"] == "closed").then_some(lease))
    })?;
    ensure!(ended["close_reason"] == "image", "{ended}");
    std::fs::remove_file(path)?;
    let node = scene.settle("ready")?;
    ensure!(node["holds"].as_array().is_some_and(Vec::is_empty), "the machine is to blame: {node}");
    Ok(())
}

/// Adds an image and then changes a byte of it where the controller keeps it.
fn damaged_image(scene: &Scene<'_>) -> anyhow::Result<PathBuf> {
    use hostler_lab::image;
    use hostler_lab::layout::Layout;
    use std::os::unix::fs::FileExt as _;
    let whole = image::cached(&Layout::new(), Kind::Tiny, Arch::X86_64)?;
    // Bytes after the end of a zstd stream may be a skippable frame (RFC 8878 section 3.1.2): another image, another
    // digest, the same disk.
    let other = scene.ci.path("damaged.raw.zst");
    let mut bytes = std::fs::read(whole)?;
    bytes.extend_from_slice(&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, b'l', b'a', b'b', b'!']);
    std::fs::write(&other, &bytes)?;
    hostler_lab::tenant::add_image(scene.lab, "damaged", Arch::X86_64, &other)?;
    let images = scene.lab.hostler_json("image list")?;
    let image = images.as_array().into_iter().flatten().find(|image| image["name"] == "damaged");
    let digest = image.and_then(|image| image["sha256"].as_str()).context("it is not listed")?;
    let path = scene.lab.controller_dir().join("data/images").join(digest);
    let middle = bytes.len() / 2;
    std::fs::File::options().write(true).open(&path)?.write_all_at(&[!bytes[middle]], middle as u64)?;
    Ok(path)
}

#[test]
fn each_fault_ends_where_the_table_says() {
    if can_run("each_fault_ends_where_the_table_says", &room()) {
        play(&impatient("faults", room()), &CASES);
    }
}
