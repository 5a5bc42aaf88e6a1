//! What is asked of the machines of a group together.

use crate::given::{bmc, members, spec};
use crate::rack::Rack;
use hostler_core::course::Terms;
use hostler_core::input::{Input, PowerResult};
use hostler_core::lease::{LeaseSpec, LeaseState};
use hostler_core::node::{NodeSpec, StateName};
use hostler_core::schedule;

/// Machines, each "name rack switch"; "-" for what nobody said.
fn rack(machines: &[&str]) -> Rack {
    let mut rack = Rack::new();
    for machine in machines {
        let words: Vec<_> = machine.split(' ').collect();
        let place = |index: usize| words.get(index).filter(|w| **w != "-").map(|w| (*w).to_owned());
        rack.register(NodeSpec { rack: place(1), switch: place(2), ..spec(words[0]) });
    }
    for machine in machines {
        rack.work(crate::given::name_of(machine), StateName::Ready);
    }
    rack
}

/// Which machines the request gets, or "waits", or why it never can.
fn ask(machines: &[&str], busy: &str, request: &str) -> String {
    let mut rack = rack(machines);
    if !busy.is_empty() {
        rack.active(busy);
    }
    let input = rack.ask(request);
    match rack.tell(input) {
        Err(refusal) => refusal.to_string(),
        Ok(_) => match rack.world.leases.values().last().expect("a lease") {
            lease if lease.is_queued() => "waits".to_owned(),
            lease => rack.group(lease.id).join(" "),
        },
    }
}

#[test]
fn machines_that_have_something_in_common() {
    let machines = ["a r1 s1", "b r2 s1", "c r2 s2", "d r1 s2"];
    for (busy, request, expected) in [
        ("", "2 any; same rack", "a d"),
        ("1 any among a", "2 any; same rack", "b c"),
        ("1 any among a", "2 any; same switch", "c d"),
        ("2 any among a b", "2 any; same rack", "waits"),
        // Only the first role has to be together.
        ("1 any among a", "2 any + 1 any; same rack of r0", "b c d"),
        ("", "2 any + 2 any; same rack of r0; same rack of r1", "a d b c"),
        ("", "1 any + 1 any among b; same rack", "c b"),
        ("", "2 any; same rack; same switch", "same rack; same switch"),
    ] {
        let got = ask(&machines, busy, request);
        if expected.contains(';') {
            assert!(got.contains("could be had one by one, but not all at once"), "{request}: {got}");
        } else {
            assert_eq!(got, expected, "{request}, busy: {busy}");
        }
    }
}

#[test]
fn machines_that_have_nothing_in_common() {
    let machines = ["a r1 s1", "b r1 s2", "c r2 s1", "d r3 s2"];
    for (busy, request, expected) in [
        ("", "3 any; different rack", "a c d"),
        ("1 any among a", "3 any; different rack", "b c d"),
        // The first choice of the first role would leave the second with nothing.
        ("", "1 any + 1 any among a; different rack", "c a"),
        ("", "2 any; different rack; different switch", "a d"),
        ("", "2 any; different rack; same switch", "a c"),
        ("", "2 any + 1 any; different rack of r0", "a c b"),
        ("1 any among c", "3 any; different rack", "waits"),
    ] {
        assert_eq!(ask(&machines, busy, request), expected, "{request}, busy: {busy}");
    }
}

#[test]
fn a_range_takes_the_place_with_most_room() {
    let machines = ["a r1", "b r2", "c r2", "d r2", "e r1"];
    assert_eq!(ask(&machines, "", "1..4 any; same rack"), "b c d");
    assert_eq!(ask(&machines, "", "1..4 any; different rack"), "a b");
}

#[test]
fn a_machine_of_which_nobody_knows_where_it_stands_is_not_together_with_any() {
    assert_eq!(ask(&["a r1", "b -", "c -", "d r1"], "", "2 any; same rack"), "a d");
    assert_eq!(
        ask(&["a r1", "b -", "c -"], "", "2 any; same rack"),
        "same rack can never be had for 2 machines: the most of such machines that share one is 1 (r1); of 2 machines it \
         is not known"
    );
}

#[test]
fn what_can_never_be_had_is_told_with_what_there_is() {
    let machines = ["a r1", "b r1", "c r2", "d r2", "e r2"];
    for (request, expected) in [
        (
            "4 any; same rack",
            "same rack can never be had for 4 machines: the most of such machines that share one is 3 (r2)",
        ),
        (
            "3 any; different rack",
            "different rack can never be had for 3 machines: such machines have 2 of it",
        ),
        ("1 any; same rack of r7", "groupings: same rack of r7: there is no role \"r7\"; there is r0"),
        ("3..2 any", "members: role \"r0\": the range of machines ends before it begins"),
        ("1..2000 any", "members: 2000 machines; a group has at most 1024"),
    ] {
        assert_eq!(ask(&machines, "", request), expected, "{request}");
    }
    let many = format!("1 any{}", "; same rack".repeat(17));
    assert_eq!(ask(&machines, "", &many), "groupings: 17 of them; at most 16");
}

/// A substitute stands where the others do.
#[test]
fn a_substitute_is_as_the_group_was_asked_for() {
    for (request, expected) in
        [("2 any; same rack", Some("d")), ("2 any", Some("c")), ("2 any; different label.none", None)]
    {
        let mut rack = rack(&["a r1", "b r1", "c r2", "d r1"]);
        for name in ["a", "b", "c", "d"] {
            rack.chill(name);
        }
        let input = rack.ask(request);
        let Ok(_) = rack.tell(input) else {
            assert_eq!(expected, None, "{request}");
            continue;
        };
        let lease = rack.world.leases.values().last().unwrap().id;
        assert_eq!(rack.group(lease), ["a", "b"]);
        let denied = rack.answer("a", PowerResult::Denied { detail: "no".into() });
        rack.accept(denied);
        assert_eq!(Some(rack.group(lease)[0].as_str()), expected, "{request}");
    }
}

/// Against a search that tries everything.
#[test]
fn nothing_is_missed() {
    let places: Vec<_> = (0..7_u32).map(|i| format!("n{i} r{} s{}", i * i % 3, (i / 2) % 3)).collect();
    let machines: Vec<_> = places.iter().map(String::as_str).collect();
    let rack = rack(&machines);
    for request in [
        "2 any + 2 any; different rack of r0; different switch of r1",
        "3 any; different rack; different switch",
        "2 any + 1 any; same rack of r0; different rack of r1; different switch",
        "2 any + 2 any; same switch of r0; same rack of r1",
        "2 any; different rack; different switch; same pool",
        "1 any among n0 n3 + 1 any among n0 n6 + 1 any; different switch",
        "4 any; different rack",
        "2 any + 2 any; different rack",
    ] {
        let spec = LeaseSpec {
            members: members(request),
            groupings: crate::given::groupings(request),
            duration_ms: 1,
            max_wait_ms: 1,
            purpose: String::new(),
            ssh_keys: Vec::new(),
            terms: Terms::default(),
        };
        let found = schedule::satisfiable(&rack.world, &spec).is_ok();
        assert_eq!(found, exists(&rack, &spec, &mut Vec::new()), "{request}");
    }
}

/// Tries each machine for each slot.
fn exists(rack: &Rack, spec: &LeaseSpec, chosen: &mut Vec<usize>) -> bool {
    use hostler_core::constraint::Likeness;
    let slots: Vec<_> = spec.members.iter().flat_map(|m| std::iter::repeat_n(m, m.count as usize)).collect();
    let nodes: Vec<_> = rack.world.nodes.values().collect();
    let is_whole = |chosen: &[usize]| {
        spec.groupings.iter().all(|grouping| {
            let concerned = chosen.iter().zip(&slots).filter(|(_, member)| grouping.concerns(&member.role));
            let keys: Vec<_> = concerned.map(|(node, _)| grouping.key(nodes[*node])).collect();
            let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
            match grouping.likeness {
                Likeness::Same => distinct.len() <= 1,
                Likeness::Different => distinct.len() == keys.len(),
            }
        })
    };
    let Some(member) = slots.get(chosen.len()) else { return is_whole(chosen) };
    (0..nodes.len()).any(|node| {
        let suits = member.nodes.is_empty() || member.nodes.contains(&nodes[node].spec.name);
        if chosen.contains(&node) || !suits {
            return false;
        }
        chosen.push(node);
        let found = exists(rack, spec, chosen);
        chosen.pop();
        found
    })
}

/// As many racks, switches and cages as said, and a machine for each pair of the first two; the cage is their sum. Asking
/// for that many machines without anything in common asks for a transversal of a cyclic Latin square, and those of even
/// order have none, though every two of the three could be had.
fn latin_square(order: u8) -> Rack {
    let mut rack = Rack::new();
    let pairs = (0..order).flat_map(|row| (0..order).map(move |column| (row, column)));
    let node = |(row, column)| {
        let spec = NodeSpec {
            rack: Some(format!("r{row}")),
            switch: Some(format!("s{column}")),
            labels: [("cage".to_owned(), format!("c{}", (row + column) % order))].into(),
            address: std::net::Ipv4Addr::new(10, 1, row, column),
            mac: hostler_core::hardware::Mac([2, 0, 0, 0, row, column]),
            ..spec(&format!("n{row}-{column}"))
        };
        (spec.clone(), bmc(&spec))
    };
    rack.accept(Input::Apply { author: "ada".into(), nodes: pairs.map(node).collect() });
    rack
}

fn transversal(order: u8) -> Result<(), String> {
    let request = format!("{order} any; different rack; different switch; different label.cage");
    let spec =
        LeaseSpec { groupings: crate::given::groupings(&request), members: members(&request), ..empty() };
    schedule::satisfiable(&latin_square(order).world, &spec)
}

#[test]
fn what_only_all_together_make_impossible_is_found() {
    for order in [3, 5, 7] {
        assert_eq!(transversal(order), Ok(()), "{order}");
    }
    for order in [2, 4] {
        let refusal = transversal(order).unwrap_err();
        assert!(refusal.contains("could be had one by one, but not all at once"), "{order}: {refusal}");
    }
}

/// What would take for ever is refused in words, and soon.
#[test]
fn a_search_that_would_take_for_ever_is_given_up() {
    let refusal = transversal(12).unwrap_err();
    assert!(refusal.starts_with("the search for a group was given up"), "{refusal}");
}

fn empty() -> LeaseSpec {
    LeaseSpec {
        members: Vec::new(),
        groupings: Vec::new(),
        duration_ms: 1,
        max_wait_ms: 1,
        purpose: String::new(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    }
}

#[test]
fn a_waiting_group_is_told_what_it_waits_for() {
    let mut rack = rack(&["a r1", "b r1", "c r2"]);
    rack.active("1 any among a");
    let lease = rack.lease("2 any; same rack");
    assert!(matches!(rack.lease_state(lease), LeaseState::Queued { .. }));
    let text = hostler_core::explain::lease(&rack.world, rack.world.leases.get(lease).unwrap());
    assert_eq!(text, "waits for free machines that together are as asked: same rack");
}
