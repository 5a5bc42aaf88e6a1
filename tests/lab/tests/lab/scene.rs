//! Faults on one machine, one after the other, and where each of them ends.

use crate::support::BOOT;
use anyhow::Context as _;
use hostler_lab::image::Kind;
use hostler_lab::room::{Arch, MachineSpec, Platform};
use hostler_lab::tenant::{Tenant, admin};
use hostler_lab::{Lab, Plan, RoomSpec, wait};
use serde_json::Value;
use std::time::Instant;

/// One fault: what is done, and what an administrator finds afterwards.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Brings the fault about, and waits until all is over.
    pub(crate) happen: fn(&Scene<'_>) -> anyhow::Result<()>,
    /// The node's state then.
    pub(crate) state: &'static str,
    /// The kind of an event of that time, and a part of its text.
    pub(crate) event: (&'static str, &'static str),
}

pub(crate) const NODE: &str = "bios1";

pub(crate) struct Scene<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) ci: Tenant<'a>,
}

/// The room of the machine that all happens to.
pub(crate) fn room() -> RoomSpec {
    RoomSpec { machines: vec![MachineSpec::new(NODE, Platform::Bios)] }
}

/// Lets each of `cases` happen, in this order, in one lab.
pub(crate) fn play(plan: &Plan, cases: &[Case]) {
    let lab = Lab::up(plan).unwrap();
    let scene = Scene { lab: &lab, ci: Tenant::new(&lab, &[(Kind::Tiny, Arch::X86_64)]).unwrap() };
    scene.settle("ready").unwrap();
    for case in cases {
        eprintln!("fault: {}", case.name);
        let (began, after) = (Instant::now(), last_event(&lab).unwrap());
        (case.happen)(&scene).unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
        let node = lab.node(NODE).unwrap();
        assert_eq!(node["state"], case.state, "{}: {node}", case.name);
        let seen = events(&lab, after).unwrap();
        let told = |e: &Value| {
            e["kind"] == case.event.0 && e["message"].as_str().is_some_and(|m| m.contains(case.event.1))
        };
        assert!(seen.iter().any(told), "{}: {:?} is not among {seen:#?}", case.name, case.event);
        eprintln!("  after {} s {}: {}", began.elapsed().as_secs(), node["state"], node["reason"]);
        scene.give_back().unwrap();
    }
}

/// A controller that does not wait as long as real machines may need.
pub(crate) fn impatient(name: &str, room: RoomSpec) -> Plan {
    let mut plan = crate::support::plan(name, room);
    let timing =
        "[bmc]\nrequest_ms = 5000\n[timing]\nfirmware_ms = 60000\nenrol_ms = 240000\nsilence_ms = 30000\n";
    let changes: toml::Table = timing.parse().unwrap();
    plan.settings.extend(changes);
    plan
}

impl Scene<'_> {
    /// Waits until the reason of the node's state has `text` in it.
    pub(crate) fn wait_for_reason(&self, text: &str) -> anyhow::Result<()> {
        let what = format!("{NODE} to say {text:?}");
        let seen = wait::until(&what, BOOT, || {
            // The controller may be down on purpose.
            let reason = self.lab.node(NODE).map(|node| node["reason"].to_string()).unwrap_or_default();
            Ok(reason.contains(text).then_some(()))
        });
        seen.with_context(|| self.lab.node(NODE).map_or_else(|e| format!("{e:#}"), |node| node.to_string()))
    }

    /// Waits for an event that is younger than `after`.
    pub(crate) fn wait_for_event(&self, after: u64, kind: &str) -> anyhow::Result<()> {
        wait::until(&format!("the event {kind}"), BOOT, || {
            let events = events(self.lab, after).unwrap_or_default();
            Ok(events.iter().any(|e| e["kind"] == kind).then_some(()))
        })
    }

    pub(crate) fn settle(&self, state: &str) -> anyhow::Result<Value> {
        self.lab.wait_for_state(NODE, &[state], BOOT)
    }

    /// The lease that the node is in is given back, and the node is clean.
    fn give_back(&self) -> anyhow::Result<()> {
        let node = self.lab.node(NODE)?;
        if let Some(lease) = node["lease_id"].as_u64() {
            self.ci.ok(&format!("lease release {lease}"))?;
        }
        if node["state"] == "failed" {
            admin(self.lab, ["node", "repair", NODE])?;
        }
        self.settle("ready").map(|_| ())
    }

    /// The machine is powered off: the next lease has to boot it.
    pub(crate) fn rest(&self) -> anyhow::Result<()> {
        let idle_off = |after| admin(self.lab, ["pool", "set", "lab", "--idle-off", after]);
        idle_off("1s")?;
        wait::until("the machine to be off", BOOT, || {
            let node = self.lab.node(NODE)?;
            Ok((node["standby"] == "off" && node["deadline_ms"].is_null()).then_some(()))
        })?;
        idle_off("never")
    }

    pub(crate) fn request(&self) -> anyhow::Result<u64> {
        self.ci.request("1:x86_64 --image tiny")
    }
}

pub(crate) fn events(lab: &Lab, after: u64) -> anyhow::Result<Vec<Value>> {
    let output = lab.hostler(["events", "--output", "json"]).output()?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let all: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok(all.into_iter().filter(|event| event["id"].as_u64() > Some(after)).collect())
}

pub(crate) fn last_event(lab: &Lab) -> anyhow::Result<u64> {
    Ok(events(lab, 0)?.last().and_then(|event| event["id"].as_u64()).unwrap_or_default())
}
