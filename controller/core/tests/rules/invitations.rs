//! Who may fetch the keys of a controller.

use crate::rack::Rack;
use hostler_core::input::{Input, JoinRequest, Refusal, Reply};
use hostler_core::time::Timestamp;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const VALID: Duration = Duration::from_secs(900);

/// An invitation of lab-b, and what redeems it.
fn invited() -> (Rack, JoinRequest) {
    let mut rack = Rack::new();
    rack.heard();
    let number = invite(&mut rack, "lab-b");
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    let expires = rack.now.after(VALID);
    (rack, JoinRequest { number, name: "lab-b".into(), expires, address, by: "first".into() })
}

fn asked(name: &str, valid: Duration) -> Input {
    let valid_ms = u64::try_from(valid.as_millis()).expect("a short time");
    Input::Invite { author: "ada".into(), name: name.into(), valid_ms, with_password: false }
}

fn invite(rack: &mut Rack, name: &str) -> u32 {
    match rack.accept(asked(name, VALID)) {
        Reply::Invitation(number) => number,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_refused(rack: &mut Rack, request: JoinRequest, why: &str) {
    rack.heard();
    let before = rack.world.meta.invitations.clone();
    let Refusal::Forbidden(told) = rack.refuse(Input::Join(request)) else { panic!("not forbidden") };
    assert!(told.starts_with("the code is not good: ") && told.contains(why), "{told}");
    assert_eq!(rack.world.meta.invitations, before, "nothing changes");
    assert_eq!(rack.heard(), ["join-refused"], "but it is recorded");
}

#[test]
fn an_invitation_is_used_by_one_process_and_told_of_once() {
    let (mut rack, request) = invited();
    rack.accept(Input::Join(request.clone()));
    // An answer that was lost is given again.
    rack.accept(Input::Join(request.clone()));
    assert_eq!(rack.heard(), ["controller-invited", "controller-joined"]);
    let other = JoinRequest { by: "second".into(), ..request };
    check_refused(&mut rack, other, "it was used from 10.0.0.2, 1970-01-12 13:46Z");
}

#[test]
fn one_that_is_used_stays_so_after_a_restart_and_under_another_leader() {
    let (mut rack, request) = invited();
    rack.accept(Input::Join(request.clone()));
    let stored = serde_json::to_string(&rack.world.meta).unwrap();
    rack.world.meta = serde_json::from_str(&stored).unwrap();
    check_refused(&mut rack, JoinRequest { by: "second".into(), ..request }, "it was used from");
}

#[test]
fn an_invitation_expires() {
    let (mut rack, request) = invited();
    rack.now = request.expires;
    check_refused(&mut rack, request.clone(), "it has expired, 1970-01-12 14:01Z");
    // It is forgotten when others are made.
    invite(&mut rack, "lab-c");
    check_refused(&mut rack, request, "it has expired, or is of before a backup was restored");
}

#[test]
fn nothing_in_a_code_can_be_different() {
    let (mut rack, request) = invited();
    let later = request.expires.after(VALID);
    let others = [
        JoinRequest { number: request.number + 1, ..request.clone() },
        JoinRequest { name: "lab-c".into(), ..request.clone() },
        JoinRequest { expires: later, ..request.clone() },
    ];
    for other in others {
        check_refused(&mut rack, other, "it has expired, or is of before");
    }
    rack.accept(Input::Join(request));
}

#[test]
fn a_restored_store_knows_no_invitation() {
    let (mut rack, request) = invited();
    rack.world.meta.leave_out(10);
    check_refused(&mut rack, request.clone(), "of before a backup was restored");
    assert!(invite(&mut rack, "lab-b") > request.number + 10);
}

#[test]
fn there_are_bounds() {
    let mut rack = Rack::new();
    for valid in [Duration::from_millis(999), Duration::from_secs(24 * 3_600 + 1)] {
        assert!(matches!(rack.refuse(asked("lab-b", valid)), Refusal::Invalid(_)), "{valid:?}");
    }
    assert!(matches!(rack.refuse(asked("Lab B", VALID)), Refusal::Invalid(_)));
    for _ in 0..32 {
        invite(&mut rack, "lab-b");
    }
    assert!(matches!(rack.refuse(asked("lab-b", VALID)), Refusal::Conflict(_)));
    rack.now = Timestamp(rack.now.0 + 900_000);
    invite(&mut rack, "lab-b");
}
