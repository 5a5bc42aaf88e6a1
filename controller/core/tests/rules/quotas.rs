//! What a tenant may not have, and how it is told.

use crate::rack::{Rack, SECOND, TENANT};
use hostler_core::calendar::Times;
use hostler_core::course::{Grant, MoreTime};
use hostler_core::hardware::Arch;
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::input::{AdminAction, Input, Refusal, Reply};
use hostler_core::lease::{LeaseSpec, LeaseState};
use hostler_core::node::StateName;
use hostler_core::schedule;
use hostler_core::tenancy::{Band, NodeHours, Setting, Standing};
use hostler_core::time::Timestamp;

const HOUR: u64 = 3600 * SECOND;

/// Ten node-hours in each hundred hours.
const TEN: Setting = Setting::NodeHours(Some(NodeHours { node_ms: 10 * HOUR, window_ms: 100 * HOUR }));

fn latest(rack: &Rack, lease: LeaseId) -> Option<Timestamp> {
    rack.world.leases.get(lease).and_then(|lease| lease.latest_start())
}

fn waits(rack: &Rack, lease: LeaseId) -> bool {
    matches!(rack.lease_state(lease), LeaseState::Queued { .. })
}

fn patient(hours: u64) -> impl Fn(&mut TenantId, &mut LeaseSpec) {
    move |_, spec| (spec.duration_ms, spec.max_wait_ms) = (hours * HOUR, 500 * HOUR)
}

#[test]
fn what_can_never_be_had_is_refused_with_the_number() {
    let settings = [
        Setting::Machines(Some(3)),
        Setting::MachinesOf(Arch::Ppc64le, Some(1)),
        TEN,
        Setting::Duration(Some(6 * HOUR)),
        Setting::Hold(Some(HOUR)),
        Setting::Priority(Band::Gate),
    ];
    type Change = fn(&mut LeaseSpec);
    let cases: [(&str, Change, &str); 7] = [
        ("4 x86_64", |_| (), "quota: 0 of 3 machines in use, 4 wanted: tenant kernel can never have this"),
        ("1..4 x86_64", |_| (), "quota: 0 of 3 machines in use, 4 wanted: tenant kernel can never have this"),
        (
            "2 ppc64le",
            |_| (),
            "quota: 0 of 1 ppc64le machines in use, 2 wanted: tenant kernel can never have this",
        ),
        (
            "3 x86_64",
            |spec| spec.duration_ms = 4 * HOUR,
            "quota: 0 of 10 node-hours per 4 d 4 h are taken, 12 wanted: tenant kernel can never have this",
        ),
        (
            "1 x86_64",
            |spec| spec.duration_ms = 7 * HOUR,
            "duration: 7 h: tenant kernel may ask for 6 h at most",
        ),
        (
            "1 x86_64",
            |spec| spec.terms.hold_ms = Some(2 * HOUR),
            "hold: 2 h: tenant kernel may ask for 1 h at most",
        ),
        (
            "1 x86_64",
            |spec| spec.terms.priority = Band::Interactive,
            "priority: interactive: tenant kernel may ask for gate at most",
        ),
    ];
    for (request, change, expected) in cases {
        let mut rack = Rack::with(&["a", "b", "c", "d", "p ppc64le", "q ppc64le"]);
        rack.set(&settings);
        let input = rack.ask_as(request, |_, spec| change(spec));
        let text = format!("{expected}; an administrator may allow it more");
        assert_eq!(rack.refuse(input), Refusal::Conflict(text), "{request}");
    }
}

#[test]
fn what_makes_no_sense_is_not_set() {
    let mut rack = Rack::new();
    let set = |name: &str, setting| Input::SetTenant {
        author: "ada".into(),
        name: name.into(),
        settings: vec![Setting::Machines(Some(1)), setting],
    };
    let refusal = Refusal::Invalid("share: 1 to 1000".into());
    assert_eq!(rack.refuse(set("kernel", Setting::Share(0))), refusal);
    assert_eq!(rack.world.tenant_named("kernel").unwrap().allowance.machines, None, "nor anything beside it");
    let refusal = Refusal::NotFound("there is no tenant \"kernal\"; `hostler tenant list` shows them".into());
    assert_eq!(rack.refuse(set("kernal", Setting::Share(1))), refusal);
}

/// A quota holds from the assignment until the machines are clean, and keeps nobody else from the machines.
#[test]
fn what_does_not_fit_now_waits_and_says_so() {
    let mut rack = Rack::with(&["a", "b", "c", "p ppc64le", "q ppc64le"]);
    let Reply::Tenant(other) = rack.accept(Input::AddTenant { name: "network".into() }) else { panic!() };
    rack.set(&[Setting::Machines(Some(2)), Setting::MachinesOf(Arch::Ppc64le, Some(1))]);
    let power = rack.active("1 ppc64le");
    let second = rack.lease("1 ppc64le");
    assert_eq!(rack.why(second), "quota: 1 of 1 ppc64le machines in use, 1 wanted");
    let pair = rack.lease("2 x86_64");
    assert_eq!(rack.why(pair), "quota: 1 of 2 machines in use, 2 wanted");
    assert_eq!((latest(&rack, pair), schedule::forecast(&rack.world, rack.now).get(&pair)), (None, None));
    let theirs = rack.lease_as("3 x86_64", |tenant, _| *tenant = other);
    assert_eq!(rack.group(theirs), ["a", "b", "c"]);
    rack.release(theirs);
    for name in ["a", "b", "c"] {
        rack.clean(name);
    }
    rack.release(power);
    assert!(waits(&rack, pair), "the machine is not clean yet");
    rack.clean("p");
    assert_eq!(rack.group(second).len(), 1);
    assert!(waits(&rack, pair), "beside it there is no room for the pair");
}

/// Whoever has waited for a day keeps machines for nobody's quota.
#[test]
fn age_reserves_nothing_that_a_quota_forbids() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    let Reply::Tenant(other) = rack.accept(Input::AddTenant { name: "network".into() }) else { panic!() };
    rack.set(&[Setting::Machines(Some(2))]);
    rack.lease_as("1 any", patient(400));
    rack.work("a", StateName::Leased);
    let pair = rack.lease_as("2 any", patient(1));
    rack.wait_ms(25 * HOUR);
    let long = rack.lease_as("2 any", |tenant, spec| {
        patient(60)(tenant, spec);
        *tenant = other;
    });
    assert_eq!(rack.group(long), ["b", "c"]);
    assert!(waits(&rack, pair));
}

/// Several leases of one tenant in one pass are held against what is left after each.
#[test]
fn a_pass_does_not_exceed_a_quota() {
    let mut rack = Rack::with(&["a", "b", "c", "d"]);
    for name in ["a", "b", "c", "d"] {
        rack.admin(name, AdminAction::drain("new fans")).unwrap();
    }
    rack.set(&[Setting::Machines(Some(3))]);
    let leases = [1, 2, 3].map(|n| rack.lease(&format!("{n} any")));
    let started = |rack: &Rack| leases.map(|lease| rack.group(lease).len()).iter().sum::<usize>();
    for name in ["a", "b", "c", "d"] {
        rack.admin(name, AdminAction::Resume).unwrap();
        assert!(started(&rack) <= 3);
    }
    assert_eq!(started(&rack), 3);
}

/// What may have machines of several architectures takes those of which the quota has some left.
#[test]
fn alternatives_are_chosen_by_what_the_quota_leaves() {
    let mut rack = Rack::with(&["a", "b aarch64", "c aarch64"]);
    rack.set(&[Setting::MachinesOf(Arch::Aarch64, Some(1))]);
    let pair = rack.lease("2 any");
    assert_eq!(rack.group(pair).len(), 2);
    assert!(rack.group(pair).contains(&"a".to_owned()), "{:?}", rack.group(pair));
    let next = rack.lease("1 any");
    assert_eq!(rack.why(next), "quota: 1 of 1 aarch64 machines in use, 1 wanted");
}

/// What was promised is set aside: later requests of the same tenant do not take it away, and it starts in time.
#[test]
fn a_quota_breaks_no_promise() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    let Reply::Tenant(other) = rack.accept(Input::AddTenant { name: "network".into() }) else { panic!() };
    rack.set(&[Setting::Machines(Some(2))]);
    let busy = rack.lease_as("2 any", |tenant, _| *tenant = other);
    let pair = rack.lease_as("2 any", patient(1));
    assert!(latest(&rack, pair).is_some(), "the quota has room for it");
    let single = rack.lease("1 any");
    assert_eq!(
        rack.why(single),
        "quota: 0 of 2 machines in use, 2 promised to leases that wait for them, 1 wanted"
    );
    rack.release(busy);
    for name in ["a", "b"] {
        rack.clean(name);
    }
    assert_eq!(rack.group(pair).len(), 2);
    // A smaller quota ends what was promised beyond it.
    let next = rack.lease_as("2 any", |tenant, _| *tenant = other);
    let theirs = rack.lease_as("3 any", |tenant, _| *tenant = other);
    assert!(waits(&rack, next) && latest(&rack, theirs).is_some());
    rack.heard();
    let settings = vec![Setting::Machines(Some(2))];
    rack.accept(Input::SetTenant { author: "ada".into(), name: "network".into(), settings });
    assert_eq!((latest(&rack, next).is_some(), latest(&rack, theirs)), (true, None), "the first fits still");
    assert_eq!(rack.heard(), ["tenant-set", "promise-withdrawn"]);
}

#[test]
fn machine_time_is_granted_at_once_and_given_back_when_it_is_not_used() {
    let mut rack = Rack::with(&["a", "b", "c"]);
    rack.set(&[TEN]);
    let granted = |rack: &Rack| {
        Standing::of(&rack.world, rack.world.tenants.get(TENANT).unwrap(), rack.now).granted_node_ms / HOUR
    };
    let pair = rack.lease_as("2 any", patient(4));
    rack.work("a", StateName::Leased);
    rack.work("b", StateName::Leased);
    assert_eq!(granted(&rack), 7, "eight, and a moment has passed");
    let next = rack.lease_as("1 any", patient(4));
    assert_eq!(rack.why(next), "quota: 7.9 of 10 node-hours per 4 d 4 h are taken, 4 wanted");
    rack.wait_ms(HOUR);
    rack.release(pair);
    assert_eq!(granted(&rack), 5, "two were used, and four are granted to the next one");
    assert_eq!(rack.group(next), ["c"]);
    rack.restart();
    assert_eq!(granted(&rack), 5, "it is remembered");
}

/// What a drain takes of a lease before it is active counts no more.
#[test]
fn machine_time_that_is_drained_is_given_back() {
    let mut rack = Rack::with(&["a"]);
    rack.set(&[TEN]);
    let lease = rack.lease_as("1 any", patient(8));
    let times = Times { deadline: Some(Timestamp(rack.now.0 + 2 * HOUR)), ..Times::default() };
    rack.admin("a", AdminAction::Drain { reason: "new fans".into(), times, anyway: true }).unwrap();
    rack.work("a", StateName::Leased);
    assert_eq!(rack.group(lease), ["a"]);
    let tenant = rack.world.tenants.get(TENANT).unwrap();
    let granted = Standing::of(&rack.world, tenant, rack.now).granted_node_ms;
    assert!((HOUR..=2 * HOUR).contains(&granted), "{granted} of two hours");
}

/// Time alone makes room: it has to bring about a decision.
#[test]
fn the_moment_at_which_a_quota_has_room_is_a_deadline() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.set(&[TEN]);
    rack.lease_as("1 any", patient(10));
    rack.work("a", StateName::Leased);
    let began = rack.now;
    let next = rack.lease_as("1 any", patient(1));
    while waits(&rack, next) {
        assert!(rack.now < Timestamp(began.0 + 11 * HOUR), "an hour is forgotten in ten");
        rack.wait();
    }
    assert!(rack.now > Timestamp(began.0 + 9 * HOUR), "after {:?}", rack.now.since(began));
    assert_eq!(rack.group(next), ["b"]);
}

#[test]
fn extensions_are_bounded() {
    let extend = |settings: &[Setting], hours: u64| {
        let mut rack = Rack::with(&["a"]);
        rack.set(settings);
        let lease = rack.active("1 any");
        let wanted = MoreTime::By(hours * HOUR);
        let input = Input::ExtendLease { lease, key: "more".into(), wanted, author: "kim".into() };
        match rack.accept(input) {
            Reply::Extended(Grant { granted_ms, note, .. }) => (granted_ms / HOUR, note.unwrap_or_default()),
            other => panic!("asked for more time, got {other:?}"),
        }
    };
    assert_eq!(extend(&[], 5), (5, String::new()));
    let (hours, note) = extend(&[Setting::Extension(Some(2 * HOUR))], 5);
    assert_eq!((hours, &*note), (2, "granted 2 h of 5 h: tenant kernel may extend a lease by 2 h at most"));
    let (hours, note) = extend(&[TEN], 12);
    assert_eq!(hours, 9);
    assert!(note.ends_with("quota: 0.9 of 10 node-hours per 4 d 4 h are taken"), "{note}");
}
