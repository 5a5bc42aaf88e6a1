//! What goes wrong, with its exit code.

use crate::controller::{Place, World};
use crate::program::run;
use hostler_proto::lease::v1::Lease;
use std::net::TcpStream;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

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

#[test]
fn a_controller_that_is_cut_off_is_left_for_one_that_answers() {
    let mut place = Place::new();
    place.live(World::default());
    // Nobody takes the one connection for which there is room: the system answers nobody else.
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let hole = socket.listen(0).unwrap();
    let address = hole.local_addr().unwrap();
    let _filled = TcpStream::connect(address).unwrap();
    let good = std::fs::read_to_string(place.credentials()).unwrap();
    let (before, rest) = good.split_once("address = '").unwrap();
    let (answers, rest) = rest.split_once('\'').unwrap();
    let path = place.path("cut-off.toml");
    let cut_off = format!("{before}address = 'https://{address}'\naddresses = ['{answers}']{rest}");
    std::fs::write(&path, cut_off).unwrap();
    let ended = run(&path, &["node", "list"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("r1-n01"), "{ended:?}");
}
