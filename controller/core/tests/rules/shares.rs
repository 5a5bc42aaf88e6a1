//! Who of several tenants goes first.

use crate::rack::{Rack, SECOND};
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::input::{Input, Reply};
use hostler_core::lease::LeaseSpec;
use hostler_core::node::StateName;
use hostler_core::tenancy::{Band, Setting};

const HOUR: u64 = 3600 * SECOND;

fn other(rack: &mut Rack, name: &str) -> TenantId {
    match rack.accept(Input::AddTenant { name: name.into() }) {
        Reply::Tenant(id) => id,
        other => panic!("added a tenant, got {other:?}"),
    }
}

/// Of `leases`, all waiting for the machine of `busy`, the one that gets it.
fn next(rack: &mut Rack, busy: LeaseId, leases: &[LeaseId]) -> usize {
    rack.release(busy);
    rack.clean("a");
    leases.iter().position(|lease| !rack.group(*lease).is_empty()).expect("somebody gets it")
}

fn priority(band: Band) -> impl Fn(&mut TenantId, &mut LeaseSpec) {
    move |_, spec| spec.terms.priority = band
}

#[test]
fn the_more_urgent_goes_first_as_long_as_both_are_young() {
    let mut rack = Rack::with(&["a"]);
    rack.set(&[Setting::Priority(Band::Admin)]);
    let busy = rack.active("1 any");
    let bands = [Band::Batch, Band::Interactive, Band::Gate, Band::Admin];
    let leases = bands.map(|band| rack.lease_as("1 any", priority(band)));
    let mut order = Vec::new();
    let mut running = busy;
    while order.len() < leases.len() {
        let index = next(&mut rack, running, &leases);
        running = leases[index];
        rack.work("a", StateName::Leased);
        order.push(bands[index]);
    }
    assert_eq!(order, [Band::Admin, Band::Interactive, Band::Gate, Band::Batch]);
}

#[test]
fn no_band_starves_another() {
    let mut rack = Rack::with(&["a"]);
    rack.set(&[Setting::Priority(Band::Admin)]);
    let long = |_: &mut TenantId, spec: &mut LeaseSpec| {
        (spec.duration_ms, spec.max_wait_ms) = (400 * HOUR, 500 * HOUR);
    };
    let busy = rack.lease_as("1 any", long);
    rack.work("a", StateName::Leased);
    let old = rack.lease_as("1 any", long);
    rack.wait_ms(25 * HOUR);
    let urgent = rack.lease_as("1 any", priority(Band::Admin));
    assert_eq!(next(&mut rack, busy, &[urgent, old]), 1);
}

/// Who has had much stands back, and who is owed more does so less.
#[test]
fn who_had_less_goes_first() {
    for (share, expected) in [(1, 1), (1_000, 0)] {
        let mut rack = Rack::with(&["a"]);
        let network = other(&mut rack, "network");
        rack.set(&[Setting::Share(share)]);
        // The others had the machine for a moment, and this tenant for hours.
        let theirs = rack.lease_as("1 any", |tenant, _| *tenant = network);
        rack.work("a", StateName::Leased);
        rack.wait_ms(HOUR / 6);
        rack.release(theirs);
        rack.clean("a");
        let busy = rack.lease_as("1 any", |_, spec| spec.duration_ms = 20 * HOUR);
        rack.work("a", StateName::Leased);
        rack.wait_ms(10 * HOUR);
        let mine = rack.lease("1 any");
        let theirs = rack.lease_as("1 any", |tenant, _| *tenant = network);
        rack.restart();
        assert_eq!(next(&mut rack, busy, &[mine, theirs]), expected, "with a share of {share}");
    }
}

/// One that asks for much at once does not get all of it before another gets anything, whatever it is owed.
#[test]
fn further_requests_stand_back() {
    let mut rack = Rack::with(&["a", "b"]);
    rack.set(&[Setting::Share(1_000)]);
    let network = other(&mut rack, "network");
    let storage = other(&mut rack, "storage");
    let busy = rack.lease_as("2 any", |tenant, _| *tenant = storage);
    rack.work("a", StateName::Leased);
    rack.work("b", StateName::Leased);
    let mine = [1, 2, 3].map(|_| rack.lease("1 any"));
    let theirs = rack.lease_as("1 any", |tenant, _| *tenant = network);
    rack.release(busy);
    rack.clean("a");
    assert_eq!(rack.group(mine[0]), ["a"], "the first of each are alike, and the older goes first");
    rack.clean("b");
    assert_eq!(rack.group(theirs), ["b"]);
}
