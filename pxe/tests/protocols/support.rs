//! One node, and DHCP packets written by hand.

use hostler_core::boot::BootPlan;
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::{BootId, NodeId};
use hostler_pxe::{Addresses, BootServer, BootSource, Catalogue, Client, Error, Observation, Settings};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 53);

/// One registered node.
pub(crate) struct Nodes {
    pub(crate) client: Client,
    pub(crate) seen: Mutex<Vec<Observation>>,
    count: watch::Sender<usize>,
}

impl Nodes {
    pub(crate) fn of(arch: Arch, firmware: Firmware) -> Self {
        Self::at(ADDRESS, arch, firmware)
    }

    pub(crate) fn at(address: Ipv4Addr, arch: Arch, firmware: Firmware) -> Self {
        let (node, name, mac) = (NodeId(1), "node-1".to_owned(), Mac(MAC));
        Self::new(Client { node, name, mac, address, arch, firmware })
    }

    pub(crate) fn new(client: Client) -> Self {
        Self { client, seen: Mutex::default(), count: watch::Sender::default() }
    }

    /// Returns when so much was seen.
    pub(crate) async fn wait_for(&self, observations: usize) {
        self.count.subscribe().wait_for(|&count| count >= observations).await.unwrap();
    }
}

impl BootSource for Nodes {
    fn by_mac(&self, mac: Mac) -> Option<Client> {
        (mac == self.client.mac).then(|| self.client.clone())
    }

    fn by_address(&self, address: Ipv4Addr) -> Option<Client> {
        (address == self.client.address).then(|| self.client.clone())
    }

    fn plan(&self, client: &Client) -> BootPlan {
        BootPlan::Ramdisk { boot: BootId(17), arch: client.arch }
    }

    fn kernel_args(&self, _: &Client, boot: BootId) -> Vec<String> {
        vec![format!("hostler.boot={boot}")]
    }

    fn observe(&self, _: &Client, seen: Observation) {
        self.seen.lock().unwrap().push(seen);
        self.count.send_modify(|count| *count += 1);
    }

    fn unknown(&self, _: Mac) {}
}

/// A BOOTP packet with options.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) xid: u32,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) yiaddr: Ipv4Addr,
    pub(crate) siaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) mac: [u8; 6],
    pub(crate) file: Vec<u8>,
    pub(crate) options: Vec<(u8, Vec<u8>)>,
}

impl Packet {
    /// A request without message type.
    pub(crate) fn bootp() -> Self {
        let nowhere = Ipv4Addr::UNSPECIFIED;
        let (file, options) = (Vec::new(), Vec::new());
        Self {
            xid: 0x5eed,
            ciaddr: nowhere,
            yiaddr: nowhere,
            siaddr: nowhere,
            giaddr: nowhere,
            mac: MAC,
            file,
            options,
        }
    }

    /// A request of this message type.
    pub(crate) fn dhcp(kind: u8) -> Self {
        Self::bootp().option(53, &[kind])
    }

    pub(crate) fn option(mut self, code: u8, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    pub(crate) fn relay(self, giaddr: Ipv4Addr) -> Self {
        Self { giaddr, ..self }
    }

    pub(crate) fn client(self, ciaddr: Ipv4Addr) -> Self {
        Self { ciaddr, ..self }
    }

    pub(crate) fn mac(self, mac: [u8; 6]) -> Self {
        Self { mac, ..self }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut packet = vec![0; 236];
        packet[..3].copy_from_slice(&[1, 1, 6]);
        packet[4..8].copy_from_slice(&self.xid.to_be_bytes());
        packet[12..16].copy_from_slice(&self.ciaddr.octets());
        packet[24..28].copy_from_slice(&self.giaddr.octets());
        packet[28..34].copy_from_slice(&self.mac);
        packet.extend([99, 130, 83, 99]);
        for (code, value) in &self.options {
            packet.extend([*code, u8::try_from(value.len()).unwrap()]);
            packet.extend_from_slice(value);
        }
        packet.push(255);
        packet
    }

    /// Panics at whatever is not a sound reply.
    pub(crate) fn decode(packet: &[u8]) -> Self {
        assert_eq!(packet[..3], [2, 1, 6]);
        assert_eq!(packet[236..240], [99, 130, 83, 99]);
        let address = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&packet[at..at + 4]).unwrap());
        let file = packet[108..236].split(|&b| b == 0).next().unwrap().to_vec();
        let mut options = Vec::new();
        let mut rest = &packet[240..];
        while rest[0] != 255 {
            let (value, next) = rest[2..].split_at(usize::from(rest[1]));
            options.push((rest[0], value.to_vec()));
            rest = next;
        }
        assert!(rest[1..].iter().all(|&b| b == 0), "something behind the end");
        Self {
            xid: u32::from_be_bytes(packet[4..8].try_into().unwrap()),
            ciaddr: address(12),
            yiaddr: address(16),
            siaddr: address(20),
            giaddr: address(24),
            mac: packet[28..34].try_into().unwrap(),
            file,
            options,
        }
    }
}

/// Settings for free ports of this machine.
pub(crate) fn settings() -> Settings {
    let server = Ipv4Addr::LOCALHOST;
    Settings {
        dhcp: SocketAddrV4::new(server, 0),
        tftp: vec![(server, 0).into()],
        http: (server, 0).into(),
        ..Settings::new(server)
    }
}

/// A boot server that serves.
pub(crate) struct Running {
    pub(crate) addresses: Addresses,
    stop: CancellationToken,
    task: JoinSet<Result<(), Error>>,
}

impl Running {
    pub(crate) async fn start(source: Arc<dyn BootSource>, catalogue: Catalogue) -> Self {
        let server = BootServer::bind(settings(), catalogue, source).await.unwrap();
        let addresses = server.addresses().clone();
        let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
        task.spawn(server.run(stop.clone()));
        Self { addresses, stop, task }
    }

    /// Stops it, and waits until it has let go of its sockets.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap();
        tokio::net::TcpListener::bind(self.addresses.http).await.unwrap();
        for address in self.addresses.tftp {
            UdpSocket::bind(address).unwrap();
        }
    }
}
