//! What the firmware's boot entries say (UEFI specification 2.10, sections 3.1.3 and 10.3).

/// An entry of the firmware's boot menu, `EFI_LOAD_OPTION`, as far as its order depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LoadOption {
    /// The firmware tries it.
    pub(super) active: bool,
    /// The interface that it boots from, if it boots from a network.
    pub(super) mac: Option<[u8; 6]>,
    /// By IPv4, or by IPv6; a network adapter's own boot program says neither.
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
    /// By HTTP instead of TFTP.
    pub(super) http: bool,
}

const ACTIVE: u32 = 1;

/// Types and subtypes of device path nodes.
const MAC: (u8, u8) = (0x03, 0x0b);
const IPV4: (u8, u8) = (0x03, 0x0c);
const IPV6: (u8, u8) = (0x03, 0x0d);
const URI: (u8, u8) = (0x03, 0x18);
const END: u8 = 0x7f;

impl LoadOption {
    /// Decodes the contents of a variable `Boot####`; nothing if they are none.
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let (attributes, rest) = data.split_first_chunk::<4>()?;
        let (path_length, rest) = rest.split_first_chunk::<2>()?;
        let path_length = usize::from(u16::from_le_bytes(*path_length));
        // The description is in UTF-16 and ends with a zero.
        let description = rest.chunks_exact(2).position(|unit| unit == [0, 0])?;
        let start = (description + 1) * 2;
        let path = rest.get(start..start.checked_add(path_length)?)?;
        let mut option = Self { active: u32::from_le_bytes(*attributes) & ACTIVE != 0, ..Self::default() };
        for (kind, contents) in nodes(path) {
            match kind {
                MAC => option.mac = contents.first_chunk().copied(),
                IPV4 => option.ipv4 = true,
                IPV6 => option.ipv6 = true,
                URI => option.http = true,
                _ => {}
            }
        }
        Some(option)
    }
}

/// The nodes of a device path, up to its end or to what makes no sense.
fn nodes(path: &[u8]) -> impl Iterator<Item = ((u8, u8), &[u8])> {
    let mut rest = path;
    std::iter::from_fn(move || {
        let (&[kind, subkind, low, high], _) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let contents = rest.get(4..length).filter(|_| kind != END)?;
        rest = &rest[length..];
        Some(((kind, subkind), contents))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::linux) const MAC_ADDRESS: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

    fn node((kind, subkind): (u8, u8), contents: &[u8]) -> Vec<u8> {
        let length = u16::try_from(contents.len() + 4).unwrap().to_le_bytes();
        [&[kind, subkind, length[0], length[1]], contents].concat()
    }

    pub(in crate::linux) fn option(attributes: u32, description: &str, nodes: &[Vec<u8>]) -> Vec<u8> {
        let path = [nodes.concat(), node((END, 0xff), &[])].concat();
        let mut data = attributes.to_le_bytes().to_vec();
        data.extend(u16::try_from(path.len()).unwrap().to_le_bytes());
        data.extend(description.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        data.extend(path);
        data
    }

    /// A network entry as EDK II makes it: root, PCI device, interface, protocol.
    fn network(mac: [u8; 6], more: &[Vec<u8>]) -> Vec<u8> {
        let mut address = [0; 33];
        address[..6].copy_from_slice(&mac);
        let nodes = [
            node((0x02, 0x01), &[0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0]),
            node((0x01, 0x01), &[0, 2]),
            node(MAC, &address),
        ];
        option(ACTIVE, "UEFI PXEv4 (MAC:525400123456)", &[&nodes, more].concat())
    }

    pub(in crate::linux) fn disk() -> Vec<u8> {
        option(ACTIVE, "debian", &[node((0x04, 0x01), &[0; 38]), node((0x04, 0x04), b"\\\0E\0\0\0")])
    }

    pub(in crate::linux) fn pxe(mac: [u8; 6]) -> Vec<u8> {
        network(mac, &[node(IPV4, &[0; 23])])
    }

    pub(in crate::linux) fn http(mac: [u8; 6]) -> Vec<u8> {
        network(mac, &[node(IPV4, &[0; 23]), node(URI, b"")])
    }

    pub(in crate::linux) fn pxe6(mac: [u8; 6]) -> Vec<u8> {
        network(mac, &[node(IPV6, &[0; 56])])
    }

    pub(in crate::linux) fn adapter(mac: [u8; 6]) -> Vec<u8> {
        network(mac, &[])
    }

    /// "UEFI PXEv4 (MAC:525400123456) 2", as OVMF of edk2-stable202211 made it.
    const FROM_OVMF: &str = "\
        0100000056005500450046004900200050005800450076003400200028004d00410043003a003500320035003400300030003100\
        32003300340035003600290020003200000002010c00d041030a00000000010106000004030b2500525400123456000000000000\
        000000000000000000000000000000000000000001030c1b0000000000000000000000000000000000000000000000007fff0400\
        4eac0881119f594d850ee21a522c59b2";

    #[test]
    fn an_entry_that_real_firmware_made() {
        let digits: Vec<char> = FROM_OVMF.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
        let data: Vec<u8> = digits.chunks(2).map(byte).collect();
        let expected =
            LoadOption { active: true, mac: Some(MAC_ADDRESS), ipv4: true, ..LoadOption::default() };
        assert_eq!(LoadOption::parse(&data), Some(expected));
    }

    #[test]
    fn a_network_entry_tells_its_interface_and_protocol() {
        let expected =
            LoadOption { active: true, mac: Some(MAC_ADDRESS), ipv4: true, ..LoadOption::default() };
        assert_eq!(LoadOption::parse(&pxe(MAC_ADDRESS)), Some(expected.clone()));
        let http_expected = LoadOption { http: true, ..expected.clone() };
        assert_eq!(LoadOption::parse(&http(MAC_ADDRESS)), Some(http_expected));
        let ipv6_expected = LoadOption { ipv4: false, ipv6: true, ..expected };
        assert_eq!(LoadOption::parse(&pxe6(MAC_ADDRESS)), Some(ipv6_expected));
        let disk_expected = LoadOption { active: true, ..LoadOption::default() };
        assert_eq!(LoadOption::parse(&disk()), Some(disk_expected));
        assert_eq!(LoadOption::parse(&option(0, "off", &[])), Some(LoadOption::default()));
    }

    #[test]
    fn what_is_cut_off_is_no_entry() {
        let whole = pxe(MAC_ADDRESS);
        for length in 0..whole.len() {
            assert_eq!(LoadOption::parse(&whole[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_contents_can_be_parsed(
            path in prop::collection::vec((0..8_u8, 0..30_u8, 0..40_u16, prop::collection::vec(any::<u8>(), 0..40)), 0..4),
            noise in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let nodes: Vec<Vec<u8>> = path
                .into_iter()
                .map(|(kind, subkind, length, contents)| {
                    let length = length.to_le_bytes();
                    [&[kind, subkind, length[0], length[1]], &contents[..]].concat()
                })
                .collect();
            LoadOption::parse(&option(1, "x", &nodes));
            LoadOption::parse(&noise);
        }
    }
}
