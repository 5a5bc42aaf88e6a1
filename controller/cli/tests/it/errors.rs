//! What goes wrong, with its exit code.

use crate::controller::{Place, World};
use crate::program::run;
use hostler_proto::lease::v1::Lease;

#[test]
fn an_impossible_request_is_refused() {
    let mut place = Place::new();
    place.live(World::default());
    let ended = run(&place.credentials(), &["lease", "request", "1:ppc64le"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.ends_with(
        "error: could not request a lease\n  caused by: no registered node is a ppc64le; there are 4 x86_64\n"
    ), "{ended:?}");
}

#[test]
fn permission_is_the_controllers_to_give() {
    let mut place = Place::new();
    place.live(World { leases: vec![Lease::default()], ..World::default() });
    let ended = run(&place.credentials(), &["lease", "release", "7"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("next: name another credential"), "{ended:?}");
}

#[test]
fn bad_input_is_found_before_anybody_is_asked() {
    let place = Place::new();
    let ended = run(&place.path("missing.toml"), &["lease", "request", "2x86_64"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("hint: write 2:x86_64"), "{ended:?}");
    let ended = run(&place.path("missing.toml"), &["lease", "list"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("hostler tenant add NAME --write FILE"), "{ended:?}");
    assert_eq!(run(&place.path("missing.toml"), &["lease", "lsit"]).code, 2);
}

#[test]
fn a_controller_that_is_away_is_no_fault_of_the_caller() {
    let place = Place::new();
    let ended = run(&place.credentials(), &["lease", "list", "--retry-for", "1ms"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("caused by: Connection refused"), "{ended:?}");
}

#[test]
fn trust_is_mutual_and_its_lack_is_not_retried() {
    let mut place = Place::new();
    place.live(World::default());
    let ended = run(&place.foreign_credentials(), &["lease", "list"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("the controller refused the certificate"), "{ended:?}");
    let ended = run(&place.distrustful_credentials(), &["lease", "list"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("check `address` and `ca`"), "{ended:?}");
}
