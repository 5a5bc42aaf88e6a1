//! What the power does to a machine, and what it does not.

use hostler_fleet::chassis::BootDevice;
use hostler_fleet::firmware::Timing;
use hostler_fleet::machine::{SimMachine, Stage};
use hostler_fleet::room::{Room, RoomOptions};
use std::path::Path;
use std::time::Duration;

/// A room in which nobody answers DHCP.
async fn lonely_room(machines: usize, directory: &Path) -> Room {
    let mut options = RoomOptions::new(machines, 1, directory.to_owned());
    options.timing = Timing { dhcp: [Duration::from_millis(1); 4], ..Timing::default() };
    Room::start(options).await.expect("a free part of 127.0.0.0/8")
}

async fn reaches(machine: &SimMachine, wanted: impl Fn(&Stage) -> bool) -> Stage {
    machine.stage().wait_for(wanted).await.expect("the machine exists").clone()
}

#[tokio::test]
async fn a_machine_without_a_boot_server_is_on_and_dead_until_it_is_started_anew() {
    let directory = tempfile::tempdir().unwrap();
    let room = lonely_room(12, directory.path()).await;
    for machine in room.machines() {
        assert_eq!(*machine.stage().borrow(), Stage::Off);
        machine.chassis().on();
    }
    for machine in room.machines() {
        let Stage::Dead { reason } = reaches(machine, |s| matches!(s, Stage::Dead { .. })).await else {
            unreachable!()
        };
        assert!(reason.contains("DHCP"), "{}: {reason}", machine.plan().name);
        assert!(machine.chassis().power().on);
    }
    let machine = &room.machines()[0];
    let starts = || machine.console().lines().iter().filter(|l| l.ends_with("firmware starts")).count();
    assert_eq!(starts(), 1);
    machine.chassis().restart();
    let mut stage = machine.stage();
    // Stages may come and go between two looks at them; what was printed stays.
    while !(starts() == 2 && matches!(*stage.borrow_and_update(), Stage::Dead { .. })) {
        stage.changed().await.unwrap();
    }
    machine.chassis().off();
    reaches(machine, |s| *s == Stage::Off).await;
}

#[tokio::test]
async fn a_machine_that_is_told_to_boot_an_empty_disk_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let room = lonely_room(1, directory.path()).await;
    let machine = &room.machines()[0];
    machine.chassis().set_boot_device(BootDevice::Disk, false);
    machine.chassis().on();
    let Stage::Dead { reason } = reaches(machine, |s| matches!(s, Stage::Dead { .. })).await else {
        unreachable!()
    };
    assert_eq!(reason, "no bootable device");
    assert_eq!(machine.chassis().power().boot_device, BootDevice::None, "the order is used up");
}

#[tokio::test]
async fn a_room_is_the_same_again_and_two_can_be_side_by_side() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (lonely_room(3, one.path()).await, lonely_room(3, other.path()).await);
    let (one, other) = (one.registration(), other.registration());
    for (one, other) in one.node.iter().zip(&other.node) {
        assert_eq!((&one.serial, &one.uuid, &one.mac), (&other.serial, &other.uuid, &other.mac));
        assert_ne!(one.address, other.address);
        assert_ne!(one.bmc.address, other.bmc.address);
    }
}
