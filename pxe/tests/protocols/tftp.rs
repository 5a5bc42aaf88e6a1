//! TFTP over real sockets. What the fleet's firmware asks for is tested with the fleet; here is what it does not do.

use crate::support::{Nodes, Running};
use hostler_core::boot::NetworkEvidence;
use hostler_core::hardware::{Arch, Firmware};
use hostler_pxe::{BootServer, Catalogue, Error, Settings};
use proptest::prelude::*;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

const LOADER: &[u8] = b"a loader of less than a block";

async fn running(address: [u8; 4]) -> (Arc<Nodes>, Running) {
    let catalogue = Catalogue::new()
        .loader(Arch::X86_64, Firmware::Bios, LOADER.to_vec())
        .file("large", vec![7; 100_000]);
    let nodes = Arc::new(Nodes::at(address.into(), Arch::X86_64, Firmware::Bios));
    let running = Running::start(nodes.clone(), catalogue).await;
    (nodes, running)
}

fn client(address: [u8; 4]) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from((address, 0))).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn read_request(path: &str, options: &[&str]) -> Vec<u8> {
    let words = [path, "octet"].iter().chain(options).map(|word| format!("{word}\0")).collect::<String>();
    [b"\0\x01", words.as_bytes()].concat()
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 70_000];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

#[tokio::test(flavor = "multi_thread")]
async fn powervm_writes_backslashes() {
    let address = [127, 63, 1, 1];
    let (nodes, running) = running(address).await;
    let socket = client(address);
    socket.send_to(&read_request(r"\loaders\x86_64-bios.kpxe", &[]), running.addresses.tftp[0]).unwrap();
    let (data, from) = receive(&socket);
    assert_eq!(data, [b"\0\x03\0\x01", LOADER].concat());
    assert_eq!(from.ip(), running.addresses.tftp[0].ip(), "ROMs drop answers from another address");
    socket.send_to(b"\0\x04\0\x01", from).unwrap();
    nodes.wait_for(1).await;
    let seen = nodes.seen.lock().unwrap().remove(0);
    assert_eq!((seen.kind, seen.bytes, seen.complete), (NetworkEvidence::Tftp, LOADER.len() as u64, true));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_windows_are_bounded() {
    let address = [127, 63, 2, 1];
    let (_nodes, running) = running(address).await;
    let socket = client(address);
    let options = ["blksize", "65464", "windowsize", "65535", "timeout", "255", "tsize", "0"];
    socket.send_to(&read_request("large", &options), running.addresses.tftp[0]).unwrap();
    let (acknowledged, from) = receive(&socket);
    assert_eq!(acknowledged, b"\0\x06blksize\x001468\0tsize\x00100000\0windowsize\x0016\0");
    socket.send_to(b"\0\x04\0\0", from).unwrap();
    for block in 1..=16 {
        let (data, _) = receive(&socket);
        assert_eq!((data[3], data.len()), (block, 1472));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_transfer_is_no_complete_one() {
    let address = [127, 63, 3, 1];
    let (nodes, running) = running(address).await;
    let socket = client(address);
    let probe = read_request("loaders/x86_64-bios.kpxe", &["tsize", "0"]);
    socket.send_to(&probe, running.addresses.tftp[0]).unwrap();
    let (acknowledged, from) = receive(&socket);
    assert_eq!(acknowledged, format!("\0\x06tsize\0{}\0", LOADER.len()).as_bytes());
    socket.send_to(b"\0\x05\0\x08User aborted the transfer\0", from).unwrap();
    // All of this file was read for the first block, which was never sent.
    nodes.wait_for(1).await;
    assert!(!nodes.seen.lock().unwrap()[0].complete);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_holds_a_bounded_number_of_transfers() {
    let address = [127, 63, 4, 1];
    let (_nodes, running) = running(address).await;
    let sockets: Vec<_> = (0..40).map(|_| client(address)).collect();
    let refused = sockets.iter().filter(|socket| {
        socket.send_to(&read_request("large", &[]), running.addresses.tftp[0]).unwrap();
        receive(socket).0.starts_with(b"\0\x05\0\0")
    });
    assert_eq!(refused.count(), 8, "32 of 40 transfers are opened");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_written() {
    let address = [127, 63, 5, 1];
    let (_nodes, running) = running(address).await;
    let socket = client(address);
    socket.send_to(b"\0\x02large\0octet\0", running.addresses.tftp[0]).unwrap();
    assert!(receive(&socket).0.starts_with(b"\0\x05\0\x02"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wildcard_address_is_refused() {
    let nodes = Arc::new(Nodes::of(Arch::X86_64, Firmware::Bios));
    let settings = Settings { tftp: vec![([0, 0, 0, 0], 0).into()], ..crate::support::settings() };
    let error = BootServer::bind(settings, Catalogue::new(), nodes).await.err().unwrap();
    assert!(matches!(error, Error::Wildcard(_)), "{error}");
}

/// Requests that are almost right.
fn odd_packet() -> impl Strategy<Value = Vec<u8>> {
    let word =
        "(blksize|windowsize|tsize|timeout|octet|netascii|mail|large|[0-9]{1,22}|[ -~]{0,300}|\\PC{0,20})";
    let request =
        (0u8..8, proptest::collection::vec(word, 0..8), any::<bool>()).prop_map(|(opcode, words, end)| {
            let mut packet = [&[0, opcode][..], words.join("\0").as_bytes()].concat();
            if end {
                packet.push(0);
            }
            packet
        });
    prop_oneof![request, proptest::collection::vec(any::<u8>(), 0..600)]
}

#[test]
fn odd_packets_do_no_harm() {
    let address = [127, 63, 6, 1];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_nodes, running) = runtime.block_on(running(address));
    proptest!(ProptestConfig::with_cases(500), |(packet in odd_packet())| {
        client(address).send_to(&packet, running.addresses.tftp[0]).unwrap();
    });
    // Packets are taken in order, so this one is answered after all of them.
    let socket = client([127, 63, 6, 2]);
    socket.send_to(&read_request("absent", &[]), running.addresses.tftp[0]).unwrap();
    assert!(receive(&socket).0.starts_with(b"\0\x05\0\x01"));
    runtime.block_on(running.stop());
}
