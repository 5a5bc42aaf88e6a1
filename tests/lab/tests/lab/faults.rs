//! Faults of real machines, and where each of them ends.

use crate::support::{BOOT, can_run};
use crate::tenant::{Tenant, admin};
use anyhow::{Context as _, ensure};
use hostler_lab::image::Kind;
use hostler_lab::network::Fault;
use hostler_lab::room::{Arch, MachineSpec, Platform};
use hostler_lab::{Lab, Plan, RoomSpec, wait};
use serde_json::Value;
use std::path::PathBuf;

/// One fault: what is done, and what an administrator finds afterwards.
struct Case {
    name: &'static str,
    /// Brings the fault about, and waits until all is over.
    happen: fn(&Scene<'_>) -> anyhow::Result<()>,
    /// The node's state then.
    state: &'static str,
    /// The kind of an event of that time, and a part of its text.
    event: (&'static str, &'static str),
}

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
        event: ("ladder", "next: second try"),
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

const NODE: &str = "bios1";

struct Scene<'a> {
    lab: &'a Lab,
    ci: Tenant<'a>,
}

impl Scene<'_> {
    /// Waits until the reason of the node's state has `text` in it.
    fn wait_for_reason(&self, text: &str) -> anyhow::Result<()> {
        let what = format!("{NODE} to say {text:?}");
        let seen = wait::until(&what, BOOT, || {
            // The controller may be down on purpose.
            let reason = self.lab.node(NODE).map(|node| node["reason"].to_string()).unwrap_or_default();
            Ok(reason.contains(text).then_some(()))
        });
        seen.with_context(|| self.lab.node(NODE).map_or_else(|e| format!("{e:#}"), |node| node.to_string()))
    }

    /// Waits for an event that is younger than `after`.
    fn wait_for_event(&self, after: u64, kind: &str) -> anyhow::Result<()> {
        wait::until(&format!("the event {kind}"), BOOT, || {
            let events = events(self.lab, after).unwrap_or_default();
            Ok(events.iter().any(|e| e["kind"] == kind).then_some(()))
        })
    }

    fn settle(&self, state: &str) -> anyhow::Result<Value> {
        self.lab.wait_for_state(NODE, &[state], BOOT)
    }

    /// The lease that the node is in is given back, and the node is clean.
    fn give_back(&self) -> anyhow::Result<()> {
        if let Some(lease) = self.lab.node(NODE)?["lease_id"].as_u64() {
            self.ci.ok(&format!("lease release {lease}"))?;
        }
        self.settle("ready").map(|_| ())
    }

    fn request(&self) -> anyhow::Result<u64> {
        self.ci.request("1:x86_64 --image tiny")
    }
}

fn events(lab: &Lab, after: u64) -> anyhow::Result<Vec<Value>> {
    let output = lab.hostler(["events", "--output", "json"]).output()?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let all: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok(all.into_iter().filter(|event| event["id"].as_u64() > Some(after)).collect())
}

fn last_event(lab: &Lab) -> anyhow::Result<u64> {
    Ok(events(lab, 0)?.last().and_then(|event| event["id"].as_u64()).unwrap_or_default())
}

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
    scene.lab.set_faults(&[(NODE, Fault::NoDhcp)])?;
    let lease = scene.lab.node(NODE)?["lease_id"].as_u64().context("no lease")?;
    scene.ci.ok(&format!("lease release {lease}"))?;
    // Only the boot that was ordered to clean the machine begins so: its tenant's system was started by kexec.
    scene.lab.wait_for_console(NODE, "Booting from Hard Disk", BOOT)?;
    scene.lab.wait_for_console(NODE, "lab image: bios1 is up", BOOT)?;
    let node = scene.lab.node(NODE)?;
    ensure!(node["state"] == "cleaning", "what runs now was not ordered: {node}");
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
    crate::tenant::add_image(scene.lab, "damaged", Arch::X86_64, &other)?;
    let images = scene.lab.hostler_json("image list")?;
    let image = images.as_array().into_iter().flatten().find(|image| image["name"] == "damaged");
    let digest = image.and_then(|image| image["sha256"].as_str()).context("it is not listed")?;
    let path = scene.lab.controller_dir().join("data/images").join(digest);
    std::fs::File::options().write(true).open(&path)?.write_all_at(b"?", bytes.len() as u64 / 2)?;
    Ok(path)
}

#[test]
fn each_fault_ends_where_the_table_says() {
    let room = RoomSpec { machines: vec![MachineSpec::new(NODE, Platform::Bios)] };
    if !can_run("each_fault_ends_where_the_table_says", &room) {
        return;
    }
    let lab = Lab::up(&impatient("faults", room)).unwrap();
    let scene = Scene { lab: &lab, ci: Tenant::new(&lab, &[(Kind::Tiny, Arch::X86_64)]).unwrap() };
    scene.settle("ready").unwrap();
    for case in CASES {
        eprintln!("fault: {}", case.name);
        let after = last_event(&lab).unwrap();
        (case.happen)(&scene).unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
        let node = lab.node(NODE).unwrap();
        assert_eq!(node["state"], case.state, "{}: {node}", case.name);
        let seen = events(&lab, after).unwrap();
        let told = |e: &Value| {
            e["kind"] == case.event.0 && e["message"].as_str().is_some_and(|m| m.contains(case.event.1))
        };
        assert!(seen.iter().any(told), "{}: {:?} is not among {seen:#?}", case.name, case.event);
        scene.give_back().unwrap();
    }
}

/// A controller that does not wait as long as real machines may need.
fn impatient(name: &str, room: RoomSpec) -> Plan {
    let mut plan = crate::support::plan(name, room);
    let timing =
        "[bmc]\nrequest_ms = 5000\n[timing]\nfirmware_ms = 60000\nenrol_ms = 240000\nsilence_ms = 30000\n";
    let changes: toml::Table = timing.parse().unwrap();
    plan.settings.extend(changes);
    plan
}
