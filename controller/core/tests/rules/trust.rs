//! Whether a failure speaks against the machine or against the image.

use crate::rack::Rack;
use hostler_core::attempt::Stage;
use hostler_core::catalogue::{Image, ImageStatus};
use hostler_core::explain;
use hostler_core::hardware::Arch;
use hostler_core::ids::LeaseId;
use hostler_core::input::{AdminAction, Blame, Input, Profile, Refusal, Report};
use hostler_core::lease::{CloseReason, LeaseState};
use hostler_core::node::{HoldKind, StateName};
use hostler_core::order;

fn image<'a>(rack: &'a Rack, name: &str) -> &'a Image {
    rack.world.image_for(name, Arch::X86_64).expect("an image of that name")
}

fn status(rack: &Rack, name: &str) -> ImageStatus {
    image(rack, name).status
}

/// The image is written on every rung of the ladder, and each time something is wrong.
#[track_caller]
fn fail_to_deploy(rack: &mut Rack, name: &str) {
    while rack.state(name) == StateName::Deploying {
        rack.work_to(name, Stage::Deploy);
        let task = order::task_id(rack.boot(name));
        let report = Report::Failed { task, reason: "no space".into(), blame: Blame::Machine };
        let report = rack.agent(name, Profile::Ramdisk, report);
        rack.accept(report);
    }
}

/// A tenant has the machine, and gives it back.
fn use_once(rack: &mut Rack, request: &str, name: &str) {
    let lease = rack.active(request);
    rack.release(lease);
    rack.work(name, StateName::Ready);
}

/// Machines on which `fedora` and `debian` are known to run.
fn with_good_images(machines: &[&str]) -> Rack {
    let mut rack = Rack::with(machines);
    rack.accept(crate::given::image("debian", Arch::X86_64, "d0"));
    for request in ["1 any among a", "1 any among a with debian"] {
        for _ in 0..2 {
            use_once(&mut rack, request, "a");
        }
    }
    for name in ["fedora", "debian"] {
        assert_eq!(status(&rack, name), ImageStatus::Good);
    }
    rack
}

fn ended(rack: &Rack, lease: LeaseId) -> (CloseReason, String) {
    match rack.lease_state(lease) {
        LeaseState::Closing { ended, .. } | LeaseState::Closed { ended, .. } => {
            (ended.reason, ended.detail.clone())
        }
        other => panic!("it goes on: {other:?}"),
    }
}

#[test]
fn a_candidate_is_good_when_it_was_deployed_twice_on_an_architecture() {
    let mut rack = Rack::with(&["a", "b aarch64"]);
    for (request, name, expected) in [
        ("1 x86_64", "a", [ImageStatus::Candidate, ImageStatus::Candidate]),
        ("1 aarch64", "b", [ImageStatus::Candidate, ImageStatus::Candidate]),
        ("1 x86_64", "a", [ImageStatus::Good, ImageStatus::Candidate]),
        ("1 aarch64", "b", [ImageStatus::Good, ImageStatus::Good]),
    ] {
        use_once(&mut rack, request, name);
        let found = [Arch::X86_64, Arch::Aarch64].map(|a| rack.world.image_for("fedora", a).unwrap().status);
        assert_eq!(found, expected, "{request}");
    }
    assert_eq!(rack.heard().iter().filter(|kind| *kind == "image-good").count(), 2);
}

#[test]
fn a_machine_that_failed_once_proves_itself_and_is_back() {
    let mut rack = with_good_images(&["a"]);
    rack.lease("1 any");
    fail_to_deploy(&mut rack, "a");
    assert_eq!((rack.state("a"), rack.holds("a")), (StateName::Cleaning, vec![]));
    assert!(
        explain::node(&rack.world, rack.node("a")).contains("proves itself"),
        "{}",
        explain::node(&rack.world, rack.node("a"))
    );
    rack.work_to("a", Stage::Prove);
    assert!(!rack.node("a").is_free(), "nobody gets it before");
    rack.clean("a");
    let record = &rack.node("a").record;
    assert_eq!((record.due, record.strikes(), record.failures.len()), (false, 1, 1));
    assert!(record.failures[0].evidence.starts_with("the agent reports: no space"), "{record:?}");
    assert_eq!(record.failures[0].image, Some(image(&rack, "fedora").id));
    assert_eq!(record.proof.as_ref().unwrap().problem(), None);
    assert_eq!(rack.state("a"), StateName::Deploying, "the lease waited for it");
}

#[test]
fn a_machine_that_fails_twice_with_good_images_is_quarantined_until_it_is_repaired() {
    let mut rack = with_good_images(&["a"]);
    let lease = rack.lease("1 any");
    fail_to_deploy(&mut rack, "a");
    rack.clean("a");
    fail_to_deploy(&mut rack, "a");
    assert_eq!((rack.state("a"), rack.holds("a")), (StateName::Failed, vec![HoldKind::Quarantine]));
    rack.release(lease);
    rack.admin("a", AdminAction::Repair).unwrap();
    rack.work_to("a", Stage::Inspect);
    rack.clean("a");
    assert_eq!((rack.state("a"), rack.holds("a")), (StateName::Ready, vec![]));
    let record = &rack.node("a").record;
    assert_eq!((record.strikes(), record.failures.len()), (0, 2), "what was is told, and does not count");
}

/// What happens between two failures may clear the machine.
#[test]
fn a_deployment_that_succeeds_in_between_clears_a_machine() {
    let mut rack = with_good_images(&["a"]);
    for _ in 0..3 {
        let lease = rack.lease("1 any");
        fail_to_deploy(&mut rack, "a");
        rack.clean("a");
        rack.work("a", StateName::Leased);
        rack.release(lease);
        rack.work("a", StateName::Ready);
    }
    assert_eq!(rack.holds("a"), []);
}

#[test]
fn a_machine_with_a_bad_part_does_not_come_back() {
    let mut rack = Rack::with(&["a"]);
    rack.admin("a", AdminAction::Repair).unwrap();
    rack.work_to("a", Stage::Prove);
    let task = order::task_id(rack.boot("a"));
    let checks = vec![crate::given::proved(Some("wrong at byte 4096"))];
    let report = rack.agent("a", Profile::Ramdisk, Report::Proved { task, took_ms: 5, checks });
    rack.accept(report);
    assert_eq!((rack.state("a"), rack.holds("a")), (StateName::Failed, vec![HoldKind::Quarantine]));
    assert_eq!(explain::node(&rack.world, rack.node("a")), "proof: memory: wrong at byte 4096");
}

/// A ramdisk that was built before there were burn-ins.
#[test]
fn for_an_agent_that_knows_no_burn_in_inspection_and_wipe_are_the_proof() {
    let mut rack = Rack::with(&["a"]);
    rack.admin("a", AdminAction::Repair).unwrap();
    rack.work_to("a", Stage::Enrolled);
    let old = Report::Hello { incarnation: 0, runs: Vec::new(), proves: false };
    let hello = rack.agent("a", Profile::Ramdisk, old);
    rack.accept(hello);
    rack.work("a", StateName::Ready);
    let record = &rack.node("a").record;
    assert!(!record.due && record.proof.as_ref().unwrap().checks.is_empty(), "{record:?}");
}

#[test]
fn an_image_that_fails_on_several_good_machines_is_suspect_and_they_are_not() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    let lease = rack.lease("1 any");
    fail_to_deploy(&mut rack, "a");
    assert_eq!(rack.group(lease), ["b"], "one failure is not enough to judge by");
    fail_to_deploy(&mut rack, "b");
    assert_eq!(status(&rack, "fedora"), ImageStatus::Suspect);
    let suspicion = "image fedora for x86_64 is suspect: it failed on a, b, one after the other";
    assert_eq!(ended(&rack, lease), (CloseReason::Image, suspicion.to_owned()));
    for name in ["a", "b"] {
        rack.clean(name);
        let record = &rack.node(name).record;
        assert_eq!((rack.holds(name), record.strikes(), record.due), (vec![], 0, false), "{name}");
    }
    assert!(rack.heard().contains(&"image-suspect".to_owned()));
}

/// Who asks is told at once; who waited before waits, and is told why.
#[test]
fn nobody_gets_a_suspect_image_until_it_is_cleared() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.lease("1 any");
    let waiting = rack.lease("2 any");
    fail_to_deploy(&mut rack, "a");
    fail_to_deploy(&mut rack, "b");
    rack.clean("a");
    rack.clean("b");
    let told = "image \"fedora\" for x86_64 is suspect, since it failed on a, b: `hostler image clear` has it tried again";
    let asked = rack.ask("1 any");
    let Refusal::Conflict(text) = rack.refuse(asked) else { panic!("not a conflict") };
    assert!(text.contains(told), "{text}");
    let reason = explain::lease(&rack.world, rack.world.leases.get(waiting).unwrap());
    assert!(reason.contains(told), "{reason}");
    let clear =
        |name: &str| Input::ClearImage { author: "ada".into(), name: name.into(), arch: Some(Arch::X86_64) };
    assert!(matches!(rack.refuse(clear("none")), Refusal::NotFound(_)));
    rack.accept(clear("fedora"));
    assert_eq!(status(&rack, "fedora"), ImageStatus::Candidate);
    assert_eq!(rack.group(waiting), ["a", "b"]);
}

#[test]
fn an_image_that_is_deployed_in_between_is_not_suspect() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    for (fails, works) in [("a", "c"), ("b", "c")] {
        let lease = rack.lease(&format!("1 any among {fails} {works}"));
        fail_to_deploy(&mut rack, fails);
        rack.work(works, StateName::Leased);
        rack.release(lease);
        rack.work(works, StateName::Ready);
        rack.clean(fails);
    }
    assert_eq!(status(&rack, "fedora"), ImageStatus::Good);
}

#[test]
fn a_quarantine_that_a_suspect_image_explains_is_lifted() {
    let mut rack = with_good_images(&["a", "b"]);
    for request in ["1 any among a", "1 any among a with debian"] {
        let lease = rack.lease(request);
        fail_to_deploy(&mut rack, "a");
        rack.release(lease);
        rack.clean("a");
    }
    assert_eq!((rack.state("a"), rack.holds("a")), (StateName::Failed, vec![HoldKind::Quarantine]));
    rack.lease("1 any among b");
    fail_to_deploy(&mut rack, "b");
    assert_eq!(status(&rack, "fedora"), ImageStatus::Suspect);
    assert_eq!((rack.state("a"), rack.holds("a")), (StateName::Inspecting, vec![]));
    rack.clean("a");
    assert_eq!((rack.state("a"), rack.node("a").record.strikes()), (StateName::Ready, 1));
}
