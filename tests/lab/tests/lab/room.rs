use crate::support::{BOOT, can_make, plan_without_kernel};
use hostler_lab::namespace::Namespace;
use hostler_lab::network::Fault;
use hostler_lab::{Lab, RoomSpec, wait};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// Both kinds of x86 firmware, with controller, BMC and network taken away meanwhile.
#[test]
fn machines_reach_the_boot_server_whatever_goes_wrong_meanwhile() {
    let room = RoomSpec::x86(2);
    if !can_make("machines_reach_the_boot_server_whatever_goes_wrong_meanwhile", &room) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::up(&plan_without_kernel("reach", room, dir.path())).unwrap();
    lab.set_faults(&[("uefi1", Fault::NoDhcp)]).unwrap();
    lab.wait_for_console("bios1", "Hostler: bios1 starts the ramdisk", BOOT).unwrap();
    assert!(!lab.machine("uefi1").unwrap().console().contains("Hostler:"), "nobody answered its DHCP");
    lab.set_faults(&[]).unwrap();

    lab.kill_hostlerd().unwrap();
    assert!(!lab.has_hostlerd() && lab.node("bios1").is_err());
    lab.start_hostlerd().unwrap();
    assert_eq!(lab.node("bios1").unwrap()["state"], "inspecting");

    lab.kill_bmc("bios1").unwrap();
    assert!(lab.machine("bios1").unwrap().process().is_some(), "a machine outlives its BMC");
    lab.start_bmc("bios1").unwrap();
    lab.power_off("bios1").unwrap();
    assert!(lab.machine("bios1").unwrap().process().is_none());
    let on = || Ok(lab.hostler(["node", "power", "bios1", "on"]).output()?.status.success().then_some(()));
    wait::until("the BMC to come back", SOON, on).unwrap();
    assert!(lab.machine("bios1").unwrap().process().is_some());
    lab.wait_for_console("uefi1", "Hostler: uefi1 starts the ramdisk", BOOT).unwrap();

    let (dir, processes) = (lab.dir().to_owned(), lab.namespace().processes().unwrap());
    assert!(processes.len() >= 6, "two machines, two BMCs, a router and a controller: {processes:?}");
    drop(lab);
    assert!(!Namespace::of("reach").exists() && processes.iter().all(|process| !process.is_alive()));
    assert!(dir.join("machines/bios1/console.log").exists(), "what was recorded stays");
}

/// Two rooms with the same addresses do not see each other, and one whose owner was killed is taken down.
#[test]
fn a_lab_goes_with_its_owner_and_another_stays() {
    let room = RoomSpec::x86(1);
    if !can_make("a_lab_goes_with_its_owner_and_another_stays", &room) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let one = Lab::up(&plan_without_kernel("one", room.clone(), dir.path())).unwrap();
    Lab::up(&plan_without_kernel("two", room, dir.path())).unwrap().keep().unwrap();
    let two = Lab::open("two").unwrap();
    assert_eq!(two.node("bios1").unwrap()["state"], one.node("bios1").unwrap()["state"]);

    let mut guard = Command::new(Path::new(env!("CARGO_BIN_EXE_hostler-lab")));
    let mut guard = guard.args(["guard", "two"]).stdin(Stdio::piped()).spawn().unwrap();
    assert!(two.namespace().exists());
    // As the kernel does when the owner is killed.
    drop(guard.stdin.take());
    assert!(guard.wait().unwrap().success());
    assert!(!two.namespace().exists() && Lab::open("two").is_err());
    assert!(one.namespace().exists() && one.has_hostlerd());
}
