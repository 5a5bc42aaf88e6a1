//! What holds for a directory and for a bucket.

use super::*;
use crate::digest::sha256_hex;
use std::io::Write as _;

#[test]
fn output_is_kept_once_however_often_it_is_sent() {
    everywhere(|shared| {
        let mut process = shared.process("a");
        process.append_acknowledged(0, b"hello ");
        assert_eq!(process.append(0, b"hello "), 6, "sent again after a reconnect");
        process.append_acknowledged(3, b"lo wor");
        assert!(process.try_append(20, b"x").unwrap_err().contains("9 to 20 are missing"));
        assert!(process.try_append(u64::MAX, b"x").is_err());
        assert_eq!(process.read_all(), b"hello wor");
        assert_eq!(process.read(6, 2), "wo");
        assert!(process.wait(process.runs().read(RUN, NodeId(9), 0, 5)).unwrap().is_empty());
    });
}

#[test]
fn what_is_beyond_the_limit_is_counted_and_not_kept() {
    everywhere(|shared| {
        let mut process = shared.process("a");
        let limit = usize::try_from(LIMIT).unwrap();
        process.append_acknowledged(0, &bytes(limit - 3));
        process.append_acknowledged(LIMIT - 3, b"123456");
        process.append_acknowledged(LIMIT + 3, b"7");
        process.finish(vec![]).unwrap();
        let all = shared.process("b").read_all();
        assert_eq!((all.len(), &all[limit - 3..]), (limit, &b"123"[..]));
    });
}

/// Invariant 5, for output.
#[test]
fn invariant_5_a_controller_that_takes_over_has_what_was_acknowledged_and_goes_on() {
    everywhere(|shared| {
        let sent = bytes(300_000);
        let mut first = shared.process("a");
        first.append_acknowledged(0, &sent[..100_000]);
        // Perhaps it is stored, perhaps not: nobody was told.
        first.append(100_000, &sent[100_000..150_000]);
        drop(first);

        let mut second = shared.process("b");
        let stored = second.read_all();
        assert!(stored.len() >= 100_000 && sent.starts_with(&stored), "{}", stored.len());
        // The agent sends what was not acknowledged to it.
        second.append_acknowledged(100_000, &sent[100_000..200_000]);
        second.append(200_000, &sent[200_000..]);
        second.finish(vec![]).unwrap();
        assert_eq!(second.read_all(), sent);
        assert_eq!(shared.process("c").read_all(), sent, "a third one sees the same");
    });
}

#[test]
fn a_file_counts_only_when_it_is_whole() {
    everywhere(|shared| {
        let process = shared.process("a");
        let file = run::File { path: "../../../etc/passwd".into(), size: 5, sha256: sha256_hex(b"<xml>") };
        let empty = run::File { path: "empty".into(), size: 0, sha256: sha256_hex(b"") };
        let send = |file: &run::File, offset, data: &'static [u8]| {
            let piece = Piece { offset, data: Bytes::from_static(data) };
            process.wait(process.runs().append_file(RUN, NODE, file.path.clone(), piece))
        };
        send(&file, 0, b"<xm").unwrap();
        let error = process.finish(vec![file.clone()]).unwrap_err();
        assert!(error.contains("did not arrive whole: 3 of 5 bytes"), "{error}");
        assert!(send(&file, 3, b"l>").is_err(), "what was wrong begins anew");
        send(&file, 0, b"<xm").unwrap();
        send(&file, 3, b"l>").unwrap();
        send(&empty, 0, b"").unwrap();
        process.finish(vec![file.clone(), empty.clone()]).unwrap();
        drop(process);

        let other = shared.process("b");
        let read = |file, offset| other.wait(other.runs().read_file(RUN, NODE, file, offset, 3)).unwrap();
        assert_eq!((read(&file, 0), read(&file, 3), read(&file, 5)), ("<xm".into(), "l>".into(), "".into()));
        assert!(read(&empty, 0).is_empty());
    });
}

#[test]
fn the_end_of_a_run_may_be_told_again_with_its_files() {
    everywhere(|shared| {
        let process = shared.process("a");
        let file = run::File { path: "x".into(), size: 1, sha256: sha256_hex(b"x") };
        for _ in 0..2 {
            let piece = Piece { offset: 0, data: Bytes::from_static(b"x") };
            process.wait(process.runs().append_file(RUN, NODE, file.path.clone(), piece)).unwrap();
            process.finish(vec![file.clone()]).unwrap();
        }
        assert_eq!(process.wait(process.runs().read_file(RUN, NODE, &file, 0, 9)).unwrap(), "x");
    });
}

#[test]
fn content_is_found_by_whoever_takes_over() {
    everywhere(|shared| {
        let first = shared.process("a");
        let mut upload = first.artefacts.inputs.upload().unwrap();
        upload.write_all(b"standard input").unwrap();
        let (digest, size) = upload.finish().unwrap();
        assert_eq!(size, 14);
        first.wait(first.artefacts.inputs.share(&digest)).unwrap();
        drop(first);
        let second = shared.process("b");
        assert_eq!(second.wait(second.artefacts.inputs.read(&digest)).unwrap(), b"standard input");
        let unknown = sha256_hex(b"something else");
        assert!(second.wait(second.artefacts.inputs.read(&unknown)).is_err());
    });
}
