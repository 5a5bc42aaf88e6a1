//! Drains with times, and machines that are set aside.

use crate::rack::{Rack, SECOND};
use hostler_core::calendar::{Every, Group, Machines, Times, Wanted};
use hostler_core::course::{MoreTime, Terms};
use hostler_core::explain;
use hostler_core::ids::LeaseId;
use hostler_core::input::{AdminAction, Input, Refusal, Reply};
use hostler_core::lease::{LeaseState, Member};
use hostler_core::node::{HoldKind, StateName};
use hostler_core::time::Timestamp;
use std::num::NonZeroU64;

const HOUR: u64 = 3600 * SECOND;

fn drain(rack: &mut Rack, node: &str, times: Times, anyway: bool) -> Result<Reply, Refusal> {
    rack.admin(node, AdminAction::Drain { reason: "new fans".into(), times, anyway })
}

fn request(rack: &mut Rack, words: &str, hours: u64, terms: Terms) -> Input {
    rack.ask_as(words, |_, spec| {
        (spec.duration_ms, spec.max_wait_ms, spec.terms) = (hours * HOUR, 24 * 7 * HOUR, terms);
    })
}

fn lease(rack: &mut Rack, words: &str, hours: u64, terms: Terms) -> LeaseId {
    let input = request(rack, words, hours, terms);
    let Reply::Lease(lease) = rack.accept(input) else { panic!("no lease") };
    lease
}

fn in_hours(rack: &Rack, hours: u64) -> Option<Timestamp> {
    Some(Timestamp(rack.now.0 + hours * HOUR))
}

fn reserve(rack: &mut Rack, nodes: &[&str], from: u64, hours: u64, every: Option<Every>) -> Input {
    let tenant = rack.world.tenants.values().next().expect("a tenant").name.clone();
    let wanted = Wanted {
        name: "demo".into(),
        machines: Machines::Named(nodes.iter().map(|node| (*node).into()).collect()),
        from: in_hours(rack, from),
        length_ms: hours * HOUR,
        every,
        reason: "a demonstration".into(),
    };
    Input::Reserve { author: "ada".into(), tenant, wanted, anyway: false }
}

fn in_demo() -> Terms {
    Terms { reservation: Some("demo".into()), ..Terms::default() }
}

/// Until a drain begins, leases get the machine that give it back by then; then it is held, and is back by itself.
#[test]
fn a_drain_that_is_announced_is_planned_around() {
    let mut rack = Rack::with(&["a"]);
    let times = Times { from: in_hours(&rack, 3), deadline: None, back_at: in_hours(&rack, 5) };
    drain(&mut rack, "a", times, false).unwrap();
    let why = explain::node(&rack.world, rack.node("a"));
    let until = times.back_at.unwrap().utc();
    assert!(why.ends_with(&format!("drained: new fans, until {until}")), "{why}");
    assert!(rack.holds("a").is_empty() && rack.heard().contains(&"drain-announced".to_owned()));
    let long = lease(&mut rack, "1 any", 3, Terms::default());
    assert!(rack.group(long).is_empty(), "it would not be done in time");
    assert!(rack.why(long).contains("1 drained from"), "{}", rack.why(long));
    let short = lease(&mut rack, "1 any", 2, Terms::default());
    assert_eq!(rack.group(short), ["a"]);
    rack.release(short);
    rack.clean("a");
    rack.wait_ms(3 * HOUR);
    assert_eq!(rack.holds("a"), [HoldKind::Drain]);
    let why = explain::node(&rack.world, rack.node("a"));
    assert!(why.starts_with("held, drain: new fans, until "), "{why}");
    assert!(rack.group(long).is_empty());
    rack.restart();
    rack.wait_ms(2 * HOUR);
    assert!(rack.holds("a").is_empty() && rack.node("a").outage.is_none());
    assert_eq!(rack.group(long), ["a"], "it is back, and whoever waited begins");
}

/// A deadline ends leases that last longer; nobody does that without saying so.
#[test]
fn a_deadline_cuts_leases_short_if_somebody_insists() {
    let mut rack = Rack::with(&["a"]);
    let busy = lease(&mut rack, "1 any", 6, Terms::default());
    rack.work("a", StateName::Leased);
    let times = Times { deadline: in_hours(&rack, 2), ..Times::default() };
    let before = rack.node("a").clone();
    let refused = drain(&mut rack, "a", times, false).unwrap_err().to_string();
    assert!(refused.contains(&format!("lease {busy} may have its machines until")), "{refused}");
    assert_eq!(*rack.node("a"), before, "nothing was changed");
    drain(&mut rack, "a", times, true).unwrap();
    let LeaseState::Active { expires, .. } = *rack.lease_state(busy) else { panic!("it is active") };
    assert_eq!(Some(expires), times.deadline);
    let wanted = MoreTime::By(HOUR);
    let more = Input::ExtendLease { lease: busy, key: "k".into(), wanted, author: "kim".into() };
    let refused = rack.refuse(more).to_string();
    assert!(refused.contains("node a is drained then: new fans"), "{refused}");
    rack.wait_ms(2 * HOUR);
    assert!(!matches!(rack.lease_state(busy), LeaseState::Active { .. }));
}

/// Extensions end where a drain begins.
#[test]
fn an_extension_ends_where_a_drain_begins() {
    let mut rack = Rack::with(&["a"]);
    let busy = lease(&mut rack, "1 any", 1, Terms::default());
    rack.work("a", StateName::Leased);
    let times = Times { from: in_hours(&rack, 3), ..Times::default() };
    drain(&mut rack, "a", times, false).unwrap();
    let wanted = MoreTime::By(6 * HOUR);
    let reply =
        rack.accept(Input::ExtendLease { lease: busy, key: "k".into(), wanted, author: "kim".into() });
    let Reply::Extended(grant) = reply else { panic!("not extended") };
    assert_eq!(Some(grant.until), times.from);
    assert!(grant.note.unwrap().contains("node a is drained then: new fans"));
    // One that is in force is not put off.
    drain(&mut rack, "a", Times::default(), false).unwrap();
    let more = Input::ExtendLease { lease: busy, key: "l".into(), wanted, author: "kim".into() };
    let refusal = rack.refuse(more.clone());
    assert!(refusal.to_string().contains("and node a is drained: new fans"), "{refusal}");
    assert_eq!(rack.group(busy), ["a"], "it goes on as it was told");
    rack.admin("a", AdminAction::Resume).unwrap();
    rack.accept(more);
}

#[test]
fn a_drain_that_will_come_can_be_called_off() {
    let mut rack = Rack::with(&["a"]);
    let times = Times { from: in_hours(&rack, 1), ..Times::default() };
    drain(&mut rack, "a", times, false).unwrap();
    rack.admin("a", AdminAction::Resume).unwrap();
    assert!(rack.heard().contains(&"drain-called-off".to_owned()));
    rack.wait_ms(2 * HOUR);
    assert!(rack.holds("a").is_empty());
}

/// What is set aside is for those who say so; others get it before if they are done by then, and after.
#[test]
fn a_reservation_is_for_those_who_name_it() {
    let mut rack = Rack::with(&["a", "b"]);
    let input = reserve(&mut rack, &["a"], 2, 4, None);
    assert_eq!(rack.tell(input.clone()), Ok(Reply::Done));
    assert_eq!(rack.tell(input), Ok(Reply::Done), "the same again is no error");
    let why = explain::node(&rack.world, rack.node("a"));
    assert!(why.contains("set aside for tenant") && why.contains("as demo"), "{why}");
    let guest = lease(&mut rack, "1 any", 3, in_demo());
    assert!(
        rack.group(guest).is_empty() && rack.why(guest).contains("not yet reserved"),
        "{}",
        rack.why(guest)
    );
    let other = lease(&mut rack, "1 any", 3, Terms::default());
    assert_eq!(rack.group(other), ["b"]);
    let next = lease(&mut rack, "1 any", 3, Terms::default());
    assert!(rack.group(next).is_empty() && rack.why(next).contains("1 reserved from"), "{}", rack.why(next));
    rack.restart();
    rack.wait_ms(2 * HOUR);
    assert_eq!(rack.group(guest), ["a"], "its time has come");
    assert!(rack.group(next).is_empty());
}

#[test]
fn a_reservation_that_is_over_is_forgotten_and_ends_who_waits_for_it() {
    let mut rack = Rack::with(&["a"]);
    let again = Every { ms: NonZeroU64::new(24 * HOUR).unwrap(), until: in_hours(&rack, 25) };
    let input = reserve(&mut rack, &["a"], 1, 2, Some(again));
    rack.accept(input);
    let waits = lease(&mut rack, "1 any", 2, in_demo());
    rack.wait_ms(4 * HOUR);
    assert!(matches!(rack.lease_state(waits), LeaseState::Queued { .. }), "with overhead it is too long");
    let tenant = rack.world.tenants.values().next().unwrap();
    assert_eq!(tenant.reservations.len(), 1, "it comes back");
    rack.wait_ms(24 * HOUR);
    assert!(rack.world.tenants.values().all(|tenant| tenant.reservations.is_empty()));
    assert!(matches!(rack.lease_state(waits), LeaseState::Closed { .. }));
    assert!(rack.heard().contains(&"reservation-ended".to_owned()));
}

/// One that has machines when its reservation ends goes on; if it loses them, there are no others for it.
#[test]
fn whoever_goes_back_to_the_queue_for_a_reservation_that_was_ended_is_ended() {
    let mut rack = Rack::with(&["a"]);
    let input = reserve(&mut rack, &["a"], 1, 4, None);
    let Input::Reserve { tenant, .. } = input.clone() else { unreachable!() };
    rack.accept(input);
    let guest = lease(&mut rack, "1 any", 1, in_demo());
    rack.wait_ms(HOUR);
    assert_eq!(rack.group(guest), ["a"]);
    rack.accept(Input::EndReservation { author: "ada".into(), tenant, name: "demo".into() });
    assert_eq!(rack.group(guest), ["a"]);
    rack.fail("a");
    let LeaseState::Closed { ended, .. } = rack.lease_state(guest) else { panic!("{}", rack.why(guest)) };
    assert!(ended.detail.contains("its reservation demo is no more"), "{}", ended.detail);
}

/// Whoever takes a place in a group has to be deployed and cleaned before it is wanted otherwise.
#[test]
fn a_substitute_is_done_in_time() {
    let mut rack = Rack::with(&["a", "b"]);
    let input = reserve(&mut rack, &["b"], 2, 4, None);
    rack.accept(input);
    let busy = rack.lease_as("1 any", |_, spec| spec.duration_ms = 115 * 60 * SECOND);
    assert_eq!(rack.group(busy), ["a"]);
    rack.fail("a");
    assert_eq!(rack.group(busy), [] as [&str; 0], "b would not be clean again in time");
    assert!(rack.why(busy).contains("1 reserved from"), "{}", rack.why(busy));
}

/// In whichever order they are asked for.
#[test]
fn what_comes_back_often_clashes_with_what_comes_late() {
    let mut rack = Rack::with(&["a"]);
    let once = reserve(&mut rack, &["a"], 20 * 24, 4, None);
    let Input::Reserve { author, tenant, mut wanted, anyway } = once.clone() else { unreachable!() };
    (wanted.name, wanted.length_ms, wanted.from) = ("hourly".into(), HOUR / 2, None);
    wanted.every = Some(Every { ms: NonZeroU64::new(HOUR).unwrap(), until: None });
    let hourly = Input::Reserve { author, tenant, wanted, anyway };
    for (first, second) in [(&once, &hourly), (&hourly, &once)] {
        let mut rack = Rack::with(&["a"]);
        rack.accept(first.clone());
        let refused = rack.refuse(second.clone()).to_string();
        assert!(refused.contains("node a is set aside for tenant"), "{refused}");
    }
}

/// What was promised to those who wait is not given away.
#[test]
fn a_reservation_that_breaks_a_promise_says_which() {
    let mut rack = Rack::with(&["a"]);
    let busy = lease(&mut rack, "1 any", 60, Terms::default());
    assert_eq!(rack.group(busy), ["a"]);
    let waits = lease(&mut rack, "1 any", 60, Terms::default());
    let long = 24 * 30;
    let input = reserve(&mut rack, &["a"], 61, long, None);
    let refused = rack.refuse(input.clone()).to_string();
    assert!(refused.contains(&format!("lease {waits} would not start by")), "{refused}");
    assert!(rack.world.tenants.values().all(|tenant| tenant.reservations.is_empty()));
    let Input::Reserve { author, tenant, wanted, .. } = input else { unreachable!() };
    rack.accept(Input::Reserve { author, tenant, wanted, anyway: true });
    assert!(rack.world.leases.get(waits).unwrap().latest_start().is_none());
    assert!(rack.heard().contains(&"promise-withdrawn".to_owned()));
}

#[test]
fn what_makes_no_sense_is_refused_with_words() {
    let mut rack = Rack::with(&["a"]);
    let clash = reserve(&mut rack, &["a"], 1, 2, None);
    rack.accept(clash.clone());
    let Input::Reserve { author, tenant, wanted, .. } = clash else { unreachable!() };
    let with = |change: &dyn Fn(&mut Wanted)| {
        let mut wanted = wanted.clone();
        change(&mut wanted);
        Input::Reserve { author: author.clone(), tenant: tenant.clone(), wanted, anyway: false }
    };
    let later = rack.now.0 + 2 * HOUR;
    for (input, words) in [
        (with(&|w| w.name = "other".into()), "set aside for tenant"),
        (with(&|w| w.from = Some(Timestamp(later))), "is another: end it first"),
        (with(&|w| w.machines = Machines::Named(["x".into()].into())), "there is no node \"x\""),
        (with(&|w| (w.name, w.length_ms) = ("other".into(), 0)), "length"),
        (with(&|w| w.machines = Machines::Named([].into())), "name at least one machine"),
    ] {
        let refused = rack.refuse(input).to_string();
        assert!(refused.contains(words), "{refused}");
    }
    for (words, hours, name, expected) in [
        ("1 any", 1, "nightly", "no reservation \"nightly\"; it has demo"),
        ("2 any", 1, "demo", "the machines of reservation demo are not what is asked for"),
        ("1 any", 3, "demo", "longer than reservation demo lasts"),
    ] {
        let terms = Terms { reservation: Some(name.into()), ..Terms::default() };
        let input = request(&mut rack, words, hours, terms);
        let refused = rack.refuse(input).to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}

fn such(rack: &mut Rack, words: &str, from: u64, hours: u64, anyway: bool) -> Input {
    let Input::RequestLease { spec, .. } = request(rack, words, hours, Terms::default()) else {
        unreachable!()
    };
    let members = spec.members.into_iter().map(|member| Member { image: String::new(), ..member }).collect();
    let Input::Reserve { author, tenant, wanted, .. } = reserve(rack, &[], from, hours, None) else {
        unreachable!()
    };
    let machines = Machines::Like(Group { members, groupings: spec.groupings });
    Input::Reserve { author, tenant, wanted: Wanted { machines, ..wanted }, anyway }
}

fn only_on(node: &str, request: Input) -> Input {
    let Input::RequestLease { tenant, key, mut spec } = request else { unreachable!() };
    spec.members[0].nodes = [node.to_owned()].into();
    Input::RequestLease { tenant, key, spec }
}

fn reserved(rack: &Rack) -> Vec<String> {
    let all = rack.world.tenants.values().flat_map(|tenant| &tenant.reservations);
    let nodes = all.flat_map(|reservation| &reservation.nodes).filter_map(|id| rack.world.nodes.get(*id));
    nodes.map(|node| node.spec.name.clone()).collect()
}

/// Whoever names no machines gets those that can be spared, and others in place of those that fail.
#[test]
fn machines_of_a_kind_are_chosen_and_exchanged() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    let long = lease(&mut rack, "1 any", 24, Terms::default());
    assert_eq!(rack.group(long), ["a"]);
    let input = such(&mut rack, "2 any", 5, 4, false);
    rack.accept(input.clone());
    assert_eq!(reserved(&rack), ["b", "c"], "the other one is in use then");
    rack.accept(input);
    assert_eq!(reserved(&rack), ["b", "c"], "said again it is the same one");
    let reason = "new disks".to_owned();
    let soon = Times { from: in_hours(&rack, 1), deadline: None, back_at: in_hours(&rack, 2) };
    drain(&mut rack, "b", soon, false).unwrap();
    assert_eq!(reserved(&rack), ["b", "c"], "it is back by then");
    rack.admin("b", AdminAction::Retire).unwrap();
    assert!(rack.heard().contains(&"reservation-short".to_owned()), "no other one can be had");
    rack.release(long);
    rack.clean("a");
    rack.admin("c", AdminAction::Drain { reason, times: Times::default(), anyway: false }).unwrap();
    rack.restart();
    rack.admin("c", AdminAction::Resume).unwrap();
    assert_eq!(reserved(&rack), ["a", "c"]);
    assert!(rack.heard().contains(&"reservation-mended".to_owned()));
}

/// What nobody was promised is set aside first; what can never be had is said.
#[test]
fn machines_of_a_kind_are_those_that_nobody_was_promised() {
    let mut rack = Rack::with(&["a", "b"]);
    for node in ["a", "b"] {
        let held = lease(&mut rack, "1 any", 48, Terms::default());
        assert_eq!(rack.group(held), [node]);
    }
    let waits = request(&mut rack, "1 any", 48, Terms::default());
    let Reply::Lease(waits) = rack.accept(only_on("a", waits)) else { panic!("no lease") };
    assert!(rack.world.leases.get(waits).is_some_and(|lease| lease.promise.is_some()));
    let input = such(&mut rack, "1 any", 49, 100, false);
    rack.accept(input);
    assert_eq!(reserved(&rack), ["b"], "the other one is promised");
    let tenant = rack.world.tenants.values().next().unwrap().name.clone();
    rack.accept(Input::EndReservation { author: "ada".into(), tenant, name: "demo".into() });
    for words in ["5 any", "1 ppc64le"] {
        let input = such(&mut rack, words, 1, 1, true);
        let refusal = rack.refuse(input);
        assert!(refusal.to_string().contains("can never be had"), "{refusal}");
    }
}
