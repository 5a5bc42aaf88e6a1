//! What is refused because it makes no sense or would grow without bound.

use crate::given::members;
use crate::rack::{Rack, TENANT};
use hostler_core::attempt::{Rung, Stage};
use hostler_core::boot::NetworkEvidence;
use hostler_core::course::Terms;
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::input::{AdminAction, Blame, Input, Profile, Refusal, Reply, Report};
use hostler_core::lease::{Lease, LeaseSpec};
use hostler_core::node::Inventory;
use hostler_core::order;
use hostler_core::world::Change;

fn request(change: impl FnOnce(&mut LeaseSpec)) -> Input {
    let mut spec = LeaseSpec {
        members: members("1 any"),
        groupings: Vec::new(),
        duration_ms: 1,
        max_wait_ms: 1,
        purpose: String::new(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    };
    change(&mut spec);
    Input::RequestLease { tenant: TENANT, key: "key".into(), spec }
}

#[test]
fn a_request_that_makes_no_sense_is_told_what_is_wrong_with_it() {
    let mut rack = Rack::with(&["a"]);
    for (input, text) in [
        (request(|s| s.members.clear()), "members: ask for at least one machine"),
        (request(|s| s.members[0].count = 0), "members: role \"r0\" asks for 0 machines"),
        (request(|s| s.members[0].count = 1025), "members: 1025 machines; a group has at most 1024"),
        (request(|s| s.members.push(s.members[0].clone())), "members: the role \"r0\" is named twice"),
        (
            request(|s| s.members[0].image.clear()),
            "members: role \"r0\" names no image; see `hostler image list`",
        ),
        (request(|s| s.duration_ms = 0), "duration: more than nothing and at most 30 days"),
        (request(|s| s.max_wait_ms = u64::MAX), "max_wait: more than nothing and at most 30 days"),
        (request(|s| s.ssh_keys = vec!["x".repeat(4097); 2]), "ssh_keys: 8194 bytes; at most 8192"),
        (request(|s| s.purpose = "x".repeat(257)), "purpose: at most 256 bytes"),
    ] {
        assert_eq!(rack.refuse(input), Refusal::Invalid(text.into()));
    }
    for key in [String::new(), "x".repeat(129)] {
        let Input::RequestLease { tenant, spec, .. } = request(|_| {}) else { panic!("no request") };
        let refusal = rack.refuse(Input::RequestLease { tenant, key, spec });
        assert_eq!(refusal, Refusal::Invalid("idempotency_key: 1 to 128 bytes".into()));
    }
}

/// Comments are for the people who wrote them; the key of a repeated request may have another.
#[test]
fn only_the_keys_of_a_request_are_kept() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    let mut rack = Rack::with(&["a"]);
    let with = |comment: &str| request(|s| s.ssh_keys = vec![format!("{KEY} {comment}")]);
    let Reply::Lease(lease) = rack.accept(with("ci@one")) else { panic!("no lease") };
    assert_eq!(rack.world.leases.get(lease).unwrap().spec.ssh_keys, [KEY]);
    assert_eq!(rack.accept(with("ci@two")), Reply::Lease(lease));
}

#[test]
fn a_payload_that_makes_no_sense_is_told_what_is_wrong_with_it() {
    let mut rack = Rack::with(&["a"]);
    let lease = rack.active("1 any");
    let environment = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    for (command, environment, text) in [
        (vec![], environment("A", "b"), "command: name a program"),
        (vec![""], environment("A", "b"), "command: name a program"),
        (vec!["a\0"], environment("A", "b"), "command and environment: no NUL bytes"),
        (vec!["a"], environment("A=B", ""), "environment: \"A=B\" is no name of a variable"),
        (
            vec!["a"],
            environment("HOSTLER_LEASE", ""),
            "environment: HOSTLER_LEASE: names beginning with HOSTLER_ are the agent's",
        ),
        (
            vec!["a"],
            environment("A", &"x".repeat(200_000)),
            "command, environment and JUnit patterns: at most 128 KiB together, and 64 patterns",
        ),
    ] {
        let Input::StartRun { lease, key, mut spec } = rack.start_run(lease, "run") else { panic!("no run") };
        spec.command = command.into_iter().map(str::to_owned).collect();
        spec.environment = environment;
        let refusal = rack.refuse(Input::StartRun { lease, key, spec });
        assert_eq!(refusal, Refusal::Invalid(text.into()));
    }
}

#[test]
fn a_tenant_that_asks_in_a_loop_is_stopped() {
    let mut rack = Rack::with(&["a"]);
    rack.admin("a", AdminAction::drain("new fans")).unwrap();
    for _ in 0..10_000 {
        rack.lease("1 any");
    }
    let one_more = rack.ask("1 any");
    let refusal = rack.refuse(one_more);
    assert_eq!(refusal, Refusal::Conflict("10000 requests of this tenant are waiting already".into()));
    assert_eq!(rack.accept(Input::AddTenant { name: "other".into() }), Reply::Tenant(TenantId(2)));
}

/// Who asks and gives back in a loop does not fill the memory: the oldest are forgotten before their time.
#[test]
fn closed_leases_are_remembered_within_bounds() {
    let mut rack = Rack::with(&["a"]);
    rack.active("1 any");
    let first = rack.lease("1 any");
    rack.release(first);
    let closed = rack.world.leases.get(first).unwrap().clone();
    let copies = (1_000_001..1_100_000).map(|number| {
        let (id, key) = (LeaseId(number), format!("copy {number}"));
        Change::Lease(Box::new(Lease { id, key, ..closed.clone() }))
    });
    rack.world.restore(copies);
    let next = rack.lease("1 any");
    rack.release(next);
    assert!(rack.world.leases.get(first).is_none(), "the oldest is forgotten");
    assert_eq!(rack.world.leases.len(), 100_001, "the others, and the one that is active, are not");
}

#[test]
fn what_an_agent_says_is_bounded_before_it_is_kept() {
    let mut rack = Rack::with(&["a"]);
    rack.admin("a", AdminAction::Repair).unwrap();
    rack.work_to("a", Stage::Inspect);
    let task = order::task_id(rack.boot("a"));
    let huge = Inventory { product: "x".repeat(1 << 20), ..rack.inventory("a") };
    let report = rack.agent("a", Profile::Ramdisk, Report::Inspected { task, inventory: huge });
    rack.accept(report);
    assert_eq!(rack.boot("a").rung, Rung::Repeat);
    assert!(rack.node("a").inventory.is_none());
    rack.work_to("a", Stage::Inspect);
    let task = order::task_id(rack.boot("a"));
    let reason = "x".repeat(1 << 20);
    let report = rack.agent("a", Profile::Ramdisk, Report::Failed { task, reason, blame: Blame::Machine });
    rack.accept(report);
    assert!(rack.boot("a").because.as_ref().unwrap().len() < 1024);
}

/// A boot keeps the first evidence of each kind, however often the machine asks.
#[test]
fn evidence_is_bounded() {
    let mut rack = Rack::with(&["a"]);
    rack.admin("a", AdminAction::Repair).unwrap();
    rack.word("a");
    for _ in 0..1000 {
        for evidence in
            [NetworkEvidence::Dhcp, NetworkEvidence::Tftp, NetworkEvidence::Http, NetworkEvidence::Script]
        {
            let seen = rack.network("a", evidence);
            rack.accept(seen);
        }
    }
    // One more says that the firmware ran again.
    assert_eq!(rack.boot("a").evidence.len(), 5);
    assert!(rack.boot("a").phases.len() <= 4);
}
