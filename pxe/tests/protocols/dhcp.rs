//! What each kind of client is answered.

use crate::support::{ADDRESS, Nodes, Packet};
use hostler_core::hardware::{Arch, Firmware};
use hostler_pxe::dhcp::{Reply, Verdict, answer};
use hostler_pxe::{BaseUrl, Settings};
use insta::assert_snapshot;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RELAY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 254), 40_000);

fn judge(arch: Arch, firmware: Firmware, packet: &[u8]) -> Verdict {
    let settings = Settings { router: Some([10, 0, 0, 254].into()), ..Settings::new(SERVER) };
    let base = BaseUrl::parse("http://10.0.0.1:8080").unwrap();
    answer(packet, RELAY, &settings, &base, &Nodes::of(arch, firmware))
}

/// The answer, one line for the header and one for each option.
fn answered(arch: Arch, firmware: Firmware, packet: &Packet) -> String {
    match judge(arch, firmware, &packet.encode()) {
        Verdict::Known { detail, reply: Some(reply), .. } => format!("{detail}\n{}", describe(&reply)),
        Verdict::Known { detail, reply: None, .. } => format!("{detail}\nno answer"),
        Verdict::Unknown(mac) => format!("{mac} is unknown"),
        Verdict::Malformed(error) => format!("malformed: {error}"),
    }
}

fn describe(reply: &Reply) -> String {
    let packet = Packet::decode(&reply.packet);
    let mut text = format!("to {}\nyiaddr {} siaddr {}", reply.to, packet.yiaddr, packet.siaddr);
    writeln!(text, " file {:?}", String::from_utf8_lossy(&packet.file)).unwrap();
    for (code, value) in &packet.options {
        let plain = value.iter().all(|b| b.is_ascii_graphic()) && value.len() > 4;
        let shown =
            if plain { format!("{:?}", String::from_utf8_lossy(value)) } else { format!("{value:?}") };
        writeln!(text, "{code}: {shown}").unwrap();
    }
    text
}

#[test]
fn a_pxe_rom_is_offered_its_loader() {
    let discover = Packet::dhcp(1)
        .option(60, b"PXEClient:Arch:00000:UNDI:002001")
        .option(93, &[0, 0])
        .option(94, &[1, 2, 1])
        .option(97, &[0; 17]);
    assert_snapshot!(answered(Arch::X86_64, Firmware::Bios, &discover), @r#"
        DISCOVER -> 10.0.0.53, loaders/x86_64-bios.kpxe
        to 255.255.255.255:68
        yiaddr 10.0.0.53 siaddr 10.0.0.1 file "loaders/x86_64-bios.kpxe"
        1: [255, 255, 255, 0]
        3: [10, 0, 0, 254]
        12: "node-1"
        43: [6, 1, 8, 255]
        51: [0, 0, 14, 16]
        53: [2]
        54: [10, 0, 0, 1]
        60: "PXEClient"
        66: "10.0.0.1"
        67: "loaders/x86_64-bios.kpxe"
        93: [0, 0]
        94: [1, 2, 1]
        97: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        "#);
}

#[test]
fn a_relay_gets_its_option_back_as_the_last_one_at_the_port_that_it_sent_from() {
    let discover = Packet::dhcp(1)
        .relay(*RELAY.ip())
        .option(60, b"PXEClient:Arch:00011:UNDI:003000")
        .option(93, &[0, 11])
        .option(82, &[1, 2, b'p', b'1', 19, 0])
        .option(61, &[1, 2, 3]);
    assert_snapshot!(answered(Arch::Aarch64, Firmware::Uefi, &discover), @r#"
        DISCOVER -> 10.0.0.53, loaders/aarch64-uefi.efi
        to 10.0.0.254:40000
        yiaddr 10.0.0.53 siaddr 10.0.0.1 file "loaders/aarch64-uefi.efi"
        1: [255, 255, 255, 0]
        3: [10, 0, 0, 254]
        12: "node-1"
        43: [6, 1, 8, 255]
        51: [0, 0, 14, 16]
        53: [2]
        54: [10, 0, 0, 1]
        60: "PXEClient"
        61: [1, 2, 3]
        66: "10.0.0.1"
        67: "loaders/aarch64-uefi.efi"
        93: [0, 11]
        82: [1, 2, 112, 49, 19, 0]
        "#);
}

#[test]
fn a_relay_of_the_old_kind_is_answered_at_port_67() {
    let discover = Packet::dhcp(1).relay(*RELAY.ip()).option(82, &[1, 2, b'p', b'1']);
    let Verdict::Known { reply: Some(reply), .. } = judge(Arch::X86_64, Firmware::Bios, &discover.encode())
    else {
        unreachable!()
    };
    assert_eq!(reply.to, SocketAddrV4::new(*RELAY.ip(), 67));
}

#[test]
fn a_relay_that_wants_all_packets_is_taken_for_the_server() {
    let overriding: &[u8] = &[11, 4, 10, 9, 9, 9];
    let discover = Packet::dhcp(1).relay(*RELAY.ip()).option(82, overriding);
    assert!(answered(Arch::X86_64, Firmware::Bios, &discover).contains("\n54: [10, 9, 9, 9]\n"));
    let request = Packet::dhcp(3).relay(*RELAY.ip()).option(82, overriding);
    let request = request.option(54, &[10, 9, 9, 9]).option(50, &ADDRESS.octets());
    assert!(answered(Arch::X86_64, Firmware::Bios, &request).contains("53: [5]"));
}

#[test]
fn ipxe_is_sent_to_its_script_and_told_not_to_wait_for_a_proxy() {
    let request = Packet::dhcp(3)
        .option(60, b"PXEClient:Arch:00007:UNDI:003010")
        .option(93, &[0, 7])
        .option(77, b"iPXE")
        .option(175, &[0xb1, 0])
        .option(50, &ADDRESS.octets())
        .option(54, &SERVER.octets());
    assert_snapshot!(answered(Arch::X86_64, Firmware::Uefi, &request), @r#"
        REQUEST -> 10.0.0.53, http://10.0.0.1:8080/boot/script.ipxe
        to 255.255.255.255:68
        yiaddr 10.0.0.53 siaddr 10.0.0.1 file "http://10.0.0.1:8080/boot/script.ipxe"
        1: [255, 255, 255, 0]
        3: [10, 0, 0, 254]
        12: "node-1"
        51: [0, 0, 14, 16]
        53: [5]
        54: [10, 0, 0, 1]
        66: "10.0.0.1"
        67: "http://10.0.0.1:8080/boot/script.ipxe"
        93: [0, 7]
        175: [176, 1, 1]
        "#);
}

#[test]
fn uefi_http_boot_gets_a_url_and_its_class_back() {
    let discover = Packet::dhcp(1).option(60, b"HTTPClient:Arch:00016:UNDI:003000").option(93, &[0, 16]);
    assert_snapshot!(answered(Arch::X86_64, Firmware::Uefi, &discover), @r#"
        DISCOVER -> 10.0.0.53, http://10.0.0.1:8080/loaders/x86_64-uefi.efi
        to 255.255.255.255:68
        yiaddr 10.0.0.53 siaddr 10.0.0.1 file "http://10.0.0.1:8080/loaders/x86_64-uefi.efi"
        1: [255, 255, 255, 0]
        3: [10, 0, 0, 254]
        12: "node-1"
        51: [0, 0, 14, 16]
        53: [2]
        54: [10, 0, 0, 1]
        60: "HTTPClient"
        66: "10.0.0.1"
        67: "http://10.0.0.1:8080/loaders/x86_64-uefi.efi"
        93: [0, 16]
        "#);
}

#[test]
fn slof_says_what_it_is_only_after_the_offer() {
    let discover = Packet::dhcp(1).option(55, &[1, 3, 93]);
    assert_snapshot!(answered(Arch::Ppc64le, Firmware::OpenFirmware, &discover), @r#"
        DISCOVER -> 10.0.0.53, loaders/ppc64le-openfirmware.elf
        to 255.255.255.255:68
        yiaddr 10.0.0.53 siaddr 10.0.0.1 file "loaders/ppc64le-openfirmware.elf"
        1: [255, 255, 255, 0]
        3: [10, 0, 0, 254]
        12: "node-1"
        51: [0, 0, 14, 16]
        53: [2]
        54: [10, 0, 0, 1]
        66: "10.0.0.1"
        67: "loaders/ppc64le-openfirmware.elf"
        "#);
    let request =
        Packet::dhcp(3).option(93, &[0, 12]).option(50, &ADDRESS.octets()).option(54, &SERVER.octets());
    assert_snapshot!(answered(Arch::Ppc64le, Firmware::OpenFirmware, &request), @r#"
        REQUEST -> 10.0.0.53, loaders/ppc64le-openfirmware.elf
        to 255.255.255.255:68
        yiaddr 10.0.0.53 siaddr 10.0.0.1 file "loaders/ppc64le-openfirmware.elf"
        1: [255, 255, 255, 0]
        3: [10, 0, 0, 254]
        12: "node-1"
        51: [0, 0, 14, 16]
        53: [5]
        54: [10, 0, 0, 1]
        66: "10.0.0.1"
        67: "loaders/ppc64le-openfirmware.elf"
        93: [0, 12]
        "#);
}

#[test]
fn bootp_is_answered_without_a_message_type() {
    assert_snapshot!(answered(Arch::Ppc64le, Firmware::OpenFirmware, &Packet::bootp()), @r#"
        BOOTP request -> 10.0.0.53, loaders/ppc64le-openfirmware.elf
        to 255.255.255.255:68
        yiaddr 10.0.0.53 siaddr 10.0.0.1 file "loaders/ppc64le-openfirmware.elf"
        1: [255, 255, 255, 0]
        3: [10, 0, 0, 254]
        12: "node-1"
        66: "10.0.0.1"
        67: "loaders/ppc64le-openfirmware.elf"
        "#);
}

#[test]
fn an_operating_system_gets_its_address_and_nothing_to_boot() {
    let renewal = Packet::dhcp(3).client(ADDRESS).option(60, b"MSFT 5.0");
    assert_snapshot!(answered(Arch::X86_64, Firmware::Uefi, &renewal), @r#"
        REQUEST -> 10.0.0.53
        to 10.0.0.53:68
        yiaddr 10.0.0.53 siaddr 0.0.0.0 file ""
        1: [255, 255, 255, 0]
        3: [10, 0, 0, 254]
        12: "node-1"
        51: [0, 0, 14, 16]
        53: [5]
        54: [10, 0, 0, 1]
        "#);
    let inform = Packet::dhcp(8).client(ADDRESS);
    assert_snapshot!(answered(Arch::X86_64, Firmware::Uefi, &inform), @r#"
        INFORM -> ACK
        to 10.0.0.53:68
        yiaddr 0.0.0.0 siaddr 0.0.0.0 file ""
        1: [255, 255, 255, 0]
        3: [10, 0, 0, 254]
        12: "node-1"
        53: [5]
        54: [10, 0, 0, 1]
        "#);
}

#[test]
fn the_wrong_address_is_refused_and_the_wrong_server_is_left_alone() {
    let request = |server: Ipv4Addr, address: [u8; 4]| {
        Packet::dhcp(3).option(54, &server.octets()).option(50, &address)
    };
    assert_snapshot!(answered(Arch::X86_64, Firmware::Bios, &request(SERVER, [10, 0, 0, 99])), @r#"
        REQUEST for 10.0.0.99, which is not reserved for it -> NAK
        to 255.255.255.255:68
        yiaddr 0.0.0.0 siaddr 0.0.0.0 file ""
        53: [6]
        54: [10, 0, 0, 1]
        "#);
    let elsewhere = request([10, 0, 0, 2].into(), [10, 0, 0, 99]);
    assert_snapshot!(answered(Arch::X86_64, Firmware::Bios, &elsewhere), @"
        REQUEST to another server
        no answer
        ");
    assert_snapshot!(answered(Arch::X86_64, Firmware::Bios, &Packet::dhcp(3)), @"
        REQUEST for no address
        no answer
        ");
    assert_snapshot!(answered(Arch::X86_64, Firmware::Bios, &Packet::dhcp(7)), @"
        RELEASE
        no answer
        ");
}

/// Client system architectures against what is registered; the loader, or why there is none.
#[test]
fn what_firmware_says_is_believed_where_it_fits() {
    let x86 = (Arch::X86_64, Firmware::Uefi);
    let arm = (Arch::Aarch64, Firmware::Uefi);
    for (code, (arch, firmware), expected) in [
        (0x0007, x86, "10.0.0.53, loaders/x86_64-uefi.efi"),
        (0x0009, x86, "10.0.0.53, loaders/x86_64-uefi.efi"),
        (0x0000, x86, "10.0.0.53, loaders/x86_64-bios.kpxe"),
        (0x000b, arm, "10.0.0.53, loaders/aarch64-uefi.efi"),
        (0x0000, arm, "10.0.0.53, loaders/aarch64-uefi.efi"),
        (0x0007, arm, "nothing to boot: it says that it is x86_64 but is registered as aarch64"),
        (0x000e, arm, "nothing to boot: architecture 0x000e is not supported"),
        (0x0006, x86, "nothing to boot: architecture 0x0006 is not supported"),
    ] {
        let code = u16::to_be_bytes(code);
        let text = answered(arch, firmware, &Packet::dhcp(1).option(60, b"PXEClient").option(93, &code));
        let first = text.lines().next().unwrap();
        assert!(first.ends_with(expected), "{code:?} {arch} {firmware}: {first}");
    }
}

#[test]
fn an_unregistered_machine_is_not_answered() {
    let stranger = Packet::dhcp(1).mac([2, 0, 0, 0, 0, 0xee]);
    assert_snapshot!(answered(Arch::X86_64, Firmware::Bios, &stranger), @"
        02:00:00:00:00:ee is unknown
        ");
}

proptest! {
    /// Whatever the options are: no panic, and an answer that fits a datagram and ends where it says.
    #[test]
    fn odd_options_get_a_sound_answer_or_none(
        kind in 0u8..20,
        options in proptest::collection::vec(
            (prop_oneof![1u8..=254, Just(82), Just(97), Just(61), Just(93)], proptest::collection::vec(any::<u8>(), 0..255)),
            0..5,
        ),
        giaddr in any::<[u8; 4]>(),
        ciaddr in any::<[u8; 4]>(),
    ) {
        let mut packet = Packet::dhcp(kind).relay(giaddr.into()).client(ciaddr.into());
        for (code, value) in &options {
            packet = packet.option(*code, value);
        }
        if let Verdict::Known { reply: Some(reply), .. } =
            judge(Arch::Ppc64le, Firmware::OpenFirmware, &packet.encode())
        {
            prop_assert!(reply.packet.len() >= 300 && reply.packet.len() < 2500);
            let decoded = Packet::decode(&reply.packet);
            prop_assert_eq!(decoded.xid, packet.xid);
        }
    }

    #[test]
    fn cut_packets_get_no_panic(length in 0usize..400) {
        let packet = Packet::dhcp(1).option(60, b"PXEClient").option(82, &[19, 0]).option(93, &[0, 7]).encode();
        let _ = judge(Arch::X86_64, Firmware::Uefi, &packet[..length.min(packet.len())]);
    }
}
