//! What missing evidence leads to, rung by rung.

use crate::given::{hello, spec, wiped};
use crate::rack::Rack;
use hostler_core::attempt::{PowerOutcome, Rung, Stage};
use hostler_core::boot::NetworkEvidence;
use hostler_core::explain;
use hostler_core::input::{AdminAction, Blame, Input, PowerResult, Profile, Report};
use hostler_core::node::{BmcSpec, HoldKind, NodeState, Sealed, StateName};
use hostler_core::order;

fn failed(detail: &str) -> PowerResult {
    PowerResult::Failed { detail: detail.into() }
}

/// The power attempts that a machine gets which never gives a sign, when each answer of its BMC is this one.
fn climb(answer: Option<PowerResult>) -> (Rack, Vec<Rung>) {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    let mut rungs = Vec::new();
    while rack.state("a") != StateName::Failed {
        rungs.extend(rack.powered().into_iter().map(|(_, rung)| rung));
        if let Some(result) = answer.clone()
            && rack.boot("a").power == PowerOutcome::Outstanding
        {
            let input = rack.answer("a", result);
            rack.accept(input);
        }
        rack.wait_for("a");
    }
    (rack, rungs)
}

const ALL: [Rung; 4] = [Rung::First, Rung::Repeat, Rung::HardCycle, Rung::BmcReset];

#[test]
fn a_machine_that_gives_no_sign_climbs_every_rung_and_is_given_up() {
    for answer in [
        Some(PowerResult::Acknowledged { guid: None, detail: "on".into() }),
        Some(failed("the session timed out")),
        None,
    ] {
        let (rack, rungs) = climb(answer.clone());
        assert_eq!(rungs, ALL, "with the answer {answer:?}");
        assert_eq!(rack.holds("a"), [HoldKind::Quarantine]);
        let NodeState::Failed { step, evidence } = &rack.node("a").state else { panic!("not failed") };
        assert_eq!(step, "boot");
        assert!(evidence.contains("of the machine was seen: nothing"), "{evidence}");
    }
}

#[test]
fn each_attempt_says_why_the_one_before_was_given_up() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    rack.word("a");
    rack.wait_for("a");
    let boot = rack.boot("a");
    assert_eq!(
        (boot.rung, boot.because.as_deref()),
        (Rung::Repeat, Some("no sign of the machine's firmware"))
    );
}

/// Which stage is waited for in vain, and what the next attempt says about it.
#[test]
fn every_stage_has_a_bound() {
    for (purpose, stage, because) in [
        (StateName::Inspecting, Stage::Firmware, "the firmware was seen, its boot script was not read"),
        (StateName::Inspecting, Stage::Enrolled, "the agent enrolled and never said hello"),
        (StateName::Inspecting, Stage::Inspect, "inspection took too long"),
        (StateName::Cleaning, Stage::Wipe, "wipe took too long"),
        (StateName::Deploying, Stage::Deploy, "image write took too long"),
        (StateName::Deploying, Stage::Start, "the deployed system's agent was not seen"),
    ] {
        let mut rack = Rack::with_cold(&["a"]);
        if purpose == StateName::Deploying {
            rack.lease("1 any");
        } else {
            rack.admin("a", AdminAction::Repair).unwrap();
        }
        while rack.boot("a").power == PowerOutcome::Outstanding || !rack.boot("a").was_seen() {
            rack.word("a");
        }
        rack.work_to("a", stage);
        rack.wait_for("a");
        let boot = rack.boot("a");
        assert_eq!((boot.rung, boot.because.as_deref()), (Rung::Repeat, Some(because)), "at {stage:?}");
        assert_eq!(rack.state("a"), if purpose == StateName::Deploying { purpose } else { rack.state("a") });
    }
}

#[test]
fn what_an_agent_cannot_do_drives_the_ladder() {
    let mut rack = Rack::with_cold(&["a"]);
    rack.lease("1 any");
    rack.work_to("a", Stage::Deploy);
    let task = order::task_id(rack.boot("a"));
    let wrong = rack.agent(
        "a",
        Profile::Ramdisk,
        Report::Deployed { task, sha256: "bad".into(), host_keys: Vec::new() },
    );
    rack.accept(wrong);
    assert_eq!(rack.boot("a").because.as_deref(), Some("the image written has the digest bad, not f0"));
    rack.work_to("a", Stage::Deploy);
    let task = order::task_id(rack.boot("a"));
    let failed = rack.agent(
        "a",
        Profile::Ramdisk,
        Report::Failed { task, reason: "no space".into(), blame: Blame::Machine },
    );
    rack.accept(failed);
    assert_eq!(rack.boot("a").because.as_deref(), Some("the agent reports: no space"));
    assert_eq!(rack.boot("a").rung, Rung::HardCycle);
    rack.work_to("a", Stage::Deploy);
    let task = order::task_id(rack.boot("a"));
    let reason = "no space still".into();
    let again = rack.agent("a", Profile::Ramdisk, Report::Failed { task, reason, blame: Blame::Machine });
    rack.accept(again);
    assert_eq!(rack.state("a"), StateName::Cleaning, "no reset of its BMC would help: it proves itself");
}

#[test]
fn a_wipe_that_was_not_read_back_is_no_wipe() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    rack.work_to("a", Stage::Wipe);
    let task = order::task_id(rack.boot("a"));
    let mut disks = wiped(rack.node("a"));
    disks[0].verified = false;
    let report = rack.agent("a", Profile::Ramdisk, Report::Wiped { task, disks });
    rack.accept(report);
    assert_eq!((rack.state("a"), rack.boot("a").rung), (StateName::Cleaning, Rung::Repeat));
    let because = rack.boot("a").because.clone().unwrap();
    assert!(because.starts_with("the wipe was not verified of /dev/disk/D1"), "{because}");
}

#[test]
fn an_account_that_is_refused_is_tried_once() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    let denied = rack.answer("a", PowerResult::Denied { detail: "unauthorized name".into() });
    rack.accept(denied);
    assert_eq!(rack.powered(), [("a".to_owned(), Rung::First)]);
    assert_eq!((rack.state("a"), rack.holds("a")), (StateName::Failed, vec![HoldKind::Quarantine]));
    rack.wait_ms(30 * 24 * 3600 * 1000);
    assert_eq!(rack.powered(), []);
}

/// Two machines on one BMC: `a` may have its BMC reset only if `b` is not in a tenant's hands.
#[test]
fn a_bmc_is_not_reset_under_a_leased_sibling() {
    for (sibling_leased, expected) in [(true, &ALL[..3]), (false, &ALL[..])] {
        let mut rack = Rack::new();
        for name in ["a", "b"] {
            let account = BmcSpec {
                address: "blades:623".into(),
                user: "hostler".into(),
                password: Sealed("sealed".into()),
                cipher_suite: 3,
                shared: true,
            };
            let node = (spec(name), account);
            rack.accept(Input::Apply { author: "ada".into(), nodes: vec![node] });
            rack.work(name, StateName::Ready);
        }
        if sibling_leased {
            rack.active("1 any among b");
        }
        rack.powered();
        rack.admin("a", AdminAction::Repair).unwrap();
        let mut rungs = Vec::new();
        while rack.state("a") != StateName::Failed {
            rungs.extend(rack.powered().into_iter().filter(|(name, _)| name == "a").map(|(_, rung)| rung));
            if rack.boot("a").power == PowerOutcome::Outstanding {
                rack.word("a");
            }
            rack.wait_ms(600_000);
        }
        assert_eq!(rungs, expected, "sibling leased: {sibling_leased}");
    }
}

#[test]
fn a_machine_that_restarts_by_itself_gets_a_new_attempt() {
    let mut rack = Rack::with(&["a"]);
    rack.lease("1 any");
    rack.work_to("a", Stage::Deploy);
    let again = rack.network("a", NetworkEvidence::Script);
    rack.accept(again);
    let because = rack.boot("a").because.clone().unwrap();
    assert_eq!(because, "the machine restarted by itself: its boot script was asked for again");
    assert_eq!(rack.boot("a").stage, Stage::Firmware);
}

/// What an administrator reads when kernel and ramdisk do not run on a machine, so that a panic restarts it.
#[test]
fn firmware_that_runs_again_before_the_agent_does_is_told() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    let last = |rack: &mut Rack, kind| {
        let seen = rack.network("a", kind);
        rack.accept(seen);
        (explain::node(&rack.world, rack.node("a")), rack.boot("a").id)
    };
    rack.word("a");
    for kind in [NetworkEvidence::Dhcp, NetworkEvidence::Dhcp, NetworkEvidence::Script, NetworkEvidence::Http]
    {
        let (reason, _) = last(&mut rack, kind);
        assert!(!reason.contains("begun again"), "{kind:?}: {reason}");
    }
    let (reason, boot) = last(&mut rack, NetworkEvidence::Dhcp);
    assert!(reason.contains("begun again from its firmware"), "{reason}");
    assert_eq!(rack.boot("a").id, boot, "it may yet come up");
    rack.wait_for("a");
    let because = rack.boot("a").because.clone().unwrap();
    assert!(because.ends_with("kernel or ramdisk do not run on it, its console says why"), "{because}");
}

/// The script was rendered before the agent enrolled; that this is heard afterwards means nothing.
#[test]
fn evidence_that_comes_late_is_no_restart() {
    let mut rack = Rack::with_cold(&["a"]);
    rack.lease("1 any");
    let script = loop {
        let word = rack.next_word("a");
        rack.accept(word.clone());
        if matches!(word, Input::Network { evidence: NetworkEvidence::Script, .. }) {
            break word;
        }
    };
    rack.work_to("a", Stage::Inspect);
    let boot = rack.boot("a").id;
    rack.accept(script);
    assert_eq!(rack.boot("a").id, boot);
}

#[test]
fn an_answer_counts_once() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    let ack = rack.ack("a");
    rack.accept(ack.clone());
    let before = rack.node("a").clone();
    let late_failure = rack.answer("a", failed("late"));
    let denial = rack.answer("a", PowerResult::Denied { detail: "late".into() });
    for late in [ack, late_failure, denial] {
        rack.accept(late.clone());
        assert_eq!(*rack.node("a"), before, "{late:?}");
    }
}

/// The time for the machine to show itself begins with the answer, and a late answer still makes known what was not.
#[test]
fn a_late_answer_makes_known_what_was_unknown() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    rack.wait_for("a");
    assert!(matches!(rack.boot("a").power, PowerOutcome::Unknown { .. }));
    let ack = rack.ack("a");
    rack.accept(ack);
    assert!(matches!(rack.boot("a").power, PowerOutcome::Acknowledged { .. }));
    assert_eq!(rack.boot("a").rung, Rung::First);
}

/// What happens to one overdue machine may give another, also overdue, a new wait: then that one is not overdue.
#[test]
fn a_machine_that_was_just_given_a_new_boot_is_not_overdue() {
    let mut rack = Rack::with_cold(&["a", "b"]);
    rack.lease("2 any");
    for name in ["a", "b"] {
        for _ in 0..2 {
            rack.work_to(name, Stage::Enrolled);
            rack.accept(Input::Tick);
            let stale = rack.boot(name).id;
            while rack.boot(name).id == stale {
                let task = order::task_id(rack.boot(name));
                let report = if rack.stage(name) >= Stage::Inspect {
                    Report::Failed { task, reason: "no".into(), blame: Blame::Machine }
                } else {
                    hello(0, &[])
                };
                let input = rack.agent(name, Profile::Ramdisk, report);
                rack.accept(input);
            }
        }
        rack.work_to(name, Stage::Inspect);
    }
    // Both are on the last rung that helps machines whose agents speak, and run out of time together: `a` dissolves the group, and `b` goes to be wiped.
    rack.wait_ms(24 * 3600 * 1000);
    assert_eq!((rack.state("a"), rack.state("b")), (StateName::Cleaning, StateName::Cleaning));
    assert_eq!(rack.boot("b").power, PowerOutcome::Outstanding);
}
