//! What would come of a request, and what it could do without.

use crate::given::{groupings, members, spec};
use crate::rack::{Rack, SECOND};
use hostler_core::course::Terms;
use hostler_core::input::{Input, Refusal};
use hostler_core::lease::LeaseSpec;
use hostler_core::node::{Inventory, NodeSpec, StateName};
use hostler_core::request::Preview;
use hostler_core::step::preview_request;
use hostler_core::tenancy::{Band, Setting};
use hostler_core::time::Timestamp;

fn rack() -> Rack {
    let mut rack = Rack::new();
    for (machine, place, cpu_cores) in
        [("a", "r1", 8), ("b", "r1", 8), ("c", "r2", 16), ("d aarch64", "r2", 64)]
    {
        let spec = NodeSpec { rack: Some(place.into()), ..spec(machine) };
        let name = spec.name.clone();
        rack.register(spec);
        let inventory = Inventory { cpu_cores, ..rack.inventory(&name) };
        rack.inventories.insert(name.clone(), inventory);
        rack.work(&name, StateName::Ready);
    }
    rack
}

fn asked(rack: &Rack, request: &str) -> Result<Preview, Refusal> {
    let spec = LeaseSpec {
        members: members(request),
        groupings: groupings(request),
        duration_ms: 1,
        max_wait_ms: 1,
        purpose: String::new(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    };
    preview_request(&rack.world, None, &spec)
}

fn changes(preview: &Preview) -> Vec<String> {
    let shown = |r: &hostler_core::request::Relaxation| {
        format!("{}, {}", if r.now { "now" } else { "later" }, r.change)
    };
    preview.relaxations.iter().map(shown).collect()
}

#[test]
fn a_request_that_fits_names_its_machines() {
    let rack = rack();
    let preview = asked(&rack, "2 x86_64 + 1 aarch64").unwrap();
    assert!(preview.fits_now && preview.never.is_none() && preview.waits_for.is_empty());
    let gets: Vec<_> = preview.roles.iter().map(|role| role.gets.join(" ")).collect();
    assert_eq!(gets, ["a b", "d"]);
    assert_eq!(preview.roles[0].free, ["a", "b", "c"]);
    assert_eq!(preview.relaxations, []);
    assert!(rack.world.leases.values().next().is_none(), "nothing was asked for");
}

#[test]
fn a_request_that_waits_is_told_for_what_and_what_would_help() {
    let mut rack = rack();
    rack.active("1 any among a");
    let preview = asked(&rack, "2 x86_64 where cpu.cores < 16; same rack").unwrap();
    assert_eq!((preview.never.as_deref(), preview.fits_now), (None, false));
    assert_eq!(preview.waits_for, "2 machines for role \"r0\": 1 free, 1 leased");
    assert_eq!(preview.roles[0].busy, [("a".to_owned(), "leased".to_owned())]);
    // Two changes at once are not looked for.
    assert_eq!(changes(&preview), ["now, with 1 instead of 2"]);
    let preview = asked(&rack, "2 x86_64; same rack").unwrap();
    assert_eq!(preview.waits_for, "free machines that together are as asked: same rack");
    assert_eq!(
        changes(&preview),
        ["now, without same rack", "now, with aarch64 as an alternative", "now, with 1 instead of 2"]
    );
}

#[test]
fn a_request_that_can_never_be_had_is_told_what_would_help_at_all() {
    let mut rack = rack();
    rack.active("1 any among d");
    let preview = asked(&rack, "1 x86_64 where cpu.cores >= 32").unwrap();
    assert_eq!(
        preview.never.as_deref(),
        Some(
            "1 x x86_64 with cpu.cores >= 32 for role \"r0\" can never be had: 0 of such machines are registered; no such \
             machine has cpu.cores >= 32; the most is 16"
        )
    );
    assert_eq!(changes(&preview), ["now, without cpu.cores >= 32", "later, with aarch64 as an alternative"]);
    let preview = asked(&rack, "3 x86_64 where cpu.cores >= 8 + 5 aarch64").unwrap();
    assert_eq!(changes(&preview), ["later, with 1 instead of 5 for role \"r1\""]);
}

#[test]
fn nonsense_is_refused_as_a_request_is() {
    let rack = rack();
    assert!(matches!(asked(&rack, "0 any"), Err(Refusal::Invalid(_))));
    assert!(matches!(asked(&rack, "1 any; same rack of nobody"), Err(Refusal::Invalid(_))));
}

/// Everything that suits is in use: what would start sooner is told with how much.
#[test]
fn what_would_start_sooner_is_told_with_its_time() {
    let mut rack = Rack::with(&["a", "b", "c aarch64"]);
    let lasting =
        |hours: u64| move |_: &mut _, spec: &mut LeaseSpec| spec.duration_ms = hours * 3600 * SECOND;
    let long = rack.lease_as("1 any among a", lasting(6));
    let short = rack.lease_as("1 aarch64", lasting(1));
    let middle = rack.lease_as("1 any among b", lasting(3));
    for (lease, node) in [(long, "a"), (middle, "b"), (short, "c")] {
        assert_eq!(rack.group(lease), [node]);
        rack.work(node, StateName::Leased);
    }
    let preview = asked(&rack, "1 x86_64 among a").unwrap();
    let hours = |at: Option<Timestamp>| at.map(|at| (at.0 - rack.now.0) / (3600 * SECOND));
    assert_eq!(hours(preview.start), Some(6));
    let sooner: Vec<_> = preview.relaxations.iter().map(|r| (r.change.as_str(), hours(r.start))).collect();
    assert_eq!(sooner, [("without the names of machines", Some(3))]);
    let preview = asked(&rack, "1 x86_64").unwrap();
    let sooner: Vec<_> = preview.relaxations.iter().map(|r| (r.change.as_str(), hours(r.start))).collect();
    assert_eq!(sooner, [("with aarch64 as an alternative", Some(1))]);
}

/// Whom a quota keeps waiting is told no time.
#[test]
fn a_quota_is_told_as_it_is() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.set(&[Setting::Machines(Some(1))]);
    let busy = rack.active("1 any");
    let Input::RequestLease { tenant, spec, .. } = rack.ask("1 any") else { unreachable!() };
    let start = |rack: &Rack, tenant| preview_request(&rack.world, tenant, &spec).unwrap().start;
    assert_eq!((start(&rack, Some(tenant)), start(&rack, None)), (None, Some(rack.now)));
    let preview = preview_request(&rack.world, Some(tenant), &spec).unwrap();
    assert!(!preview.fits_now && preview.waits_for.starts_with("quota: 1 of 1"), "{preview:?}");
    rack.set(&[Setting::Machines(Some(2))]);
    assert_eq!(start(&rack, Some(tenant)), Some(rack.now), "beside {busy}");
}

/// What would be refused is refused, and what would wait waits.
#[test]
fn what_is_told_is_what_would_come() {
    let mut rack = Rack::with(&["a"]);
    let Input::RequestLease { tenant, spec, .. } = rack.ask("1 any") else { unreachable!() };
    let asked =
        |terms: Terms| preview_request(&rack.world, Some(tenant), &LeaseSpec { terms, ..spec.clone() });
    for (terms, refused) in [
        (Terms { priority: Band::Admin, ..Terms::default() }, "priority: admin: tenant"),
        (Terms { keepalive_ms: Some(1_000), ..Terms::default() }, "keepalive: at least 10 seconds"),
        (Terms { reservation: Some("demo".into()), ..Terms::default() }, "this tenant has no reservation"),
    ] {
        let refusal = asked(terms).unwrap_err().to_string();
        assert!(refusal.starts_with(refused), "{refusal}");
    }
    let later = Some(Timestamp(rack.now.0 + 3600 * SECOND));
    let preview = asked(Terms { not_before: later, ..Terms::default() }).unwrap();
    assert_eq!((preview.fits_now, preview.start), (false, later));
    assert!(preview.waits_for.starts_with("its earliest start"), "{}", preview.waits_for);
}

/// Whoever waits for more than is free keeps nothing, and is in nobody's way who fits.
#[test]
fn whoever_fits_is_told_so_though_others_wait() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.active("1 any");
    rack.lease("2 any");
    let preview = asked(&rack, "1 any").unwrap();
    assert_eq!((preview.fits_now, preview.start), (true, Some(rack.now)));
    let small = rack.lease("1 any");
    assert_eq!(rack.group(small), ["b"]);
}
