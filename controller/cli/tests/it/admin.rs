//! What administrators do.

use crate::controller::{Place, World};
use crate::program::{run, start};
use std::os::unix::fs::PermissionsExt as _;

const NODES: &str = "\
[[node]]
name = 'r1-n01'
arch = 'x86_64'
firmware = 'bios'
mac = '52:54:00:00:00:01'
address = '127.16.0.1'
[node.bmc]
address = '127.17.0.1:6230'
user = 'admin'
password_file = 'secret'
";

#[test]
fn a_file_of_nodes_is_applied() {
    let mut place = Place::new();
    let world = World::default();
    place.live(world.clone());
    let file = place.path("nodes.toml");
    std::fs::write(&file, NODES).unwrap();
    std::fs::write(place.path("secret"), "sesame\n").unwrap();
    let ended = run(&place.credentials(), &["apply", "-f", file.to_str().unwrap()]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "created   node r1-n01\n1 created, 0 updated, 0 unchanged\n")
    );
    let asked = world.asked.lock().unwrap();
    assert_eq!(asked.nodes[0].bmc.as_ref().unwrap().password, "sesame");
}

#[test]
fn duplicates_in_a_file_are_found_here() {
    let place = Place::new();
    let file = place.path("nodes.toml");
    std::fs::write(&file, format!("{NODES}{NODES}")).unwrap();
    let ended = run(&place.credentials(), &["apply", "-f", file.to_str().unwrap(), "--dry-run"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("there is a node `r1-n01` above already"), "{ended:?}");
}

#[test]
fn nodes_are_listed_by_name() {
    let mut place = Place::new();
    place.live(World::default());
    let ended = run(&place.credentials(), &["node", "list"]);
    insta::assert_snapshot!(ended.stdout, @r"
    NAME    ARCH    POOL     STATE  SINCE  LEASE  WHY
    r1-n01  x86_64  default  ready  -      -      -
    r1-n02  x86_64  default  ready  -      -      -
    ");
}

#[test]
fn a_watch_goes_on_after_the_controller_was_killed() {
    let mut place = Place::new();
    place.live(World::default());
    let mut watch = start(&place.credentials(), &["node", "list", "--watch"]);
    assert_eq!(watch.next_stdout(), "r1-n01 ready\n");
    place.kill();
    watch.stderr_until("no connection to the controller");
    place.live(World::default());
    watch.stderr_until("connected to the controller again");
    watch.interrupt();
    let ended = watch.end();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (130, ""),
        "what did not change is not told again: {ended:?}"
    );
}

#[test]
fn what_cannot_be_taken_back_is_confirmed() {
    let mut place = Place::new();
    place.live(World::default());
    let ended = run(&place.credentials(), &["node", "approve-wipe", "r1-n01"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    let ended = run(&place.credentials(), &["node", "approve-wipe", "r1-n01", "--yes"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "r1-n01 ready\n"), "{ended:?}");
}

#[test]
fn a_power_command_is_never_given_twice() {
    let mut place = Place::new();
    let (power, arrived) = std::sync::mpsc::channel();
    place.live(World { power: Some(power), ..World::default() });
    let program = start(&place.credentials(), &["node", "power", "r1-n01", "cycle"]);
    arrived.recv().unwrap();
    place.live(World::default());
    let ended = program.end();
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("whether it was done is unknown"), "{ended:?}");

    let ended = run(&place.credentials(), &["node", "power", "r1-n01", "status"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.ends_with("  caused by: the BMC does not answer\n"), "{ended:?}");
}

#[test]
fn an_image_is_sent_whole_with_its_digest() {
    let mut place = Place::new();
    place.live(World::default());
    let file = place.path("disk.raw");
    std::fs::write(&file, vec![0; 1 << 20]).unwrap();
    let arguments =
        ["image", "add", file.to_str().unwrap(), "--name", "fedora", "--arch", "x86_64", "-o", "json"];
    let ended = run(&place.credentials(), &arguments);
    assert_eq!(ended.code, 0, "{ended:?}");
    let image: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(image["size_bytes"], 1 << 20);
    assert_eq!(image["sha256"], "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58");
}

#[test]
fn kernel_and_ramdisk_are_sent_one_behind_the_other() {
    let mut place = Place::new();
    place.live(World::default());
    let (kernel, initrd) = (place.path("vmlinuz"), place.path("initrd"));
    std::fs::write(&kernel, vec![0; 1000]).unwrap();
    std::fs::write(&initrd, vec![0; (1 << 20) - 1000]).unwrap();
    let (kernel, initrd) = (kernel.to_str().unwrap(), initrd.to_str().unwrap());
    let words = ["image", "add", "--name", "live", "--arch", "x86_64", "-o", "json"];
    let diskless = ["--kernel", kernel, "--initrd", initrd, "--arguments", "-quiet x=1"];
    let ended = run(&place.credentials(), &[&words[..], &diskless].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let image: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&image["kind"], &image["arguments"]), (&"diskless".into(), &"-quiet x=1".into()));
    assert_eq!((&image["kernel_bytes"], &image["size_bytes"]), (&1000.into(), &(1 << 20).into()));
    assert_eq!(image["disk_bytes"], serde_json::Value::Null);
    assert_eq!(image["sha256"], "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58");

    for (wrong, expected) in [
        (vec![], "<FILE>"),
        (vec!["--kernel", kernel], "--initrd <FILE>"),
        (vec!["--initrd", initrd], "--kernel <FILE>"),
        (vec![kernel, "--arguments", "quiet"], "'--arguments <TEXT>'"),
        (vec![kernel, "--kernel", kernel, "--initrd", initrd], "cannot be used with"),
    ] {
        let ended = run(&place.credentials(), &[&words[..], &wrong].concat());
        assert_eq!(ended.code, 2, "{wrong:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{wrong:?}: {ended:?}");
    }
}

#[test]
fn suspicion_is_taken_from_an_image() {
    let mut place = Place::new();
    place.live(World::default());
    let cleared = run(&place.credentials(), &["image", "clear", "fedora", "--arch", "aarch64", "-o", "json"]);
    assert_eq!(cleared.code, 0, "{cleared:?}");
    let images: serde_json::Value = serde_json::from_str(&cleared.stdout).unwrap();
    assert_eq!((&images[0]["arch"], &images[0]["status"]), (&"aarch64".into(), &"candidate".into()));
    for arguments in [["image", "clear", "none"], ["image", "show", "none"]] {
        let ended = run(&place.credentials(), &arguments);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.stderr.contains("there is no image \"none\"; see `hostler image list`"), "{ended:?}");
    }
}

#[test]
fn credentials_are_written_for_their_owner_only() {
    let mut place = Place::new();
    place.live(World::default());
    let file = place.path("ci.toml");
    let arguments = ["tenant", "add", "ci", "--write", file.to_str().unwrap()];
    assert_eq!(run(&place.credentials(), &arguments).code, 0);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let written = std::fs::read_to_string(&file).unwrap();
    let printed = run(&place.credentials(), &["tenant", "add", "ci"]);
    assert_eq!(printed.stdout, written);
    let again = run(&place.credentials(), &arguments);
    assert_eq!(again.code, 2, "{again:?}");
}

#[test]
fn all_pages_of_events_are_listed() {
    let mut place = Place::new();
    place.live(World::default());
    let all = run(&place.credentials(), &["events"]);
    assert_eq!((all.code, all.stdout.lines().count()), (0, 2_500));
    let some = run(&place.credentials(), &["events", "--limit", "1200", "--after", "100"]);
    assert_eq!((some.code, some.stdout.lines().count()), (0, 1_200));
}

#[test]
fn bounds_of_a_pool_are_said_one_by_one() {
    let mut place = Place::new();
    place.live(World::default());
    let set =
        |words: &[&str]| run(&place.credentials(), &[&["pool", "set", "lab", "-o", "json"], words].concat());
    for (words, expected) in [
        (&["--max-booting", "8"][..], [8.into(), 7.into()]),
        (&["--max-booting", "unlimited", "--max-booting-per-rack", "2"], [serde_json::Value::Null, 2.into()]),
    ] {
        let ended = set(words);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stderr.contains("no machine is in pool lab yet"), "{ended:?}");
        let pool: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!([&pool["max_booting"], &pool["max_booting_per_rack"]], [&expected[0], &expected[1]]);
    }
    let ended = set(&[
        "--warm",
        "2",
        "--max-powered",
        "8",
        "--idle-off",
        "30m",
        "--refresh",
        "never",
        "--ahead",
        "3",
    ]);
    let pool: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let keep = serde_json::json!({
        "warm": 2, "max_powered": 8, "idle_off_ms": 1_800_000, "refresh_ms": null, "spared": 0, "ahead": 3,
    });
    assert_eq!((&pool["keep"], &pool["max_booting"]), (&keep, &7.into()));
    for (words, expected) in [
        (&["--idle-off", "0s"][..], "`never` is the opposite"),
        (&["--max-powered", "0"], "`unlimited` takes the bound away"),
        (&[], "--max-booting"),
        (&["--max-booting", "0"], "at least 1; `unlimited`"),
        (&["--max-booting", "many"], "expected a number of machines"),
    ] {
        let ended = set(words);
        assert_eq!(ended.code, 2, "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{words:?}: {ended:?}");
    }
    let missing = run(&place.credentials(), &["pool", "show", "lab"]);
    assert!(missing.code != 0 && missing.stderr.contains("there is no pool"), "{missing:?}");
}
