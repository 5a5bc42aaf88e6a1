//! Images that are written to machines before anybody asks for them.

use crate::given::{diskless, image, name_of, replace};
use crate::rack::{Rack, SECOND};
use hostler_core::ahead::AheadState;
use hostler_core::attempt::Stage;
use hostler_core::catalogue::{Content, ImageStatus, Kind};
use hostler_core::explain;
use hostler_core::hardware::Arch;
use hostler_core::input::{Blame, Input, Profile, Report};
use hostler_core::keep::KeepChange;
use hostler_core::node::StateName;
use hostler_core::order::{self, Order};
use hostler_core::pool::Limits;

const HOUR: u64 = 3_600 * SECOND;

/// Warm machines, and images of some size for x86_64. An image is written to so many of them.
fn rack(machines: &[&str], ahead: u32) -> Rack {
    let mut rack = Rack::with(machines);
    rack.accept(image("debian", Arch::X86_64, "d0"));
    rack.accept(image("alpine", Arch::X86_64, "a0"));
    set(&mut rack, KeepChange { ahead: Some(ahead), ..KeepChange::default() });
    rack
}

fn set(rack: &mut Rack, keep: KeepChange) {
    let limits = Limits { keep, ..Limits::default() };
    rack.accept(Input::SetPool { author: "ada".into(), name: "lab".into(), limits });
}

/// Somebody has leased a machine like that, and it is back.
fn used(rack: &mut Rack, request: &str) {
    let lease = rack.active(request);
    let names = rack.group(lease);
    rack.release(lease);
    for name in names {
        rack.work(&name, StateName::Ready);
    }
    rack.powered();
}

fn why(rack: &Rack, name: &str) -> String {
    explain::node(&rack.world, rack.node(name))
}

/// The image that the machine's agent is told to write ahead.
fn ordered(rack: &Rack, name: &str) -> Option<String> {
    match order::for_ramdisk(&rack.world, rack.id(name)) {
        Some((_, Order::WriteAhead { image, .. })) => Some(image.name.clone()),
        _ => None,
    }
}

/// What is being written to each of the machines.
fn writing(rack: &Rack, machines: &[&str]) -> Vec<(String, String)> {
    let one = |name: &&str| Some(((*name).to_owned(), ordered(rack, name)?));
    machines.iter().filter_map(one).collect()
}

fn says(rack: &Rack, name: &str, report: impl FnOnce(u64) -> Report) -> Input {
    rack.agent(name, Profile::Ramdisk, report(order::task_id(rack.boot(name))))
}

/// The agent has done what it was told.
fn writes(rack: &mut Rack, name: &str) {
    let image = ordered(rack, name).unwrap_or_else(|| panic!("nothing is written to {name}"));
    let sha256 = rack.world.image_for(&image, Arch::X86_64).expect("it is there").content.sha256.clone();
    let report = says(rack, name, |task| Report::WrittenAhead { task, sha256 });
    rack.accept(report);
}

fn fails(rack: &mut Rack, name: &str, blame: Blame) {
    let report = says(rack, name, |task| Report::Failed { task, reason: "no".into(), blame });
    rack.accept(report);
}

#[test]
fn nothing_is_written_unless_it_is_said_and_asked_for() {
    let machines = ["a", "b"];
    let mut rack = Rack::with(&machines);
    used(&mut rack, "1 any");
    assert_eq!(writing(&rack, &machines), []);
    set(&mut rack, KeepChange { ahead: Some(1), ..KeepChange::default() });
    assert_eq!(writing(&rack, &machines), [], "what was asked for before is not known");
    used(&mut rack, "1 any");
    assert_eq!(writing(&rack, &machines).len(), 1);
}

#[test]
fn a_lease_gets_the_machine_on_which_its_image_is() {
    let mut rack = rack(&["a", "b", "c"], 1);
    used(&mut rack, "1 any with debian");
    assert_eq!(
        writing(&rack, &["a", "b", "c"]),
        [("c".into(), "debian".into())],
        "that stays powered for longest"
    );
    assert_eq!(why(&rack, "c"), "wiped and free; warm, image debian is being written");
    rack.heard();
    writes(&mut rack, "c");
    assert_eq!(why(&rack, "c"), "wiped and free; warm, with image debian written");
    assert_eq!((rack.heard(), ordered(&rack, "c")), (vec!["image-ahead".to_owned()], None));
    let (boot, told) = (rack.boot("c").id, order::task_id(rack.boot("c")));
    let lease = rack.lease("1 any with debian");
    assert_eq!(rack.group(lease), ["c"], "b is unused for longer");
    assert_eq!(
        (rack.boot("c").id, rack.boot("c").ahead.as_ref(), rack.stage("c")),
        (boot, None, Stage::Inspect)
    );
    assert_ne!(order::task_id(rack.boot("c")), told);
    assert_eq!(writing(&rack, &["a", "b"]).len(), 1, "another takes its place");
    rack.work("c", StateName::Leased);
    assert_eq!((rack.powered(), rack.node("c").leftover_bytes), (Vec::new(), 0));
}

#[test]
fn whoever_takes_a_place_in_a_group_has_the_image_if_any_has() {
    let mut rack = rack(&["a", "b", "c", "d"], 1);
    let lease = rack.active("1 any with debian");
    assert_eq!(rack.group(lease), ["a"]);
    writes(&mut rack, "d");
    rack.accept(replace(lease, "k", "a"));
    assert_eq!(rack.group(lease), ["d"], "b and c are unused for longer, and have no image");
    assert_eq!(rack.stage("d"), Stage::Inspect);
}

#[test]
fn another_image_goes_where_none_is_and_what_is_there_has_to_go() {
    let mut rack = rack(&["a", "b"], 1);
    used(&mut rack, "1 any among a with debian");
    writes(&mut rack, "b");
    let lease = rack.lease("1 any");
    assert_eq!(rack.group(lease), ["a"], "b is unused for longer, and has another image");
    let other = rack.lease("1 any");
    assert_eq!(rack.group(other), ["b"]);
    assert_eq!(rack.node("b").leftover_bytes, 1, "until it is deployed");
    rack.work_to("b", Stage::Deploy);
    rack.chill("b");
    rack.wait_for("b");
    assert_eq!(
        (rack.powered().len(), rack.node("b").leftover_bytes),
        (1, 1),
        "the next agent has to be told"
    );
    rack.work("b", StateName::Leased);
    assert_eq!(rack.node("b").leftover_bytes, 0);
}

#[test]
fn each_image_gets_as_much_as_is_asked_for_it() {
    let machines = ["a", "b", "c", "d", "e", "f", "g"];
    let mut rack = rack(&machines, 3);
    let among = |n: usize, image: &str| format!("1 any among {} with {image}", machines[n]);
    for image in ["fedora", "debian", "fedora"] {
        used(&mut rack, &among(0, image));
    }
    for _ in 0..3 {
        for (name, _) in writing(&rack, &machines) {
            writes(&mut rack, &name);
        }
    }
    let written = |rack: &Rack, image: &str| {
        let text = format!("with image {image} written");
        machines.iter().filter(|name| why(rack, name).ends_with(&text)).count()
    };
    assert_eq!(["fedora", "debian", "alpine"].map(|image| written(&rack, image)), [2, 1, 0]);
    used(&mut rack, &among(1, "alpine"));
    assert_eq!(writing(&rack, &machines), [], "all three have something that is asked for");
    // An hour and another later nobody asks for it any more, but for what was asked for since.
    rack.wait_ms(HOUR);
    for _ in 0..2 {
        used(&mut rack, &among(1, "alpine"));
    }
    assert_eq!(writing(&rack, &machines), []);
    rack.wait_ms(HOUR);
    let told = writing(&rack, &machines);
    assert_eq!(told.iter().map(|(_, image)| image.as_str()).collect::<Vec<_>>(), ["alpine"; 2]);
}

#[test]
fn two_are_written_at_once() {
    let machines = ["a", "b", "c", "d", "e"];
    let mut rack = rack(&machines, 4);
    used(&mut rack, "4 any");
    assert_eq!(writing(&rack, &machines).len(), 2);
    let (name, _) = writing(&rack, &machines).remove(0);
    writes(&mut rack, &name);
    assert_eq!(writing(&rack, &machines).len(), 2, "the next one");
}

#[test]
fn whoever_is_waited_for_is_left_alone() {
    let mut rack = rack(&["a", "b"], 2);
    let lease = rack.active("1 any");
    let name = rack.group(lease).remove(0);
    let other = if name == "a" { "b" } else { "a" };
    writes(&mut rack, other);
    rack.lease("2 any");
    rack.release(lease);
    rack.work(&name, StateName::Deploying);
    assert_eq!(rack.state(other), StateName::Deploying, "the group got both");
    let waits = rack.lease("2 any");
    assert_eq!(rack.group(waits), Vec::<String>::new());
    assert_eq!(writing(&rack, &["a", "b"]), []);
}

#[test]
fn an_agent_that_is_not_heard_has_written_nothing() {
    let mut rack = rack(&["a", "b", "c"], 1);
    used(&mut rack, "1 any among a with debian");
    let (first, _) = writing(&rack, &["b", "c"]).remove(0);
    let (machine, late) =
        (first.clone(), says(&rack, &first, |task| Report::WrittenAhead { task, sha256: "d0".into() }));
    rack.chill(&machine);
    assert_eq!(why(&rack, &machine), "wiped and free; cold: it has to boot; its agent is silent");
    assert_eq!(rack.node(&machine).written(), None);
    let others: Vec<_> = ["a", "b", "c"].into_iter().filter(|name| *name != machine).collect();
    assert_eq!(writing(&rack, &others).len(), 1, "another is written instead");
    let back = rack.agent(&machine, Profile::Ramdisk, Report::Back);
    rack.accept(back);
    rack.accept(late.clone());
    assert!(rack.node(&machine).written().is_some(), "it was the network, and it is the same agent");
    rack.chill(&machine);
    let lease = rack.lease(&format!("1 any among {machine} with debian"));
    assert_eq!((rack.group(lease), rack.powered().len()), (vec![machine.clone()], 1), "it has to boot");
    rack.refuse(late);
    assert_eq!((rack.boot(&machine).ahead.as_ref(), rack.node(&machine).leftover_bytes), (None, 1));
}

#[test]
fn an_image_that_is_replaced_is_given_up_and_the_new_one_written() {
    let mut rack = rack(&["a"], 1);
    used(&mut rack, "1 any with debian");
    let old = says(&rack, "a", |task| Report::WrittenAhead { task, sha256: "d0".into() });
    rack.accept(image("debian", Arch::X86_64, "d1"));
    assert_eq!(ordered(&rack, "a").as_deref(), Some("debian"));
    let before = rack.node("a").clone();
    rack.accept(old);
    assert_eq!(*rack.node("a"), before, "what it says of the old one is no answer");
    writes(&mut rack, "a");
    let id = rack.node("a").written().unwrap();
    assert_eq!(rack.world.images.get(id).unwrap().content.sha256, "d1");
    // A system in memory is of no use on a disk.
    rack.accept(diskless("debian", Arch::X86_64, "d2", 3));
    assert_eq!(why(&rack, "a"), "wiped and free; warm: its agent waits in the ramdisk");
}

#[test]
fn a_machine_that_cannot_write_is_left_alone_and_nothing_held_against_it() {
    let mut rack = rack(&["a", "b"], 1);
    used(&mut rack, "1 any among a with debian");
    rack.heard();
    let (machine, _) = writing(&rack, &["a", "b"]).remove(0);
    fails(&mut rack, &machine, Blame::Machine);
    assert_eq!(why(&rack, &machine), "wiped and free; warm, but image debian could not be written: no");
    assert_eq!(
        (rack.heard(), rack.node(&machine).record.strikes()),
        (vec!["image-ahead-failed".to_owned()], 0)
    );
    let (other, _) = writing(&rack, &["a", "b"]).remove(0);
    assert_ne!(other, machine);
    fails(&mut rack, &other, Blame::Machine);
    rack.wait_ms(HOUR / 2);
    assert_eq!(writing(&rack, &["a", "b"]), []);
    used(&mut rack, &format!("1 any among {machine} with debian"));
    assert_eq!(writing(&rack, &["a", "b"]), [(machine, "debian".into())], "it has booted since");
}

#[test]
fn an_image_that_no_machine_can_write_becomes_suspect_and_is_given_up() {
    let mut rack = rack(&["a", "b", "c"], 3);
    used(&mut rack, "3 any with debian");
    let told = writing(&rack, &["a", "b", "c"]);
    for (name, _) in &told {
        fails(&mut rack, name, Blame::Image);
    }
    assert_eq!(rack.world.image_for("debian", Arch::X86_64).unwrap().status, ImageStatus::Suspect);
    assert_eq!(writing(&rack, &["a", "b", "c"]), [], "nobody may ask for it");
}

#[test]
fn what_was_written_of_an_image_that_becomes_suspect_does_not_count() {
    let mut rack = rack(&["a", "b", "c"], 1);
    used(&mut rack, "1 any among a with debian");
    let (machine, _) = writing(&rack, &["a", "b", "c"]).remove(0);
    writes(&mut rack, &machine);
    set(&mut rack, KeepChange { ahead: Some(3), ..KeepChange::default() });
    used(&mut rack, "2 any with debian");
    for (name, _) in writing(&rack, &["a", "b", "c"]) {
        fails(&mut rack, &name, Blame::Image);
    }
    assert_eq!(rack.world.image_for("debian", Arch::X86_64).unwrap().status, ImageStatus::Suspect);
    assert!(["a", "b", "c"].iter().all(|name| rack.node(name).written().is_none()));
}

#[test]
fn one_that_takes_too_long_is_given_up() {
    let mut rack = rack(&["a"], 1);
    used(&mut rack, "1 any with debian");
    rack.wait_for("a");
    assert_eq!(
        why(&rack, "a"),
        "wiped and free; warm, but image debian could not be written: it took too long"
    );
    rack.wait_ms(24 * HOUR);
    assert_eq!(rack.world.next_deadline(), None, "nothing is left to be waited for");
}

#[test]
fn a_machine_on_which_there_is_no_room_for_it_gets_none() {
    let mut rack = rack(&["a", "b"], 1);
    let kind = Kind::Disk { encoding: hostler_core::catalogue::Encoding::Zstd, disk_bytes: u64::MAX };
    let content = Content { sha256: "e0".into(), size_bytes: 1, kind };
    used(&mut rack, "1 any among a with debian");
    writes(&mut rack, "b");
    rack.accept(Input::AddImage { name: "debian".into(), arch: Arch::X86_64, content });
    assert_eq!(writing(&rack, &["a", "b"]), []);
}

#[test]
fn a_controller_that_starts_anew_tells_the_same() {
    let machines = ["a", "b", "c", "d"];
    let mut rack = rack(&machines, 3);
    used(&mut rack, "3 any among a b c with debian");
    let (name, _) = writing(&rack, &machines).remove(0);
    writes(&mut rack, &name);
    let told = machines.map(|name| order::for_ramdisk(&rack.world, rack.id(name)).map(|(task, _)| task));
    rack.restart();
    assert_eq!(
        told,
        machines.map(|name| order::for_ramdisk(&rack.world, rack.id(name)).map(|(task, _)| task))
    );
    assert!(matches!(rack.node(&name).ahead().map(|ahead| &ahead.state), Some(AheadState::Written)));
    let lease = rack.lease("1 any with debian");
    assert_eq!(rack.group(lease), [name_of(&name)]);
}
