//! Agents that fall silent: one, and many at once.

use crate::rack::{Rack, SECOND};
use hostler_core::attempt::{Rung, Stage};
use hostler_core::input::{Input, Profile, Report};
use hostler_core::lease::LeaseState;
use hostler_core::node::{Presence, StateName};

fn lose(rack: &mut Rack, name: &str, profile: Profile) {
    let lost = rack.agent(name, profile, Report::Lost);
    rack.accept(lost);
}

fn hear(rack: &mut Rack, name: &str, profile: Profile) {
    let back = rack.agent(name, profile, Report::Back);
    rack.accept(back);
}

/// Machines that are being wiped.
fn wiping(count: usize) -> (Rack, Vec<String>) {
    let mut rack = Rack::new();
    let names: Vec<_> = (0..count).map(|i| format!("m{i}")).collect();
    for name in &names {
        rack.register(crate::given::spec(name));
        rack.work_to(name, Stage::Wipe);
    }
    rack.powered();
    (rack, names)
}

#[test]
fn a_silent_agent_drives_the_ladder_after_one_window_more() {
    let (mut rack, _) = wiping(1);
    lose(&mut rack, "m0", Profile::Ramdisk);
    rack.wait_ms(59 * SECOND);
    assert_eq!(rack.powered(), []);
    rack.wait_ms(2 * SECOND);
    assert_eq!(rack.powered(), [("m0".to_owned(), Rung::Repeat)]);
    assert_eq!(rack.boot("m0").because.as_deref(), Some("the agent went silent (wipe)"));
}

/// A wipe takes hours. A second of silence must not cost it.
#[test]
fn an_agent_that_is_heard_again_has_all_its_time_left() {
    let (mut rack, _) = wiping(1);
    let deadline = rack.node("m0").deadline;
    lose(&mut rack, "m0", Profile::Ramdisk);
    hear(&mut rack, "m0", Profile::Ramdisk);
    assert_eq!((rack.node("m0").deadline, rack.node("m0").agent), (deadline, Presence::Heard));
    rack.wait_ms(3600 * SECOND);
    assert_eq!(rack.powered(), []);
}

#[test]
fn leased_machines_are_never_touched_for_being_silent() {
    let mut rack = Rack::with(&["a", "b"]);
    let lease = rack.active("2 any");
    rack.powered();
    lose(&mut rack, "a", Profile::Tenant);
    rack.wait_ms(3000 * SECOND);
    assert_eq!(rack.powered(), []);
    assert_eq!(rack.state("a"), StateName::Leased);
    assert!(matches!(rack.lease_state(lease), LeaseState::Active { .. }));
    assert!(rack.heard().contains(&"agent-lost".to_owned()), "it is told all the same");
}

/// The ramdisk's agent goes when what was deployed is started: as ordered, and no sign of a dead network.
#[test]
fn the_silence_of_a_ramdisk_that_starts_the_deployed_system_is_as_ordered() {
    let names: Vec<_> = (0..12).map(|i| format!("m{i}")).collect();
    let mut rack = Rack::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    rack.lease("12 any");
    for name in &names {
        rack.work_to(name, Stage::Start);
    }
    rack.heard();
    for name in &names {
        lose(&mut rack, name, Profile::Ramdisk);
    }
    assert_eq!(rack.heard(), Vec::<String>::new());
}

/// Five machines, or a tenth of the pool: so many may fall silent together and still count one by one.
#[test]
fn more_than_five_and_a_tenth_of_a_pool_are_an_incident() {
    for (pool, silent, incident) in [(8, 5, false), (8, 6, true), (70, 7, false), (70, 8, true)] {
        let (mut rack, names) = wiping(pool);
        rack.heard();
        let messages: Vec<_> =
            names[..silent].iter().map(|n| rack.agent(n, Profile::Ramdisk, Report::Lost)).collect();
        for message in messages {
            rack.accept(message);
        }
        let told = rack.heard().contains(&"pool-silent".to_owned());
        assert_eq!(told, incident, "{silent} of {pool}");
        rack.wait_ms(300 * SECOND);
        assert_eq!(rack.powered().is_empty(), incident, "{silent} of {pool}");
    }
}

#[test]
fn silences_that_are_far_apart_are_no_incident() {
    let (mut rack, names) = wiping(8);
    rack.heard();
    for name in &names[..6] {
        lose(&mut rack, name, Profile::Ramdisk);
        rack.now.0 += 20 * SECOND;
    }
    assert!(!rack.heard().contains(&"pool-silent".to_owned()));
}

#[test]
fn when_the_network_is_back_everything_goes_on() {
    let (mut rack, names) = wiping(8);
    for name in &names {
        lose(&mut rack, name, Profile::Ramdisk);
    }
    rack.wait_ms(3600 * SECOND);
    for name in &names {
        hear(&mut rack, name, Profile::Ramdisk);
    }
    assert!(rack.heard().contains(&"pool-back".to_owned()));
    assert_eq!(rack.powered(), []);
    for name in &names {
        rack.work(name, StateName::Ready);
    }
}

/// The last few that are still silent get a window of their own before the ladder begins.
#[test]
fn those_that_stay_silent_after_an_incident_climb_the_ladder() {
    let (mut rack, names) = wiping(8);
    for name in &names {
        lose(&mut rack, name, Profile::Ramdisk);
    }
    rack.wait_ms(600 * SECOND);
    for name in &names[1..] {
        hear(&mut rack, name, Profile::Ramdisk);
    }
    rack.wait_ms(30 * SECOND);
    assert_eq!(rack.powered(), []);
    rack.wait_ms(31 * SECOND);
    assert_eq!(rack.powered(), [("m0".to_owned(), Rung::Repeat)]);
}

/// Nothing is heard any more, so that nothing tells that the incident is over. It ends all the same.
#[test]
fn an_incident_is_bounded() {
    let (mut rack, names) = wiping(8);
    for name in &names {
        lose(&mut rack, name, Profile::Ramdisk);
    }
    rack.wait_ms(23 * 3600 * SECOND);
    assert_eq!(rack.powered(), []);
    rack.wait_ms(3600 * SECOND);
    assert_eq!(rack.powered().len(), 8);
    assert!(rack.world.meta.incidents.is_empty());
}

/// Those that were silent are given back and cleaned: nobody is silent any more, and the incident is over.
#[test]
fn an_incident_ends_with_the_leases_whose_machines_were_silent() {
    let names: Vec<_> = (0..8).map(|i| format!("m{i}")).collect();
    let mut rack = Rack::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let lease = rack.active("8 any");
    for name in &names {
        lose(&mut rack, name, Profile::Tenant);
    }
    assert!(!rack.world.meta.incidents.is_empty());
    rack.release(lease);
    rack.accept(Input::Tick);
    assert!(rack.world.meta.incidents.is_empty());
}
