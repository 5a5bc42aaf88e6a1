//! Wiping disks that are files.

use crate::support::bench::{Bench, task};
use crate::support::controller::Session;
use crate::support::faulty::{Behaviour, Does};
use crate::support::recorded::Recorded;
use hostler_proto::agent::v1::agent_message::Message as FromAgent;
use hostler_proto::agent::v1::task::Task as Kind;
use hostler_proto::agent::v1::{DiskRange, DiskWipe, WipeTask};
use std::sync::atomic::Ordering;

const SIZE: u64 = 128 << 20;

async fn wiped(session: &mut Session, id: u64, wipe: WipeTask) -> Vec<DiskWipe> {
    session.send(task(id, Kind::Wipe(wipe))).await;
    match session.next().await {
        FromAgent::Wiped(wiped) => {
            assert_eq!(wiped.task_id, id);
            wiped.disks
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everything_but_what_is_kept_and_what_is_remote_is_wiped() {
    let mut bench = Bench::new().await;
    for (serial, remote) in [("one", false), ("keep", false), ("far", true), ("two", false)] {
        bench.machine.add_disk(serial, SIZE, remote);
        bench.machine.soil(serial, 77_777_777, b"secret");
    }
    let (_agent, mut session) = bench.ramdisk_session().await;
    let wipe = WipeTask { keep_disks: vec!["keep".into(), "elsewhere".into()], ..bench.machine.wipe() };
    let mut reports = wiped(&mut session, 3, wipe).await;
    reports.sort_by(|a, b| a.serial.cmp(&b.serial));
    let found: Vec<_> = reports
        .iter()
        .map(|d| (d.serial.as_str(), d.method.as_str(), d.verified, d.problem.as_str()))
        .collect();
    let expected = [
        ("far", "kept", false, "reached over a network or by several paths"),
        ("keep", "kept", false, "to be kept"),
        ("one", "discard", true, ""),
        ("two", "discard", true, ""),
    ];
    assert_eq!(found, expected);
    for (serial, expected) in [("one", [0; 6]), ("two", [0; 6]), ("keep", *b"secret"), ("far", *b"secret")] {
        assert_eq!(bench.machine.read(serial, 77_777_777, 6), expected, "{serial}");
    }
    // Both ends and some of the samples.
    assert!(reports[2].verified_bytes > 32 << 20 && reports[2].verified_bytes <= 48 << 20);
    let opened = bench.machine.opened.lock().unwrap().clone();
    assert!(!opened.iter().any(|path| path.ends_with("keep") || path.ends_with("far")), "{opened:?}");
}

/// The disks are blank before, so that only what the agent itself has written there can find a liar out.
#[tokio::test]
async fn invariant_3_a_disk_that_says_that_it_was_wiped_is_not_believed() {
    use Does::{Fail, It, Nothing, Refuse};
    let cases = [
        ("works", (It, It, It, It), "discard", true, ""),
        ("no-discard", (Refuse, It, It, It), "write-zeroes", true, ""),
        ("discard-lies", (Nothing, It, It, It), "write-zeroes", true, ""),
        ("both-lie", (Nothing, Nothing, It, It), "overwrite", true, ""),
        ("old", (Refuse, Refuse, It, It), "overwrite", true, ""),
        ("all-lie", (Nothing, Nothing, Nothing, It), "overwrite", false, "overwrite: what was written at "),
        ("worn", (Fail, Fail, Fail, It), "overwrite", false, "overwrite: failed at 1048576: medium error"),
        ("unreadable", (It, It, It, Fail), "overwrite", false, "overwrite: cannot read at "),
    ];
    let mut bench = Bench::new().await;
    for (serial, (discard, write_zeroes, overwrite, read_end), ..) in cases {
        // Larger than one command, for those that fail half way.
        bench.machine.add_disk(serial, (1 << 30) + SIZE, false);
        let behaviour = Behaviour { discard, write_zeroes, overwrite, read_end };
        bench.machine.behaviours.lock().unwrap().insert(serial.to_owned(), behaviour);
    }
    // So that overwriting does not take a gigabyte of this machine's disk each.
    for (serial, ..) in [&cases[3], &cases[4], &cases[5], &cases[7]] {
        bench.machine.resize_disk(serial, 8 << 20);
    }
    let (_agent, mut session) = bench.ramdisk_session().await;
    let reports = wiped(&mut session, 1, bench.machine.wipe()).await;
    for (report, (serial, _, method, verified, problem)) in reports.iter().zip(cases) {
        assert_eq!((report.serial.as_str(), report.method.as_str()), (serial, method), "{}", report.problem);
        assert_eq!(report.verified, verified, "{serial}: {}", report.problem);
        assert!(report.problem.contains(problem), "{serial}: {}", report.problem);
        assert_eq!((report.verified_bytes > 0, report.problem.is_empty()), (verified, verified), "{serial}");
    }
}

/// What devices do by themselves is not believed either, and where it leaves noise the kernel writes zeros.
#[tokio::test]
async fn invariant_3_a_device_that_says_that_it_erased_itself_is_not_believed() {
    let cases = [
        // Whether the kernel's methods work, and what is told: as notes if the disk is verified, else as its problem.
        ("nvme-lies", "nvme-format", true, "nvme-sanitize (block erase): what was written at "),
        (
            "nvme-crypto",
            "nvme-sanitize, discard",
            true,
            "nvme-format: the device ended Format NVM with status 0x10a",
        ),
        ("ata-secure-erase", "ata-secure-erase", true, ""),
        ("ata-frozen", "discard", true, "ata-secure-erase: the firmware has frozen the security settings"),
        (
            "ata-locked-by-others",
            "discard",
            true,
            "ata: it is protected by a password that is not known here; ",
        ),
        (
            "scsi-sanitize-fails",
            "discard",
            true,
            "scsi-sanitize (block erase): the device says that it failed",
        ),
        (
            "nvme-sanitize-fails",
            "overwrite",
            false,
            "nvme-sanitize (block erase): the device says that it failed; ",
        ),
    ];
    let nothing = Behaviour {
        discard: Does::Nothing,
        write_zeroes: Does::Nothing,
        overwrite: Does::Nothing,
        ..Behaviour::default()
    };
    let mut bench = Bench::new().await;
    let mut devices = Vec::new();
    for (name, _, works, _) in cases {
        bench.machine.add_disk(name, 8 << 20, false);
        let device = Recorded::open(name);
        bench.machine.record(name, &device);
        devices.push(device);
        if !works {
            bench.machine.behaviours.lock().unwrap().insert(name.to_owned(), nothing);
        }
    }
    let (_agent, mut session) = bench.ramdisk_session().await;
    let reports = wiped(&mut session, 1, bench.machine.wipe()).await;
    for (report, (name, method, verified, told)) in reports.iter().zip(cases) {
        let found = (report.serial.as_str(), report.method.as_str(), report.verified);
        assert_eq!(found, (name, method, verified), "{}", report.problem);
        let (tells, silent) =
            if verified { (&report.notes, &report.problem) } else { (&report.problem, &report.notes) };
        assert_eq!((tells.starts_with(told), silent.as_str()), (true, ""), "{name}: {tells}");
        assert_eq!(tells.is_empty(), told.is_empty(), "{name}: {tells}");
    }
    for device in devices {
        device.finish();
    }
}

/// Every method of the kernel works for this disk, but it will be locked when its power was off.
#[tokio::test]
async fn a_disk_that_keeps_the_password_of_the_erase_is_not_wiped() {
    let mut bench = Bench::new().await;
    bench.machine.add_disk("one", 8 << 20, false);
    let device = Recorded::open("ata-password-left-set");
    bench.machine.record("one", &device);
    let (_agent, mut session) = bench.ramdisk_session().await;
    let reports = wiped(&mut session, 1, bench.machine.wipe()).await;
    let found = (reports[0].method.as_str(), reports[0].verified, reports[0].verified_bytes);
    assert_eq!(found, ("ata-secure-erase", false, 0));
    let problem =
        "ata-secure-erase: it failed, and the password \"hostler\" that it needed could not be taken off";
    assert!(reports[0].problem.starts_with(problem), "{}", reports[0].problem);
    device.finish();
}

/// That the kernel has no quick way to a disk is nothing to tell of one that was wiped.
#[tokio::test]
async fn what_a_disk_usually_cannot_do_is_no_note() {
    let mut bench = Bench::new().await;
    for (serial, discard) in [("old", Does::Refuse), ("lies", Does::Nothing)] {
        bench.machine.add_disk(serial, 8 << 20, false);
        let behaviour = Behaviour { discard, ..Behaviour::default() };
        bench.machine.behaviours.lock().unwrap().insert(serial.to_owned(), behaviour);
    }
    let (_agent, mut session) = bench.ramdisk_session().await;
    let reports = wiped(&mut session, 1, bench.machine.wipe()).await;
    assert_eq!((reports[0].verified, reports[0].notes.as_str()), (true, ""));
    assert!(reports[1].notes.starts_with("discard: what was written at "), "{}", reports[1].notes);
}

#[tokio::test]
async fn after_a_wipe_partitions_are_forgotten_and_the_network_is_first() {
    let mut bench = Bench::new().await;
    bench.machine.add_disk("one", SIZE, false);
    bench.machine.add_disk("two", SIZE, false);
    bench.machine.add_disk("far", SIZE, true);
    let (_agent, mut session) = bench.ramdisk_session().await;
    // The machine's order cannot be changed, which does not fail the wipe.
    let reports = wiped(&mut session, 1, bench.machine.wipe()).await;
    assert_eq!(reports.iter().filter(|report| report.verified).count(), 2);
    assert_eq!(bench.machine.reread.load(Ordering::Relaxed), 2);
    assert_eq!(bench.machine.boot_order.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_the_task_names_is_read_back_as_well() {
    let mut bench = Bench::new().await;
    bench.machine.add_disk("one", 512 << 20, false);
    let (_agent, mut session) = bench.ramdisk_session().await;
    let range = |serial: &str, offset, length| DiskRange { serial: serial.into(), offset, length };
    let read_back = vec![range("one", 100 << 20, 40 << 20), range("", 200 << 20, 64 << 20)];
    let reports = wiped(&mut session, 1, WipeTask { read_back, ..bench.machine.wipe() }).await;
    assert!(reports[0].verified && reports[0].verified_bytes >= (32 + 40 + 64) << 20);

    for (ranges, expected) in [
        (
            vec![range("other", 0, 1)],
            "a range of the disk with serial \"other\" is to be read back, but no such disk",
        ),
        (
            vec![range("", 0, u64::MAX)],
            "there are 1 ranges to read back, or one of 18446744073709551615 bytes",
        ),
        (vec![range("", 0, 1); 1025], "there are 1025 ranges to read back"),
    ] {
        session
            .send(task(
                2 + expected.len() as u64,
                Kind::Wipe(WipeTask { read_back: ranges, ..bench.machine.wipe() }),
            ))
            .await;
        let FromAgent::StepFailed(failed) = session.next().await else { panic!("no failure") };
        assert!(failed.reason.starts_with(expected), "{}", failed.reason);
    }
}

#[tokio::test]
async fn a_disk_that_cannot_be_opened_is_reported_as_not_verified() {
    let mut bench = Bench::new().await;
    bench.machine.add_disk("one", SIZE, false);
    bench.machine.add_disk("gone", SIZE, false);
    std::fs::remove_file(bench.machine.disk_path("gone")).unwrap();
    let (_agent, mut session) = bench.ramdisk_session().await;
    let reports = wiped(&mut session, 1, bench.machine.wipe()).await;
    assert_eq!((reports[0].verified, reports[1].verified), (true, false));
    assert!(reports[1].problem.starts_with("cannot open it: "), "{}", reports[1].problem);
}

#[tokio::test]
async fn a_machine_without_disks_has_nothing_to_wipe() {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.ramdisk_session().await;
    assert_eq!(wiped(&mut session, 1, bench.machine.wipe()).await, []);
}

/// A slow adapter's disk, or one that somebody plugged in: nobody has agreed to lose what is on it.
#[tokio::test]
async fn a_disk_that_appeared_after_the_inspection_ends_the_wipe_before_it_begins() {
    let mut bench = Bench::new().await;
    for serial in ["one", "keep", "other"] {
        bench.machine.add_disk(serial, 8 << 20, false);
        bench.machine.soil(serial, 0, b"secret");
    }
    let (_agent, mut session) = bench.ramdisk_session().await;
    let all = WipeTask { keep_disks: vec!["keep".into()], ..bench.machine.wipe() };
    let without = |serial: &str| {
        let mut task = all.clone();
        task.inspected.retain(|disk| disk.serial != serial);
        task
    };
    let mut grown = all.clone();
    grown.inspected[2].size_bytes *= 2;
    for (id, refused) in [(1, WipeTask::default()), (2, without("other")), (3, grown)] {
        session.send(task(id, Kind::Wipe(refused))).await;
        let FromAgent::StepFailed(failed) = session.next().await else { panic!("no failure") };
        let told = "appeared after the inspection, so nothing was written";
        assert!(failed.reason.ends_with(told), "{}", failed.reason);
    }
    assert_eq!(*bench.machine.opened.lock().unwrap(), Vec::<String>::new());
    let reports = wiped(&mut session, 4, without("keep")).await;
    assert_eq!(reports.iter().filter(|report| report.verified).count(), 2);
}
