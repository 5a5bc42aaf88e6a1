//! What real firmware and loaders asked for in the emulated lab, and what dnsmasq answered, with which they booted.
//! `cargo xtask lab record` records it anew.

use crate::support::{Nodes, Packet, Running};
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::NodeId;
use hostler_pxe::dhcp::{Verdict, answer};
use hostler_pxe::{BaseUrl, Catalogue, Client, Settings, names};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);

/// One machine's boot.
struct Recording {
    client: Client,
    /// What it asked by DHCP, and the answer.
    dhcp: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The same by TFTP. Where a file is sent without further words, there is no answer here.
    tftp: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The machines of the lab, in the order of their addresses.
fn recordings() -> Vec<Recording> {
    let machines = [
        ("bios1", Arch::X86_64, Firmware::Bios, include_str!("recorded/bios1.txt")),
        ("uefi1", Arch::X86_64, Firmware::Uefi, include_str!("recorded/uefi1.txt")),
        ("arm1", Arch::Aarch64, Firmware::Uefi, include_str!("recorded/arm1.txt")),
        ("ppc1", Arch::Ppc64le, Firmware::OpenFirmware, include_str!("recorded/ppc1.txt")),
    ];
    let recording = |(index, (name, arch, firmware, text)): (u8, (&str, Arch, Firmware, &str))| {
        let (mac, address) = (Mac([0x52, 0x54, 0, 0x77, 0, index]), Ipv4Addr::new(192, 168, 77, 10 + index));
        let client =
            Client { node: NodeId(index.into()), name: name.to_owned(), mac, address, arch, firmware };
        Recording { client, dhcp: exchanges(text, "dhcp"), tftp: exchanges(text, "tftp") }
    };
    (1..).zip(machines).map(recording).collect()
}

fn exchanges(text: &str, protocol: &str) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut exchanges: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [direction, spoken, hex] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        match direction {
            _ if spoken != protocol => {}
            ">" => exchanges.push((bytes.collect(), None)),
            _ => exchanges.last_mut().unwrap().1 = Some(bytes.collect()),
        }
    }
    exchanges
}

fn judge(client: &Client, packet: &[u8]) -> Verdict {
    let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    let base = BaseUrl::parse("http://192.168.77.1").unwrap();
    answer(packet, from, &Settings::new(SERVER), &base, &Nodes::new(client.clone()))
}

/// What firmware needs of an answer: its kind, who gives it, the address, where the boot file is and what it is called.
#[derive(Debug, PartialEq)]
struct Essence {
    xid: u32,
    kind: Option<Vec<u8>>,
    identifier: Option<Vec<u8>>,
    netmask: Option<Vec<u8>>,
    address: Ipv4Addr,
    server: Ipv4Addr,
    file: String,
}

fn essence(reply: &[u8]) -> Essence {
    let packet = Packet::decode(reply);
    let option = |code| packet.options.iter().find(|(c, _)| *c == code).map(|(_, value)| value.clone());
    // Either place will do; dnsmasq fills the field unless the option was asked for.
    let file = option(67).unwrap_or_else(|| packet.file.clone());
    Essence {
        xid: packet.xid,
        kind: option(53),
        identifier: option(54),
        netmask: option(1),
        address: packet.yiaddr,
        server: packet.siaddr,
        file: String::from_utf8(file).unwrap().trim_end_matches('\0').to_owned(),
    }
}

#[test]
fn every_dhcp_request_of_real_firmware_is_answered_as_dnsmasq_did() {
    let mut files = BTreeMap::<String, Vec<String>>::new();
    for Recording { client, dhcp, .. } in recordings() {
        assert!(!dhcp.is_empty());
        for (question, expected) in &dhcp {
            let Verdict::Known { reply: Some(reply), .. } = judge(&client, question) else {
                panic!("{} is not answered", client.name)
            };
            let ours = essence(&reply.packet);
            assert_eq!(ours, essence(expected.as_ref().unwrap()), "{}", client.name);
            let files = files.entry(client.name.clone()).or_default();
            files.retain(|file| *file != ours.file);
            files.push(ours.file);
        }
    }
    // Which program each stage of each machine is sent to.
    let script = "http://192.168.77.1/boot/script.ipxe";
    let expected = [
        ("arm1", vec!["loaders/aarch64-uefi.efi"]),
        ("bios1", vec![script]),
        ("ppc1", vec!["loaders/ppc64le-openfirmware.elf"]),
        ("uefi1", vec!["loaders/x86_64-uefi.efi", script]),
    ];
    let found: Vec<_> = files
        .iter()
        .map(|(name, files)| (name.as_str(), files.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(found, expected);
}

/// Firmware that calls itself a PXE client takes only what comes from one, and then looks for boot servers unless it is
/// told not to (PXE 2.1 section 2.4).
#[test]
fn pxe_clients_are_answered_as_such() {
    let mut clients = Vec::new();
    for Recording { client, dhcp, .. } in recordings() {
        for (question, _) in dhcp {
            let asked = options(&question);
            let is_ipxe = asked.contains_key(&175);
            if is_ipxe || !asked.get(&60).is_some_and(|class| class.starts_with(b"PXEClient")) {
                continue;
            }
            let Verdict::Known { reply: Some(reply), .. } = judge(&client, &question) else { unreachable!() };
            let told = options(&reply.packet);
            assert_eq!(told.get(&60).map(Vec::as_slice), Some(&b"PXEClient"[..]), "{}", client.name);
            assert_eq!(told.get(&43).map(Vec::as_slice), Some(&[6, 1, 8, 255][..]), "{}", client.name);
            assert_eq!(told.get(&97), asked.get(&97), "{}", client.name);
            clients.push(client.name.clone());
        }
    }
    clients.dedup();
    assert_eq!(clients, ["uefi1", "arm1"]);
}

fn options(packet: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let (mut options, mut rest) = (BTreeMap::new(), &packet[240..]);
    while let Some((&code, after)) = rest.split_first().filter(|(code, _)| **code != 255) {
        if code == 0 {
            rest = after;
            continue;
        }
        let (value, next) = after[1..].split_at(after[0].into());
        options.insert(code, value.to_vec());
        rest = next;
    }
    options
}

proptest! {
    /// Invariant 8, from where real packets are.
    #[test]
    fn invariant_8_no_change_of_a_recorded_request_panics(
        machine: prop::sample::Index,
        request: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        length: prop::sample::Index,
    ) {
        let recordings = recordings();
        let Recording { client, dhcp, .. } = machine.get(&recordings);
        let mut packet = request.get(dhcp).0.clone();
        for (at, byte) in flips {
            *at.get_mut(&mut packet) = byte;
        }
        let cut = length.index(packet.len() * 2).min(packet.len());
        if let Verdict::Known { reply: Some(reply), .. } = judge(client, &packet[..cut]) {
            Packet::decode(&reply.packet);
        }
    }
}

/// OACK's options, or the code of an error.
#[derive(Debug, PartialEq)]
enum Answer {
    Accepted(BTreeMap<String, String>),
    Refused(u8),
    Sent,
}

fn read(packet: &[u8]) -> Answer {
    match packet[1] {
        6 => {
            let words: Vec<_> =
                packet[2..].split(|b| *b == 0).map(|w| String::from_utf8(w.to_vec()).unwrap()).collect();
            Answer::Accepted(words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
        }
        5 => Answer::Refused(packet[3]),
        _ => Answer::Sent,
    }
}

/// Every file that loaders may ask for, each with `SIZE` bytes.
fn catalogue() -> Catalogue {
    let content = vec![7; SIZE];
    let mut catalogue = Catalogue::new().file("grub/arm64-efi/http.mod", content.clone());
    for arch in Arch::ALL {
        for firmware in Firmware::ALL {
            if let Some(name) = names::loader(arch, firmware) {
                catalogue = catalogue.file(name, content.clone());
            }
        }
    }
    catalogue
}

const SIZE: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn every_file_that_real_loaders_ask_for_is_sent_as_dnsmasq_did() {
    let mut count = 0;
    for Recording { client, tftp, .. } in recordings() {
        let address = Ipv4Addr::new(127, 63, 7, client.address.octets()[3]);
        let nodes = Arc::new(Nodes::new(Client { address, ..client.clone() }));
        let running = Running::start(nodes, catalogue()).await;
        for (question, expected) in tftp {
            let text = String::from_utf8_lossy(&question[2..]).replace('\0', " ");
            let expected = expected.as_deref().map_or(Answer::Sent, read);
            let ours = ask(address, running.addresses.tftp[0], &question);
            match (expected, ours) {
                (Answer::Accepted(theirs), Answer::Accepted(ours)) => compare(theirs, ours, &text),
                (expected, ours) => assert_eq!(ours, expected, "{}: {text}", client.name),
            }
            count += 1;
        }
        running.stop().await;
    }
    assert!(count >= 10, "{count} requests were recorded");
}

/// The size is that of another file; all else that was accepted is.
fn compare(mut theirs: BTreeMap<String, String>, mut ours: BTreeMap<String, String>, request: &str) {
    let (size, asked) = (ours.remove("tsize"), theirs.remove("tsize").is_some());
    assert_eq!(size.is_some(), asked, "{request}");
    // What is rendered has another size.
    if !request.contains("grub.cfg") {
        assert!(size.is_none_or(|size| size == SIZE.to_string()), "{request}");
    }
    // dnsmasq sends no windows of blocks (RFC 7440).
    if let Some(window) = ours.remove("windowsize") {
        assert!(request.contains(&format!("windowsize {window} ")), "{request}");
    }
    assert_eq!(ours, theirs, "{request}");
}

/// Sends a request and ends the transfer that it begins.
fn ask(from: Ipv4Addr, to: SocketAddr, request: &[u8]) -> Answer {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.send_to(request, to).unwrap();
    let mut buffer = [0; 2048];
    let (length, transfer) = socket.recv_from(&mut buffer).unwrap();
    socket.send_to(b"\0\x05\0\x08enough\0", transfer).unwrap();
    read(&buffer[..length])
}
