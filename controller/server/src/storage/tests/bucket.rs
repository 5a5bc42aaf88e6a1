//! What only a bucket could get wrong: kills and outages in the middle, two leaders, many small pieces.

use super::*;
use crate::storage::bucket::{Bucket, Found};
use crate::storage::is_away;
use std::fs;

fn output_objects(shared: &Shared) -> usize {
    let objects = shared.server().objects().unwrap();
    objects.iter().filter(|name| name.starts_with("ci/lab/runs/1/2/output/")).count()
}

#[test]
fn nothing_is_acknowledged_or_shown_before_the_bucket_has_it() {
    let shared = Shared::bucket();
    let mut process = shared.process("a");
    shared.server().hold();
    assert_eq!(process.append(0, b"soon"), 0);
    process.wait(shared.server().is_holding());
    assert_eq!(output_objects(&shared), 0);
    assert!(process.read(0, 9).is_empty());
    assert!(process.listener.1.try_recv().is_err());
    shared.server().serve();
    assert_eq!(process.acknowledged(), 4);
    assert_eq!(process.read(0, 9), "soon");
}

#[test]
fn a_kill_in_the_middle_of_an_upload_loses_nothing_that_was_acknowledged() {
    let shared = Shared::bucket();
    let mut first = shared.process("a");
    first.append_acknowledged(0, b"kept ");
    shared.server().hold();
    first.append(5, b"on its way");
    first.wait(shared.server().is_holding());
    drop(first);
    shared.server().serve();
    let mut second = shared.process("b");
    assert!(b"kept on its way".starts_with(&second.read_all()[..]));
    second.append_acknowledged(5, b"on its way, again");
    second.finish(vec![]).unwrap();
    assert_eq!(second.read_all(), b"kept on its way, again");
}

#[test]
fn while_the_bucket_is_away_agents_keep_their_output_and_then_it_goes_on() {
    let shared = Shared::bucket();
    let mut process = shared.process("a");
    process.append_acknowledged(0, b"before ");
    shared.server().go_away();
    assert_eq!(process.append(7, b"during"), 7, "taken in, and not acknowledged");
    let piece = Piece { offset: 0, data: Bytes::from_static(b"new") };
    let unknown = process.wait(process.runs().append(RunId(9), NODE, piece, &process.listener.0));
    let unknown = unknown.unwrap_err();
    assert!(
        is_away(&unknown) && format!("{unknown:#}").contains("s3://artefacts/ci/lab at http://"),
        "{unknown:#}"
    );
    shared.server().serve();
    assert_eq!(process.acknowledged(), 13, "by itself");
    process.finish(vec![]).unwrap();
    assert_eq!(process.read_all(), b"before during");
}

/// An agent that reconnects hears of what its earlier session sent.
#[test]
fn the_latest_session_hears_of_what_is_stored() {
    let shared = Shared::bucket();
    let mut process = shared.process("a");
    shared.server().hold();
    process.append(0, b"word");
    process.wait(shared.server().is_holding());
    let earlier = std::mem::replace(&mut process.listener, mpsc::unbounded_channel());
    assert_eq!(process.append(0, b"word"), 0);
    drop(earlier);
    shared.server().serve();
    assert_eq!(process.acknowledged(), 4);
}

/// A leader that was paused does not know that another one leads, and goes on for a moment.
#[test]
fn two_who_take_themselves_for_the_leader_do_not_spoil_each_others_work() {
    let shared = Shared::bucket();
    let sent = bytes(60_000);
    let (mut stale, mut leader) = (shared.process("a"), shared.process("b"));
    stale.append_acknowledged(0, &sent[..10_000]);
    leader.append_acknowledged(0, &sent[..20_000]);
    shared.server().hold();
    stale.append(10_000, &sent[10_000..25_000]);
    leader.append(20_000, &sent[20_000..40_000]);
    shared.server().serve();
    stale.finish(vec![]).unwrap();
    leader.finish(vec![]).unwrap();
    leader.append_acknowledged(40_000, &sent[40_000..]);
    leader.finish(vec![]).unwrap();
    assert_eq!(leader.read_all(), sent);
    assert_eq!(shared.process("c").read_all(), sent);
}

#[test]
fn many_small_pieces_become_few_objects() {
    let shared = Shared::bucket();
    let process = shared.process("a");
    let sent = bytes(150);
    for (offset, byte) in sent.iter().enumerate() {
        process.append(offset as u64, &[*byte]);
        // Each of them is stored at once.
        process.finish(vec![]).unwrap();
        assert!(output_objects(&shared) <= 70);
        assert_eq!(process.read_all(), sent[..=offset]);
    }
    while output_objects(&shared) > 1 {
        process.finish(vec![]).unwrap();
    }
    assert_eq!(shared.process("b").read_all(), sent);
}

#[test]
fn segments_that_vanish_behind_a_reader_are_looked_for_again() {
    let shared = Shared::bucket();
    let (mut writer, reader) = (shared.process("a"), shared.process("b"));
    writer.append_acknowledged(0, b"one ");
    assert_eq!(reader.read(0, 9), "one ");
    writer.append_acknowledged(4, b"two");
    assert_eq!(reader.read(4, 9), "two");
    while output_objects(&shared) > 1 {
        writer.finish(vec![]).unwrap();
    }
    assert_eq!(reader.read(4, 9), "two");
    assert_eq!(reader.read(0, 9), "one two");
}

#[test]
fn a_bucket_that_cannot_be_used_is_told_from_one_that_is_away() {
    let shared = Shared::bucket();
    let process = shared.process("a");
    let (server, directory) = (shared.server(), shared.directory.path());
    let probe = |url: &str| {
        let Place::Bucket(url) = Place::parse(url, directory).unwrap() else { panic!("no bucket") };
        process.wait(Bucket::open(&url).unwrap().probe())
    };
    assert!(matches!(probe(&server.url("ci")), Found::Usable));
    let other = server.url("ci").replace("s3://artefacts/", "s3://elsewhere/");
    let Found::Refused(error) = probe(&other) else { panic!("another bucket is used") };
    let error = format!("{error:#}");
    assert!(error.contains("s3://elsewhere/ci at http") && error.contains("the bucket's name"), "{error}");
    server.write_credentials(&directory.join("wrong"), "wrong-s3cret").unwrap();
    let wrong = format!("s3://artefacts/ci?{}&credentials=wrong", server.endpoint());
    let Found::Refused(error) = probe(&wrong) else { panic!("wrong credentials are used") };
    let error = format!("{error:#}");
    assert!(error.contains("credentials right") && !error.contains("wrong-s3cret"), "{error}");
    server.go_away();
    assert!(matches!(probe(&server.url("ci")), Found::Away(_)));
}

#[test]
fn objects_of_others_are_left_alone() {
    let shared = Shared::bucket();
    let mut process = shared.process("a");
    process.append_acknowledged(0, b"x");
    let foreign = shared.server().bucket().join("ci/lab/runs/1/2/output/README");
    fs::write(&foreign, "not ours").unwrap();
    process.finish(vec![]).unwrap();
    assert_eq!(shared.process("b").read_all(), b"x");
    assert!(foreign.exists());
}
