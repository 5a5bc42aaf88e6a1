//! Groups: whole, replaced, dissolved, ended.

use crate::given::{disk, is_leased, spec};
use crate::rack::{Rack, SECOND};
use hostler_core::attempt::Stage;
use hostler_core::catalogue::{Content, Encoding, ImageStatus, Kind};
use hostler_core::hardware::Arch;
use hostler_core::input::{AdminAction, Blame, Input, PowerResult, Profile, Refusal, Report};
use hostler_core::lease::{CloseReason, LeaseState};
use hostler_core::node::{Disk, HoldKind, Inventory, StateName};
use hostler_core::order;

/// The node's BMC refuses the account: it fails at once.
fn fail(rack: &mut Rack, name: &str) {
    let denied = rack.answer(name, PowerResult::Denied { detail: "no".into() });
    rack.accept(denied);
    assert_eq!(rack.state(name), StateName::Failed);
}

fn reason(rack: &Rack, lease: hostler_core::ids::LeaseId) -> CloseReason {
    match rack.lease_state(lease) {
        LeaseState::Closing { ended, .. } | LeaseState::Closed { ended, .. } => ended.reason,
        other => panic!("it goes on: {other:?}"),
    }
}

#[test]
fn a_lease_is_active_when_its_last_machine_is_up() {
    let mut rack = Rack::with(&["a", "b"]);
    let lease = rack.lease("2 any");
    rack.work("a", StateName::Leased);
    assert!(matches!(rack.lease_state(lease), LeaseState::Deploying { .. }));
    rack.work("b", StateName::Leased);
    let LeaseState::Active { since, expires, .. } = rack.lease_state(lease) else { panic!("not active") };
    assert_eq!((*since, expires.since(*since).as_secs()), (rack.now, 3600), "its time runs from here");
}

#[test]
fn a_free_machine_takes_the_place_of_one_that_failed() {
    let mut rack = Rack::with_cold(&["a", "b", "c"]);
    let lease = rack.lease("2 any");
    assert_eq!(rack.group(lease), ["a", "b"]);
    rack.work("b", StateName::Leased);
    fail(&mut rack, "a");
    assert_eq!(rack.group(lease), ["c", "b"]);
    rack.work("c", StateName::Leased);
    assert!(matches!(rack.lease_state(lease), LeaseState::Active { .. }));
    assert_eq!(rack.holds("a"), [HoldKind::Quarantine]);
}

#[test]
fn only_a_machine_that_the_role_asks_for_takes_a_place() {
    for (other, request, suits) in [
        ("b", "1 any", true),
        ("b far", "1 x86_64", true),
        ("b aarch64", "1 any", true),
        ("b far", "1 any in lab", false),
        ("b aarch64", "1 x86_64", false),
        ("b", "1 any among a", false),
    ] {
        let mut rack = Rack::with_cold(&["a", other]);
        let lease = rack.lease(request);
        fail(&mut rack, "a");
        let expected: &[&str] = if suits { &["b"] } else { &[] };
        assert_eq!(rack.group(lease), expected, "{request} with {other}");
    }
}

/// The group has an image already; what takes a place in it gets the same, even if there is a newer one.
#[test]
fn a_substitute_gets_the_image_of_the_group() {
    let mut rack = Rack::with_cold(&["a", "b", "c"]);
    let lease = rack.lease("2 any");
    rack.accept(crate::given::image("fedora", Arch::X86_64, "f1"));
    fail(&mut rack, "a");
    let images: Vec<_> = rack.world.leases.get(lease).unwrap().group().iter().map(|a| a.image).collect();
    assert_eq!(images[0], images[1]);
}

/// A machine without room for the group's image would fail, and be blamed for it.
#[test]
fn a_substitute_has_room_for_the_image_of_the_group() {
    let mut rack = Rack::with_cold(&["a", "b"]);
    let kind = Kind::Disk { encoding: Encoding::Raw, disk_bytes: 2 << 40 };
    let content = Content { kind, ..Content::raw("h1".into(), 7) };
    rack.accept(Input::AddImage { name: "huge".into(), arch: Arch::X86_64, content });
    rack.register(spec("c"));
    let large = Disk { size_bytes: 4 << 40, ..disk("D9", true) };
    let inventory = Inventory { disks: vec![large], ..rack.inventory("c") };
    rack.inventories.insert("c".into(), inventory);
    rack.work("c", StateName::Ready);
    rack.chill("c");
    let lease = rack.lease("1 any with huge");
    assert_eq!(rack.group(lease), ["c"]);
    fail(&mut rack, "c");
    assert_eq!(rack.group(lease), [] as [&str; 0]);
}

#[test]
fn without_a_substitute_the_group_is_dissolved_and_waits_in_its_place() {
    let mut rack = Rack::with_cold(&["a", "b"]);
    let pair = rack.lease("2 any");
    let later = rack.lease("1 any");
    rack.work("b", StateName::Leased);
    fail(&mut rack, "a");
    assert_eq!(rack.state("b"), StateName::Cleaning, "it was used: it is wiped before anybody gets it");
    let queue: Vec<_> = rack.world.queue().iter().map(|l| l.id).collect();
    assert_eq!(queue, [pair, later], "the pair was first and is first");
    let LeaseState::Queued { reason } = rack.lease_state(pair) else { panic!("not queued") };
    assert_eq!(
        reason,
        "waits for 2 x any architecture for role \"r0\" (back in the queue: a failed (the BMC refused the account: \
         no) and no other machine was free)"
    );
    rack.release(later);
    rack.admin("a", AdminAction::Repair).unwrap();
    rack.clean("a");
    rack.clean("b");
    rack.work("a", StateName::Leased);
    rack.work("b", StateName::Leased);
    assert!(matches!(rack.lease_state(pair), LeaseState::Active { .. }));
}

#[test]
fn a_lease_ends_when_it_is_released_whatever_it_was_doing() {
    // Queued.
    let mut rack = Rack::with(&["a"]);
    rack.active("1 any");
    let queued = rack.lease("1 any");
    rack.release(queued);
    assert!(matches!(rack.lease_state(queued), LeaseState::Closed { .. }));
    // Deploying.
    let mut rack = Rack::with(&["a"]);
    let deploying = rack.lease("1 any");
    rack.release(deploying);
    assert_eq!(rack.state("a"), StateName::Cleaning);
    assert!(matches!(rack.lease_state(deploying), LeaseState::Closing { .. }));
    // Active.
    let mut rack = Rack::with(&["a"]);
    let active = rack.active("1 any");
    rack.release(active);
    rack.work("a", StateName::Ready);
    assert!(matches!(rack.lease_state(active), LeaseState::Closed { .. }));
    assert_eq!(reason(&rack, active), CloseReason::Released);
}

#[test]
fn a_lease_is_over_when_its_last_machine_is_clean_or_given_up() {
    let mut rack = Rack::with(&["a", "b"]);
    let lease = rack.active("2 any");
    rack.release(lease);
    rack.work("a", StateName::Ready);
    assert_eq!(rack.group(lease), ["b"], "a node counts as the lease's until it is clean");
    fail(&mut rack, "b");
    assert!(matches!(rack.lease_state(lease), LeaseState::Closed { .. }));
}

#[test]
fn time_ends_an_active_lease() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    rack.wait_ms(3599 * SECOND);
    assert!(matches!(rack.lease_state(lease), LeaseState::Active { .. }));
    rack.wait_ms(SECOND);
    assert_eq!(reason(&rack, lease), CloseReason::Expired);
    assert_eq!(rack.state("a"), StateName::Cleaning);
}

#[test]
fn waiting_is_bounded() {
    let mut rack = Rack::with(&["a"]);
    rack.admin("a", AdminAction::drain("new fans")).unwrap();
    let lease = rack.lease("1 any");
    rack.wait();
    assert_eq!(reason(&rack, lease), CloseReason::WaitedTooLong);
    let LeaseState::Closed { ended, .. } = rack.lease_state(lease) else { panic!("not closed") };
    assert_eq!(
        ended.detail,
        "the bound on waiting passed; waits for 1 x any architecture for role \"r0\": 0 free, 1 held (drain)"
    );
}

/// Whose machines failed did not wait too long: the infrastructure is to blame, and said to be.
#[test]
fn a_lease_whose_machines_failed_ends_as_what_it_is() {
    let mut rack = Rack::with_cold(&["a"]);
    let lease = rack.lease("1 any");
    fail(&mut rack, "a");
    rack.wait();
    assert_eq!(reason(&rack, lease), CloseReason::Infrastructure);
}

#[test]
fn the_same_key_is_the_same_lease() {
    let mut rack = Rack::with(&["a"]);
    let request = rack.ask("1 any");
    let first = rack.accept(request.clone());
    assert_eq!(rack.accept(request.clone()), first);
    let Input::RequestLease { tenant, key, mut spec } = request.clone() else { panic!("not a request") };
    spec.duration_ms += 1;
    let other = Input::RequestLease { tenant, key, spec };
    assert!(matches!(rack.refuse(other), Refusal::Conflict(_)));
    // Also when it is over, as long as it is remembered.
    rack.release(hostler_core::ids::LeaseId(1));
    assert_eq!(rack.accept(request.clone()), first);
    rack.work("a", StateName::Ready);
    rack.wait_ms(3600 * SECOND);
    assert_ne!(rack.accept(request), first);
}

#[test]
fn a_released_lease_cannot_be_released_into_anything_else() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    rack.release(lease);
    let before = rack.lease_state(lease).clone();
    rack.release(lease);
    assert_eq!(*rack.lease_state(lease), before);
    let unknown =
        Input::ReleaseLease { lease: hostler_core::ids::LeaseId(99), author: "kim".into(), at_once: false };
    assert!(matches!(rack.refuse(unknown), Refusal::NotFound(_)));
}

/// The BMC's late words about a machine that is in a tenant's hands by now.
#[test]
fn a_late_denial_does_not_take_a_machine_from_its_tenant() {
    let mut rack = Rack::with(&["a"]);
    rack.active("1 any");
    let denied = rack.answer("a", PowerResult::Denied { detail: "late".into() });
    rack.accept(denied);
    assert!(is_leased(rack.node("a")));
}

/// The agent of `name` says that the image cannot be deployed on any machine.
fn blame_image(rack: &mut Rack, name: &str) {
    rack.work_to(name, Stage::Deploy);
    let task = order::task_id(rack.boot(name));
    let report = Report::Failed { task, reason: "no kernel in it".into(), blame: Blame::Image };
    let report = rack.agent(name, Profile::Ramdisk, report);
    rack.accept(report);
}

/// A bad image would otherwise climb the ladder on machine after machine, and quarantine them all.
#[test]
fn an_image_that_nobody_has_booted_ends_its_lease_and_no_machine_is_held() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    let lease = rack.lease("2 any");
    blame_image(&mut rack, "a");
    assert_eq!(reason(&rack, lease), CloseReason::Image);
    let LeaseState::Closing { ended, .. } = rack.lease_state(lease) else { panic!("it is not ending") };
    assert_eq!(ended.detail, "image fedora cannot be deployed: no kernel in it");
    for name in ["a", "b"] {
        assert_eq!((rack.state(name), rack.holds(name)), (StateName::Cleaning, vec![]), "{name}");
        rack.work(name, StateName::Ready);
    }
    assert!(matches!(rack.lease_state(lease), LeaseState::Closed { .. }));
}

/// One machine may be wrong about it; the second in a row is believed.
#[test]
fn an_image_that_two_machines_blame_is_suspect() {
    let mut rack = Rack::with(&["a", "b"]);
    for (name, status) in [("a", ImageStatus::Candidate), ("b", ImageStatus::Suspect)] {
        let lease = rack.lease("1 any");
        assert_eq!(rack.group(lease), [name]);
        blame_image(&mut rack, name);
        assert_eq!(reason(&rack, lease), CloseReason::Image);
        let image = rack.world.image_for("fedora", Arch::X86_64).expect("it is there");
        assert_eq!((image.status, rack.holds(name)), (status, vec![]), "{name}");
    }
    assert!(rack.heard().contains(&"image-suspect".to_owned()));
}

/// It worked before, so the fault is somewhere else.
#[test]
fn an_image_that_was_booted_before_is_not_blamed() {
    let mut rack = Rack::with(&["a"]);
    let first = rack.lease("1 any");
    rack.work("a", StateName::Leased);
    rack.accept(Input::ReleaseLease { lease: first, author: "ci".into(), at_once: false });
    rack.work("a", StateName::Ready);
    let second = rack.lease("1 any");
    blame_image(&mut rack, "a");
    assert!(matches!(rack.lease_state(second), LeaseState::Deploying { .. }));
    assert_eq!(rack.boot("a").because.as_deref(), Some("the agent reports: no kernel in it"));
}
