//! The fleet's boot clients against dnsmasq, which bears witness for them, and against our server, for which they
//! bear witness then: one table of expectations for both.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod netboot;

use hostler_checkout::peers::peer;
use hostler_checkout::skip::skip;
use hostler_core::boot::{BootPlan, NetworkEvidence};
use hostler_core::hardware::Mac;
use hostler_fleet::chassis::BootDevice;
use hostler_fleet::firmware::{
    Booted, Download, FirmwareError, Kind, Profile, Request, TftpError, boot, get, lease, probe,
};
use hostler_fleet::network::{Cable, Nic};
use netboot::dnsmasq::Dnsmasq;
use netboot::hostler::Hostler;
use netboot::room::{ARGUMENTS, EXPECTATIONS, Expectation, Room};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

fn quiet(_: &str) {}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut download = Download::new(0);
    download.take(bytes);
    download.sha256()
}

/// What the servers do differently, each within its rights.
#[derive(Clone, Copy)]
struct Server<'a> {
    /// dnsmasq does not know RFC 7440.
    windows: bool,
    script_url: &'a str,
    /// Host and port of the HTTP server.
    http: &'a str,
}

/// DHCP, TFTP and the whole boot of one kind of machine.
async fn bear_witness(server: Server<'_>, room: &Room, expected: &Expectation, nic: &Nic) {
    let machine = expected.machine();
    let firmware = lease(Profile::Firmware(expected.kind), &machine, nic, &quiet).await.unwrap();
    assert_eq!(firmware.file, expected.loader_name(), "{:?}", expected.kind);
    assert_eq!((firmware.address, firmware.next_server), (nic.cable().address(), room.server()));
    load(server, room, expected, nic).await;
    if matches!(expected.kind, Kind::Bios | Kind::UefiX86) {
        let ipxe = lease(Profile::Ipxe(expected.kind), &machine, nic, &quiet).await.unwrap();
        assert_eq!(ipxe.file, server.script_url, "{:?}", expected.kind);
    }
    let booted = boot(&machine, nic, BootDevice::Network, &quiet).await.unwrap();
    assert_eq!(booted, expected_boot(expected, server.http), "{:?}", expected.kind);
}

fn expected_boot(expected: &Expectation, http: &str) -> Booted {
    let prefix = expected.prefix.replace("SERVER", http);
    Booted::Kernel {
        args: format!("{prefix}{}", ARGUMENTS.join(" ")),
        kernel_sha256: sha256(&expected.kernel()),
        ramdisk_sha256: sha256(&expected.ramdisk()),
        bytes: (expected.kernel().len() + expected.ramdisk().len()) as u64,
    }
}

/// The loader with the options of this firmware, and files that are not there.
async fn load(server: Server<'_>, room: &Room, expected: &Expectation, nic: &Nic) {
    let timing = expected.machine().timing;
    let request = |path| Request {
        server: room.server(),
        path,
        port: 0,
        block_size: Some(expected.block_size),
        tsize: false,
        window: expected.window,
        strict: expected.kind == Kind::Slof,
    };
    let loader = request(expected.loader_name());
    if expected.probes {
        let size = probe(nic, &timing, Request { tsize: true, ..loader }).await.unwrap();
        assert_eq!(size, expected.loader as u64);
    }
    let mut download = Download::new(0);
    let transfer = get(nic, &timing, loader, &mut download).await.unwrap();
    let window = expected.window.filter(|_| server.windows).unwrap_or(1);
    assert_eq!((transfer.block_size, transfer.window), (expected.block_size, window));
    assert_eq!(download.sha256(), sha256(&expected.loader()), "{:?}", expected.kind);
    for absent in ["loaders/absent.efi", "grub/arm64-efi/command.lst", "../grub.cfg"] {
        let refused = get(nic, &timing, request(absent), &mut Download::new(0)).await.unwrap_err();
        assert!(matches!(refused, TftpError::Refused { .. }), "{absent}: {refused}");
    }
}

#[tokio::test]
async fn firmware_of_all_kinds_boots_from_our_server() {
    let room = Arc::new(Room::new(1));
    let server = Hostler::start(&room).await;
    let http = server.addresses.http.to_string();
    let script_url = format!("http://{http}/boot/script.ipxe");
    for expected in EXPECTATIONS {
        let nic = room.nic(expected.kind, server.ports.clone());
        let ours = Server { windows: true, script_url: &script_url, http: &http };
        bear_witness(ours, &room, &expected, &nic).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn firmware_of_all_kinds_boots_from_dnsmasq() {
    const NAME: &str = "firmware_of_all_kinds_boots_from_dnsmasq";
    let Some(program) = peer(NAME, "dnsmasq") else { return };
    let room = Arc::new(Room::new(2));
    // dnsmasq does not speak HTTP: the script and the kernels are ours.
    let server = Hostler::start(&room).await;
    let http = server.addresses.http.to_string();
    let script_url = format!("http://{http}/boot/script.ipxe");
    let config = format!(
        "insmod http\nif linux (http,{http})/kernels/ARCH {}\nthen\ninitrd (http,{http})/ramdisks/ARCH\nboot\nfi\n",
        ARGUMENTS.join(" ")
    );
    let Some(dnsmasq) = Dnsmasq::start(&program, &room, &script_url, &config) else {
        return skip(NAME, "dnsmasq serves TFTP on port 69 only, which needs a privilege");
    };
    for expected in EXPECTATIONS {
        let nic = room.nic(expected.kind, dnsmasq.ports.clone()).with_relay_port(dnsmasq.relay_port);
        let theirs = Server { windows: false, script_url: &script_url, http: &http };
        bear_witness(theirs, &room, &expected, &nic).await;
    }
    let by_us = [NetworkEvidence::Dhcp, NetworkEvidence::Tftp];
    let stray = room.seen().into_iter().find(|(_, seen)| by_us.contains(&seen.kind));
    assert_eq!(stray, None, "our server answered in the place of dnsmasq");
}

#[tokio::test]
async fn every_step_of_a_boot_is_evidence() {
    let room = Arc::new(Room::new(3));
    let server = Hostler::start(&room).await;
    for (expected, client) in EXPECTATIONS.iter().zip(room.clients()) {
        let nic = room.nic(expected.kind, server.ports.clone());
        boot(&expected.machine(), &nic, BootDevice::Network, &quiet).await.unwrap();
        for kind in
            [NetworkEvidence::Dhcp, NetworkEvidence::Tftp, NetworkEvidence::Script, NetworkEvidence::Http]
        {
            room.wait_for(client.node, |seen| seen.kind == kind && seen.complete).await;
        }
        let kernel = expected.kernel().len() as u64;
        let loaded = room.wait_for(client.node, |seen| seen.bytes == kernel).await;
        assert_eq!(loaded.detail, format!("HTTP /kernels/{}", expected.arch));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_local_disk_is_started_where_there_is_one() {
    let room = Arc::new(Room::new(4));
    room.set_plan(BootPlan::LocalDisk { firmware: hostler_core::hardware::Firmware::Bios });
    let server = Hostler::start(&room).await;
    for expected in EXPECTATIONS {
        let nic = room.nic(expected.kind, server.ports.clone());
        let machine = hostler_fleet::firmware::Machine { bootable_disk: true, ..expected.machine() };
        let booted = boot(&machine, &nic, BootDevice::None, &quiet).await.unwrap();
        assert_eq!(booted, Booted::LocalDisk, "{:?}", expected.kind);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_machine_that_waits_goes_on_when_there_is_something_to_boot() {
    let room = Arc::new(Room::new(5));
    let server = Hostler::start(&room).await;
    for expected in EXPECTATIONS {
        room.set_plan(BootPlan::Wait { reason: "no lease".to_owned() });
        let waits = AtomicUsize::new(0);
        let console = |line: &str| {
            if line.contains("waits: no lease") && waits.fetch_add(1, Ordering::Relaxed) == 1 {
                room.set_plan(Room::ramdisk());
            }
        };
        let nic = room.nic(expected.kind, server.ports.clone());
        let booted = boot(&expected.machine(), &nic, BootDevice::Network, &console).await.unwrap();
        assert!(matches!(booted, Booted::Kernel { .. }), "{:?}", expected.kind);
        assert_eq!(waits.into_inner(), 2, "{:?}", expected.kind);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_boot_goes_on_when_the_cable_is_mended() {
    let room = Arc::new(Room::new(7));
    let server = Hostler::start(&room).await;
    for expected in EXPECTATIONS {
        let nic = room.nic(expected.kind, server.ports.clone());
        let (cut, booted) = (Notify::new(), AtomicBool::new(false));
        let console = |line: &str| {
            if line.contains("starts the ramdisk") {
                nic.cable().cut();
                cut.notify_one();
            }
        };
        let machine = expected.machine();
        let boot = async {
            boot(&machine, &nic, BootDevice::Network, &console).await.unwrap();
            booted.store(true, Ordering::Relaxed);
        };
        let mend = async {
            cut.notified().await;
            assert!(!booted.load(Ordering::Relaxed), "{:?} boots without a cable", expected.kind);
            nic.cable().mend();
        };
        tokio::join!(boot, mend);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_machine_that_is_not_registered_gets_nothing() {
    let room = Arc::new(Room::new(6));
    let server = Hostler::start(&room).await;
    let mac = [0x52, 0x54, 0, 0, 0, 0x99];
    let nic = Nic::new(mac, Cable::new([127, 77, 6, 99].into()), server.ports.clone(), room.server());
    let mut machine = EXPECTATIONS[0].machine();
    machine.timing.dhcp = [std::time::Duration::from_millis(50); 4];
    let error = boot(&machine, &nic, BootDevice::Network, &quiet).await.unwrap_err();
    assert!(matches!(error, FirmwareError::NoOffer { discovers: 4 }), "{error}");
    assert_eq!(room.unknown_macs(), [Mac(mac); 4]);
    for path in ["grub.cfg", EXPECTATIONS[0].loader_name()] {
        let request = Request {
            server: room.server(),
            path,
            port: 0,
            block_size: None,
            tsize: false,
            window: None,
            strict: false,
        };
        let error = get(&nic, &machine.timing, request, &mut Download::new(0)).await.unwrap_err();
        assert!(matches!(error, TftpError::Refused { code: 1, .. }), "{path}: {error}");
    }
    assert_eq!(room.seen(), []);
    server.stop().await;
}
