//! Images of a bucket, as the boot server gives them to machines.

use super::*;
use crate::digest::sha256_hex;
use crate::storage::bucket::PART;
use futures::{StreamExt as _, TryStreamExt as _};
use hostler_pxe::{Arriving, ImageStore, Images};
use std::fs;
use std::io::Write as _;

fn store(process: &Process) -> Arc<dyn ImageStore> {
    let Images::Store(store) = process.artefacts.images.served() else { panic!("a directory") };
    store
}

fn open(process: &Process, digest: &str) -> std::io::Result<Arriving> {
    process.wait(store(process).open(digest))
}

/// Has `process` take an image in; its digest.
fn add(process: &Process, image: &[u8]) -> String {
    let mut upload = process.artefacts.images.upload().unwrap();
    upload.write_all(image).unwrap();
    let (digest, _) = upload.finish().unwrap();
    process.wait(process.artefacts.images.share(&digest)).unwrap();
    digest
}

async fn part(arriving: Arriving, start: u64, end: u64) -> std::io::Result<Vec<u8>> {
    let pieces: Vec<Bytes> = arriving.part(start, end).try_collect().await?;
    Ok(pieces.concat())
}

fn cached(shared: &Shared, name: &str) -> usize {
    fs::read_dir(shared.directory.path().join(name).join("cache/images")).unwrap().count()
}

#[test]
fn an_image_that_many_machines_ask_for_is_fetched_once() {
    let shared = Shared::bucket();
    let image = bytes(2 * PART + 12_345);
    let digest = add(&shared.process("a"), &image);
    let process = shared.process("b");
    let before = shared.server().requests().len();
    let machines: Vec<_> = (0..20).map(|_| open(&process, &digest).unwrap()).collect();
    let length = image.len() as u64;
    assert!(machines.iter().all(|machine| machine.length() == length));
    let whole = machines.into_iter().map(|machine| part(machine, 0, length));
    for got in process.wait(futures::future::join_all(whole)) {
        assert!(got.unwrap() == image);
    }
    let gets = |requests: &[String]| {
        requests.iter().filter(|request| request.starts_with("GET") && request.ends_with(&digest)).count()
    };
    assert_eq!(gets(&shared.server().requests()[before..]), 3, "once each part");
    // From then on it is here, whether the bucket is or not.
    shared.server().go_away();
    let again = open(&process, &digest).unwrap();
    let middle = image.len() / 2;
    assert!(process.wait(part(again, middle as u64, length)).unwrap() == image[middle..]);
}

#[test]
fn an_image_that_is_in_nobodys_bucket_is_not_found() {
    let shared = Shared::bucket();
    let error = open(&shared.process("a"), &sha256_hex(b"no")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_damaged_object_is_never_served_whole() {
    let shared = Shared::bucket();
    let digest = add(&shared.process("a"), &bytes(1_000));
    fs::write(shared.server().bucket().join("ci/lab/images").join(&digest), bytes(999)).unwrap();
    let process = shared.process("b");
    let arriving = open(&process, &digest).unwrap();
    let length = arriving.length();
    let error = process.wait(part(arriving, 0, length)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert_eq!(cached(&shared, "b"), 0);
}

#[test]
fn the_cache_holds_what_was_asked_for_last() {
    let shared = Shared::bucket();
    let first = shared.process("a");
    let images: Vec<_> = (1..=4_usize).map(|n| bytes(1_000 + n)).collect();
    let digests: Vec<_> = images.iter().map(|image| add(&first, image)).collect();
    let process = shared.process_with("b", 2_500);
    for (image, digest) in images.iter().zip(&digests) {
        let mut pieces = open(&process, digest).unwrap().part(0, image.len() as u64);
        let mut got = Vec::new();
        while let Some(piece) = process.wait(pieces.next()) {
            got.extend_from_slice(&piece.unwrap());
        }
        assert!(got == *image);
    }
    // What the last one displaced is removed once it has been handed over.
    while cached(&shared, "b") > 2 {
        std::thread::yield_now();
    }
    assert!(process.wait(part(open(&process, &digests[0]).unwrap(), 0, 1_001)).unwrap() == images[0]);
}

/// Only who leads tidies up: what the leader takes in is not removed by one that begins to stand by.
#[test]
fn an_image_on_its_way_in_survives_a_standby_and_not_the_next_leader() {
    everywhere(|shared| {
        let leader = shared.process("a");
        let mut upload = leader.artefacts.images.upload().unwrap();
        upload.write_all(b"one half").unwrap();
        let _standby = shared.standby("b");
        upload.write_all(b" and another").unwrap();
        let (digest, size) = upload.finish().unwrap();
        assert_eq!((digest, size), (sha256_hex(b"one half and another"), 20));
        std::mem::forget(leader.artefacts.images.upload().unwrap());
        let unfinished = || {
            let dirs = ["shared", "a/cache"].map(|dir| shared.directory.path().join(dir));
            let files = dirs.iter().filter_map(|dir| fs::read_dir(dir.join("images")).ok()).flatten();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.starts_with(".upload-")).count()
        };
        assert_eq!(unfinished(), 1);
        drop(leader);
        let _leader = shared.process("a");
        assert_eq!(unfinished(), 0);
    });
}
