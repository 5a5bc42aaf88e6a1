//! Machines that wait in the ramdisk in which they were wiped, and are deployed there.

use crate::given::{disk, spec};
use crate::rack::{Rack, SECOND};
use hostler_core::attempt::{Phase, Purpose, Rung, Stage};
use hostler_core::boot::NetworkEvidence;
use hostler_core::explain;
use hostler_core::input::{Blame, PowerResult, Profile, Report};
use hostler_core::node::{Inventory, StateName};
use hostler_core::order;
use hostler_core::standby::Standby;

fn why(rack: &Rack, name: &str) -> String {
    explain::node(&rack.world, rack.node(name))
}

#[test]
fn a_lease_begins_on_the_boot_in_which_its_machine_was_wiped() {
    let mut rack = Rack::with(&["a"]);
    let (boot, told) = (rack.boot("a").id, order::task_id(rack.boot("a")));
    assert_eq!(why(&rack, "a"), "wiped and free; warm: its agent waits in the ramdisk");
    rack.wait_ms(5 * 3600 * SECOND);
    let began = rack.now;
    let lease = rack.lease("1 any");
    assert_eq!((rack.stage("a"), rack.boot("a").purpose), (Stage::Inspect, Purpose::Deploy));
    assert_ne!(
        order::task_id(rack.boot("a")),
        told & !0xff | Stage::Inspect as u64,
        "it was told that already"
    );
    rack.work("a", StateName::Leased);
    assert_eq!(rack.boot("a").id, boot);
    assert_eq!(rack.powered(), [], "no firmware ran");
    let phases: Vec<_> = rack.boot("a").phases.iter().map(|p| (p.phase, p.start >= began)).collect();
    assert_eq!(phases, [Phase::Inspect, Phase::Image, Phase::Deployed].map(|phase| (phase, true)));
    rack.release(lease);
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::First)], "no two tenants share a boot");
    rack.work("a", StateName::Ready);
    assert!(rack.boot("a").id > boot && rack.node("a").is_warm());
}

#[test]
fn a_machine_that_does_not_answer_boots_as_if_it_had_not_waited() {
    let mut rack = Rack::with(&["a"]);
    rack.lease("1 any");
    let late = rack.next_word("a");
    rack.wait_for("a");
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::First)], "none of its own boots has failed yet");
    assert_eq!(rack.boot("a").because.as_deref(), Some("inspection took too long"));
    rack.refuse(late);
    for rung in [Rung::Repeat, Rung::HardCycle, Rung::BmcReset] {
        while rack.powered() != [("a".to_owned(), rung)] {
            rack.wait_for("a");
        }
    }
}

#[test]
fn a_silent_one_boots_as_well_and_so_does_one_that_fails_to_write() {
    for silent in [true, false] {
        let mut rack = Rack::with(&["a"]);
        rack.lease("1 any");
        rack.work_to("a", Stage::Deploy);
        if silent {
            rack.chill("a");
            rack.wait_for("a");
        } else {
            let (task, reason) = (order::task_id(rack.boot("a")), "the disk answers with errors".into());
            let report = Report::Failed { task, reason, blame: Blame::Machine };
            let failed = rack.agent("a", Profile::Ramdisk, report);
            rack.accept(failed);
        }
        assert_eq!(rack.powered(), [("a".to_owned(), Rung::First)]);
        rack.work("a", StateName::Leased);
    }
}

#[test]
fn invariant_3_a_disk_that_came_while_it_waited_is_found() {
    let mut rack = Rack::with(&["a", "b"]);
    let disks = vec![disk("D1", true), disk("D2", false)];
    let inventory = Inventory { disks, ..rack.inventory("a") };
    rack.inventories.insert("a".into(), inventory);
    let lease = rack.lease("1 any");
    rack.word("a");
    assert_eq!(rack.state("a"), StateName::Failed);
    assert_eq!(rack.group(lease), ["b"]);
}

#[test]
fn invariant_4_what_it_said_when_it_was_prepared_is_no_answer_to_a_lease() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    rack.work_to("a", Stage::Inspect);
    let old = rack.next_word("a");
    rack.work("a", StateName::Ready);
    rack.lease("1 any");
    let before = rack.node("a").clone();
    rack.accept(old);
    assert_eq!(*rack.node("a"), before);
}

#[test]
fn one_that_is_silent_or_has_restarted_by_itself_is_cold_and_has_to_boot() {
    for restarted in [true, false] {
        let mut rack = Rack::with(&["a"]);
        if restarted {
            let script = rack.network("a", NetworkEvidence::Script);
            rack.accept(script);
            assert_eq!(why(&rack, "a"), "wiped and free; cold: it has restarted by itself, and has to boot");
        } else {
            rack.chill("a");
            assert_eq!(why(&rack, "a"), "wiped and free; cold: it has to boot; its agent is silent");
        }
        assert_eq!(rack.node("a").standby(), Some(Standby::Cold));
        rack.lease("1 any");
        assert_eq!(rack.powered(), [("a".to_owned(), Rung::First)]);
        rack.work("a", StateName::Leased);
    }
}

#[test]
fn whoever_is_warm_is_given_first_and_of_these_the_least_recently_used() {
    let mut rack = Rack::with(&["a", "b", "c", "d"]);
    let lease = rack.active("1 any");
    assert_eq!(rack.group(lease), ["a"]);
    rack.release(lease);
    rack.work("a", StateName::Ready);
    rack.chill("b");
    let leases = [(); 4].map(|()| rack.lease("1 any"));
    let groups = leases.map(|lease| rack.group(lease));
    assert_eq!(groups, [["c"], ["d"], ["a"], ["b"]]);
}

#[test]
fn a_substitute_is_a_warm_one_as_well() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    rack.chill("a");
    rack.chill("b");
    let lease = rack.lease("1 any among a b c");
    assert_eq!(rack.group(lease), ["c"]);
    let other = rack.lease("1 any");
    assert_eq!(rack.group(other), ["a"], "of those that have to boot, the least recently used");
    rack.release(lease);
    rack.work("c", StateName::Ready);
    let denied = rack.answer("a", PowerResult::Denied { detail: "no".into() });
    rack.accept(denied);
    assert_eq!(rack.group(other), ["c"], "b was used less recently, and has to boot");
}
