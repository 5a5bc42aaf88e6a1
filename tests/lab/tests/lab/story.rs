//! The life of machines with real firmware, real kernels and BMCs that nobody here wrote: from a registration by label
//! to a tenant, and clean again.

use crate::payload::{PATTERN, is_on_disk, run_payload};
use crate::support::{BOOT, can_run, full, plan};
use hostler_lab::image::Kind;
use hostler_lab::room::{Arch, DiskKind, MachineSpec, Platform};
use hostler_lab::tenant::Tenant;
use hostler_lab::wait::until;
use hostler_lab::{Lab, RoomSpec};
use serde_json::Value;

/// Phases of a boot that wiped, and of what a lease made of it: a machine that shows less was not watched. DHCP is not among
/// them: what a machine asks before its BMC has answered may be of the boot before and counts for nothing, and on a busy
/// host a BMC answers late.
const PREPARED: [&str; 5] = ["power", "http", "agent", "inspect", "wipe"];
const DEPLOYED: [&str; 3] = ["inspect", "image", "deployed"];

fn phases(of: &Value) -> Vec<&str> {
    of["phases"].as_array().into_iter().flatten().filter_map(|p| p["phase"].as_str()).collect()
}

fn assert_phases(of: &Value, expected: &[&str]) {
    let seen = phases(of);
    assert!(expected.iter().all(|p| seen.contains(p)), "of {expected:?} were seen {seen:?}: {of}");
}

/// Every machine inspected and wiped, with what was read of it.
fn assert_clean(lab: &Lab) {
    // All of them share the processors of one host.
    let cap = BOOT * u32::try_from(lab.machines().len()).unwrap();
    for machine in lab.machines() {
        let node = lab.wait_for_state(machine.name(), &["ready"], cap).unwrap();
        assert_phases(&node, &PREPARED);
        let (found, spec) = (&node["inventory"], &machine.identity.spec);
        assert_eq!(found["serial"].as_str().unwrap_or_default(), machine.identity.serial(), "{node}");
        assert_eq!(found["uuid"].as_str(), Some(machine.identity.uuid().as_str()), "{node}");
        assert_eq!(found["firmware"].as_str(), Some(spec.platform.firmware()), "{node}");
        assert_eq!(found["bmc"].is_string(), machine.identity.has_inband_bmc(), "{node}");
        assert_eq!(found["disks"].as_array().map(Vec::len), Some(spec.disks.len()), "{node}");
        assert!(found["nics"][0]["link"].as_bool().unwrap_or_default(), "{node}");
        let wipes = node["last_wipe"].as_array().unwrap();
        assert_eq!(wipes.len(), spec.disks.len(), "{node}");
        for wipe in wipes {
            assert!(wipe["verified"] == true && wipe["verified_bytes"].as_u64() > Some(0), "{node}");
        }
    }
}

/// Of every disk, with all machines off.
fn disks_with_pattern(lab: &Lab) -> Vec<String> {
    let mut found = Vec::new();
    for machine in lab.machines() {
        lab.power_off(machine.name()).unwrap();
        for number in 0..machine.identity.spec.disks.len() {
            if is_on_disk(&machine.disk(number), PATTERN).unwrap() {
                found.push(format!("{} disk {number}", machine.name()));
            }
        }
    }
    found
}

#[test]
fn four_platforms_serve_one_mixed_group_and_forget_it() {
    let mut room = RoomSpec::default();
    room.machines[2] =
        MachineSpec::new("arm1", Platform::Arm).disks(&[DiskKind::VirtioScsi, DiskKind::VirtioBlk]);
    if !can_run("four_platforms_serve_one_mixed_group_and_forget_it", &room) {
        return;
    }
    let lab = Lab::up(&plan("four", room)).unwrap();
    let images = [
        (Kind::Debian, Arch::X86_64),
        (Kind::Tiny, Arch::X86_64),
        (Kind::Tiny, Arch::Aarch64),
        (Kind::Live, Arch::Aarch64),
        (Kind::Tiny, Arch::Ppc64le),
    ];
    let ci = Tenant::new(&lab, &images).unwrap();
    assert_clean(&lab);

    let key = ci.ssh_key().unwrap();
    // Of the machines whose kernels need the program kexec, one has its system on a disk and one in memory.
    let arm = if full() { "tiny" } else { "live" };
    let group = format!(
        "server=1:x86_64,nodes=bios1,image=debian client=1:x86_64,nodes=uefi1 arm=1:aarch64,image={arm} power=1:ppc64le"
    );
    let lease = ci.lease_of(&format!("{group} --image tiny --ssh-key {}", key.display())).unwrap();
    let shown = ci.lease(lease).unwrap();
    for node in shown["nodes"].as_array().unwrap() {
        assert_phases(node, &DEPLOYED);
    }
    let results = run_payload(&ci, lease).unwrap();
    for (node, arch) in [("bios1", "x86_64"), ("uefi1", "x86_64"), ("arm1", "aarch64"), ("ppc1", "ppc64le")] {
        let output = std::fs::read_to_string(results.join(node).join("output.log")).unwrap();
        assert!(output.contains(&format!("on {node} as ")) && output.contains(arch), "{output}");
        assert!(results.join(node).join("files/report.xml").exists());
    }
    assert_eq!(ci.ssh(lease, "bios1", "hostname").unwrap().trim(), "bios1");

    // A restart by the tenant comes back from the local disk, as an incarnation of the same boot.
    let boot = lab.node("uefi1").unwrap()["boot"]["id"].clone();
    ci.say(&format!("run {lease} --role client --timeout 1m -- reboot")).unwrap();
    lab.wait_for_console("uefi1", "starts its local disk", BOOT).unwrap();
    // What is ordered before the controller hears that agent again is lost with the one before.
    let read = || Ok(ci.ok(&format!("run {lease} --role client --raw -- cat /root/secret")).ok());
    let again = until("the agent of uefi1 to resume", BOOT, read).unwrap();
    assert!(again.starts_with(PATTERN), "the agent resumed on the disk that the payload had written");
    assert_eq!(lab.node("uefi1").unwrap()["boot"]["id"], boot);

    ci.ok(&format!("lease release {lease}")).unwrap();
    assert_clean(&lab);
    assert_eq!(disks_with_pattern(&lab), Vec::<String>::new());
}

#[test]
fn machines_are_provisioned_again_and_again() {
    let (machines, rounds) = if full() { (8, 10) } else { (4, 2) };
    let room = RoomSpec::x86(machines);
    if !can_run("machines_are_provisioned_again_and_again", &room) {
        return;
    }
    let lab = Lab::up(&plan("rounds", room)).unwrap();
    let ci = Tenant::new(&lab, &[(Kind::Tiny, Arch::X86_64), (Kind::Live, Arch::X86_64)]).unwrap();
    for round in 1..=rounds {
        assert_clean(&lab);
        let image = if round % 2 == 1 { "live" } else { "tiny" };
        let others = machines - 1;
        let lease = ci.lease_of(&format!("one=1:x86_64 others={others}:x86_64 --image {image}")).unwrap();
        for node in ci.lease(lease).unwrap()["nodes"].as_array().unwrap() {
            assert_phases(node, &DEPLOYED);
        }
        run_payload(&ci, lease).unwrap();
        if image == "live" {
            restart_in_memory(&lab, &ci, lease);
        }
        ci.ok(&format!("lease release {lease}")).unwrap();
        eprintln!("round {round} of {rounds} with {machines} machines is over");
    }
    assert_clean(&lab);
    assert_eq!(disks_with_pattern(&lab), Vec::<String>::new());
}

/// A system that is in memory is deployed again when its machine has restarted; what it kept is gone, but not what it
/// left on the disk.
fn restart_in_memory(lab: &Lab, ci: &Tenant<'_>, lease: u64) {
    let shown = ci.lease(lease).unwrap();
    let member = shown["nodes"].as_array().unwrap().iter().find(|node| node["role"] == "one").unwrap();
    let name = member["name"].as_str().unwrap();
    let boot = lab.node(name).unwrap()["boot"]["id"].clone();
    // Every platform calls its first disk so, or has none of this kind.
    let soil = format!(
        "for disk in /dev/vda /dev/sda /dev/nvme0n1; do [ ! -b $disk ] || echo {PATTERN} > $disk; done"
    );
    let script = ci.path("soil.sh");
    std::fs::write(&script, format!("{soil}\nsync\n")).unwrap();
    ci.ok(&format!("run {lease} --role one --timeout 1m --script {}", script.display())).unwrap();
    ci.say(&format!("run {lease} --role one --timeout 1m -- reboot")).unwrap();
    // The firmware, the ramdisk, and another kernel.
    let again = until("the system to be deployed again", BOOT * 2, || {
        let node = lab.node(name)?;
        let up = node["boot"]["id"] != boot && phases(&node).contains(&"deployed");
        Ok(up.then_some(node))
    });
    assert_eq!(again.unwrap()["state"], "leased");
    ci.ok(&format!("run {lease} --role one --timeout 1m -- test ! -e /root/secret")).unwrap();
}
