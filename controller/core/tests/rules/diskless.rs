//! Images that are a kernel and a ramdisk: no disk is written, and a restart ends them.

use crate::given::{diskless, hello, is_leased, spec};
use crate::rack::{Rack, SECOND};
use hostler_core::attempt::{Purpose, Stage};
use hostler_core::boot::{BootPlan, NetworkEvidence, decide};
use hostler_core::catalogue::{Content, Kind};
use hostler_core::explain;
use hostler_core::hardware::Arch;
use hostler_core::ids::LeaseId;
use hostler_core::input::{Blame, Input, Profile, Refusal, Report};
use hostler_core::node::{Inventory, NodeSpec, Presence, Start};
use hostler_core::order::{self, Order};
use hostler_core::run::TaskState;

/// A rack with the image `live`, leased.
fn leased() -> (Rack, LeaseId) {
    let mut rack = with_image(&["a"]);
    let lease = rack.active("1 x86_64 with live");
    rack.powered();
    rack.heard();
    (rack, lease)
}

fn with_image(machines: &[&str]) -> Rack {
    let mut rack = Rack::with(machines);
    rack.accept(diskless("live", Arch::X86_64, "1100", 3_000));
    rack
}

/// The machine restarts, and asks for its boot script.
fn restart(rack: &mut Rack) {
    rack.now.0 += 60 * SECOND;
    let script = rack.network("a", NetworkEvidence::Script);
    rack.accept(script);
}

fn plan(rack: &Rack) -> BootPlan {
    decide(rack.node("a"))
}

#[test]
fn it_is_deployed_as_a_disk_image_is_and_started_by_kexec() {
    let mut rack = with_image(&["a"]);
    rack.lease("1 x86_64 with live");
    assert_eq!(rack.boot("a").purpose, Purpose::DeployDiskless);
    rack.work_to("a", Stage::Deploy);
    assert_eq!(explain::node(&rack.world, rack.node("a")), "waits for kernel and ramdisk of the image");
    let Some((_, Order::Deploy { image, .. })) = order::for_ramdisk(&rack.world, rack.id("a")) else {
        panic!("nothing is to be deployed")
    };
    assert!(matches!(&image.content.kind, Kind::Diskless { arguments, .. } if arguments == "quiet"));
    // Somebody registers that its adapters need a restart, while it is being deployed.
    rack.work_to("a", Stage::Start);
    let order = order::for_ramdisk(&rack.world, rack.id("a")).map(|(_, order)| order);
    assert_eq!(order, Some(Order::Start(Start::Kexec)));
    rack.word("a");
    assert!(is_leased(rack.node("a")));
}

/// What is on its disks is nobody's.
#[test]
fn its_disk_is_never_booted() {
    let (mut rack, lease) = leased();
    let wait = BootPlan::Wait { reason: "this boot is in use already; a new one will be ordered".into() };
    assert_eq!(plan(&rack), wait);
    rack.release(lease);
    rack.work("a", hostler_core::node::StateName::Ready);
    rack.lease("1 x86_64 with live");
    rack.work_to("a", Stage::Start);
    assert_eq!(plan(&rack), wait);
}

#[test]
fn a_restart_in_the_lease_deploys_it_again_in_a_boot_of_its_own() {
    let (mut rack, lease) = leased();
    let run = rack.run(lease, "r");
    let asks = rack.network("a", NetworkEvidence::Dhcp);
    rack.accept(asks);
    let waiting = rack.run(lease, "waits");
    let (before, expires) = (rack.boot("a").id, rack.lease_state(lease).clone());
    restart(&mut rack);
    assert_eq!(rack.powered(), [], "power is the tenant's affair");
    let boot = rack.boot("a").clone();
    assert_ne!(boot.id, before);
    assert_eq!(plan(&rack), BootPlan::Ramdisk { boot: boot.id, arch: Arch::X86_64 });
    assert_eq!(
        explain::node(&rack.world, rack.node("a")),
        format!(
            "in the hands of lease {lease}; it restarted, and its system was in memory and is deployed again: waits for \
             its agent to enrol"
        )
    );
    // Asked as often as it likes, it gets the same.
    restart(&mut rack);
    assert_eq!(rack.boot("a").id, boot.id);
    let task = &rack.world.runs.get(run).unwrap().tasks[0].state;
    assert!(matches!(task, TaskState::Lost { reason, .. } if reason.contains("in memory")), "{task:?}");
    let state = |rack: &Rack| rack.world.runs.get(waiting).unwrap().tasks[0].state.clone();
    assert!(state(&rack).is_untold(), "nobody was told of it, so that it is not lost");
    // The agent of the system that is gone.
    let node = rack.id("a");
    let former = Input::Agent { node, boot: before, profile: Profile::Tenant, report: hello(0, &[]) };
    assert!(matches!(rack.refuse(former), Refusal::Forbidden(_)));

    let enrol = rack.enrol("a");
    rack.accept(enrol);
    assert_eq!(
        plan(&rack),
        BootPlan::Wait { reason: "this boot is in use already; a new one will be ordered".into() }
    );
    rack.word("a");
    assert_eq!(rack.stage("a"), Stage::Deploy, "no disk is written, so nothing is inspected");
    let sign = rack.agent("a", Profile::Ramdisk, Report::SignRequest);
    rack.accept(sign);
    rack.word("a");
    assert_eq!(rack.stage("a"), Stage::Start);
    rack.word("a");
    assert_eq!(rack.stage("a"), Stage::Deployed);
    assert_eq!(state(&rack), TaskState::Pending { incarnation: Some(1) });
    assert_eq!(explain::node(&rack.world, rack.node("a")), format!("in the hands of lease {lease}"));
    assert_eq!(*rack.lease_state(lease), expires, "the lease goes on as it was");
    assert_eq!(rack.node("a").deadline, None);
    let due = rack.world.leases.get(lease).unwrap().due();
    assert_eq!(rack.world.next_deadline(), due, "nothing else is waited for");
}

/// The ramdisk's agent was lost on its way, or the token was not used in time.
#[test]
fn it_may_restart_again_before_it_is_there() {
    let (mut rack, _) = leased();
    restart(&mut rack);
    let first = rack.boot("a").id;
    let enrol = rack.enrol("a");
    rack.accept(enrol);
    restart(&mut rack);
    let second = rack.boot("a").id;
    assert_ne!(first, second);
    rack.now.0 += 24 * 3600 * SECOND;
    let script = rack.network("a", NetworkEvidence::Script);
    // The lease is longer than that only in this test.
    let third = match rack.tell(script) {
        Ok(_) => rack.boot("a").id,
        Err(refusal) => panic!("{refusal}"),
    };
    assert_ne!(second, third);
}

/// In a tenant's hands, the ladder is empty.
#[test]
fn what_does_not_come_back_stays_the_tenants_and_says_why() {
    let (mut rack, lease) = leased();
    restart(&mut rack);
    let enrol = rack.enrol("a");
    rack.accept(enrol);
    rack.word("a");
    let task = order::task_id(rack.boot("a"));
    let failed = Report::Failed { task, reason: "out of memory".into(), blame: Blame::Image };
    let failed = rack.agent("a", Profile::Ramdisk, failed);
    rack.accept(failed);
    assert!(rack.heard().contains(&"redeploy-failed".to_owned()));
    assert!(is_leased(rack.node("a")));
    let why = explain::node(&rack.world, rack.node("a"));
    assert!(why.ends_with("was in memory and cannot be deployed again: out of memory"), "{why}");
    assert_eq!(rack.powered(), []);
    rack.release(lease);
    rack.work("a", hostler_core::node::StateName::Ready);
}

/// A tenant is root, and may speak as the agent of the ramdisk does.
#[test]
fn what_is_said_of_the_machine_while_it_is_brought_back_is_not_believed() {
    let (mut rack, _) = leased();
    let known = rack.node("a").inventory.clone();
    restart(&mut rack);
    let enrol = rack.enrol("a");
    rack.accept(enrol);
    rack.word("a");
    let task = order::task_id(rack.boot("a"));
    let other = Inventory { serial: "S-other".into(), ..Inventory::default() };
    for report in [Report::Inspected { task, inventory: other }, Report::Wiped { task, disks: Vec::new() }] {
        let report = rack.agent("a", Profile::Ramdisk, report);
        rack.accept(report);
    }
    assert_eq!(rack.node("a").inventory, known);
    assert_eq!((rack.stage("a"), is_leased(rack.node("a"))), (Stage::Deploy, true));
}

#[test]
fn a_restart_before_it_was_up_climbs_the_ladder() {
    let mut rack = with_image(&["a"]);
    rack.lease("1 x86_64 with live");
    rack.work_to("a", Stage::Start);
    rack.powered();
    let left = rack.agent("a", Profile::Ramdisk, Report::Lost);
    rack.accept(left);
    assert_eq!(rack.node("a").agent, Presence::Absent);
    restart(&mut rack);
    assert_eq!(rack.powered().len(), 1);
    assert_eq!(rack.boot("a").purpose, Purpose::DeployDiskless);
    rack.work("a", hostler_core::node::StateName::Leased);
}

#[test]
fn it_needs_memory_and_kexec_and_no_disk() {
    let mut rack = Rack::new();
    let restarts = NodeSpec { start: Start::Restart, ..spec("b") };
    for (spec, memory_bytes) in [(spec("a"), 8_999), (restarts, 1 << 40)] {
        let serial = spec.serial.clone().unwrap();
        let (name, inventory) =
            (spec.name.clone(), Inventory { serial, memory_bytes, ..Inventory::default() });
        rack.inventories.insert(name.clone(), inventory);
        rack.register(spec);
        rack.work(&name, hostler_core::node::StateName::Ready);
    }
    rack.accept(diskless("live", Arch::X86_64, "1100", 3_000));
    let request = rack.ask("1 x86_64 with live");
    let Refusal::Conflict(why) = rack.refuse(request) else { panic!("not a conflict") };
    assert!(
        why.ends_with(
            "is diskless and takes 9000 bytes of memory, and 0 of such machines have as much and are started by kexec"
        ),
        "{why}"
    );
    rack.accept(diskless("live", Arch::X86_64, "1101", 2_999));
    let lease = rack.active("1 x86_64 with live");
    assert_eq!(rack.group(lease), ["a"]);
}

#[test]
fn what_cannot_be_started_is_not_catalogued() {
    let mut rack = Rack::new();
    let mut add = |size_bytes, kernel_bytes, arguments: &str| {
        let kind = Kind::Diskless { kernel_bytes, arguments: arguments.into() };
        let content = Content { sha256: "1100".into(), size_bytes, kind };
        rack.refuse(Input::AddImage { name: "live".into(), arch: Arch::X86_64, content }).to_string()
    };
    for (size, kernel, arguments, expected) in [
        (0, 0, "", "it is empty"),
        (9, 0, "", "it needs a kernel and a ramdisk"),
        (9, 9, "", "it needs a kernel and a ramdisk"),
        (9, 3, "a\nb", "something else in them than printable ASCII"),
        (9, 3, &"a".repeat(1537), "more than 1536 bytes"),
    ] {
        let text = add(size, kernel, arguments);
        assert!(text.contains(expected), "{expected:?} is not in {text:?}");
    }
}
