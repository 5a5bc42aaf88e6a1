//! Who may redeem a one-time token.

use crate::given::{before, spec};
use crate::rack::Rack;
use hostler_core::attempt::{EvidenceKind, Stage};
use hostler_core::hardware::Mac;
use hostler_core::ids::{BootId, NodeId};
use hostler_core::input::{Input, Refusal};
use hostler_core::node::StateName;
use std::net::{IpAddr, Ipv4Addr};

/// A machine that has its boot script, and the right enrolment.
fn booted() -> (Rack, Input) {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    while rack.boot("a").seen(EvidenceKind::Script).is_none() {
        rack.word("a");
    }
    let enrol = rack.enrol("a");
    (rack, enrol)
}

#[track_caller]
fn check_refused(mut rack: Rack, input: Input, why: &str) {
    let before = rack.node("a").clone();
    rack.heard();
    let refusal = rack.refuse(input);
    assert_eq!(refusal, Refusal::Forbidden(format!("token refused: {why}")));
    assert_eq!(*rack.node("a"), before, "nothing changes");
    assert_eq!(rack.heard(), ["token-refused"], "but it is recorded");
}

/// The right enrolment with something else in it.
fn forged(change: impl FnOnce(&mut BootId, &mut Mac, &mut IpAddr, &mut String)) -> (Rack, Input) {
    let (rack, mut input) = booted();
    if let Input::Enrol { boot, mac, address, key, .. } = &mut input {
        change(boot, mac, address, key);
    }
    (rack, input)
}

#[test]
fn the_right_machine_is_enrolled_and_its_token_bound_to_its_key() {
    let (mut rack, enrol) = booted();
    rack.accept(enrol.clone());
    assert_eq!(rack.stage("a"), Stage::Enrolled);
    assert_eq!(rack.boot("a").key.as_deref(), Some("key of a"));
    // An answer that was lost is given again, to the same key.
    rack.accept(enrol.clone());
    let Input::Enrol { boot, node, mac, address, .. } = enrol else { panic!("not an enrolment") };
    let key = "another key".to_owned();
    check_refused(rack, Input::Enrol { boot, node, mac, address, key }, "it was used with another key");
}

#[test]
fn another_boot_card_or_address_is_refused() {
    let (rack, input) = forged(|boot, _, _, _| *boot = before(*boot));
    check_refused(rack, input, "a newer boot was ordered");
    let (rack, input) = forged(|boot, _, _, _| boot.0 += 1);
    check_refused(rack, input, "a newer boot was ordered");
    let (rack, input) = forged(|_, mac, _, _| *mac = Mac([2, 0, 0, 0, 0, 9]));
    check_refused(rack, input, "it was made for the Ethernet address 02:00:00:00:00:09");
    let (rack, input) = forged(|_, _, address, _| *address = IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9)));
    let registered = rack.node("a").spec.address;
    check_refused(rack, input, &format!("it may only be used from {registered}"));
}

#[test]
fn an_expired_token_is_refused() {
    let (mut rack, input) = booted();
    rack.now = rack.boot("a").token_expires;
    check_refused(rack, input, "it has expired");
}

#[test]
fn a_token_of_a_boot_that_was_not_answered_yet_is_refused() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    let input = rack.enrol("a");
    check_refused(rack, input, "its power attempt is not answered yet");
}

#[test]
fn a_boot_that_is_past_enrolment_enrols_nobody() {
    let (mut rack, input) = booted();
    rack.work_to("a", Stage::Wipe);
    check_refused(rack, input, "its boot is past enrolment");
    let mut rack = Rack::with(&["a"]);
    rack.active("1 any");
    let input = rack.enrol("a");
    check_refused(rack, input, "its boot is past enrolment");
}

#[test]
fn a_node_that_does_not_exist_is_refused() {
    let (mut rack, mut input) = booted();
    if let Input::Enrol { node, .. } = &mut input {
        *node = NodeId(77);
    }
    let refusal = rack.refuse(input);
    assert_eq!(refusal, Refusal::Forbidden("token refused: there is no such node".into()));
    assert_eq!(rack.state("a"), StateName::Inspecting);
}
