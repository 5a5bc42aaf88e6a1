//! The network interface that firmware boots from.

use super::{Cable, Relay};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// Where the well-known ports of servers really are. Known to the fleet alone: firmware and servers both believe in
/// 67 and 69. A port that is not in the table is used as it is.
#[derive(Clone, Debug, Default)]
pub struct Ports(Arc<BTreeMap<(Ipv4Addr, u16), u16>>);

impl Ports {
    /// The same table with `well_known` of `server` at `actual`.
    #[must_use]
    pub fn with(mut self, server: Ipv4Addr, well_known: u16, actual: u16) -> Self {
        Arc::make_mut(&mut self.0).insert((server, well_known), actual);
        self
    }

    /// Where a packet to `server` and `port` has to go.
    #[must_use]
    pub fn locate(&self, server: Ipv4Addr, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(server, self.0.get(&(server, port)).copied().unwrap_or(port))
    }
}

/// A network interface: an Ethernet address on a cable.
#[derive(Clone, Debug)]
pub struct Nic {
    mac: [u8; 6],
    cable: Cable,
    ports: Ports,
    helpers: Vec<Ipv4Addr>,
    /// 0 takes any free port, and says so (RFC 8357).
    relay_port: u16,
}

impl Nic {
    /// An interface on `cable` whose switch forwards DHCP broadcasts to `helper`.
    #[must_use]
    pub fn new(mac: [u8; 6], cable: Cable, ports: Ports, helper: Ipv4Addr) -> Self {
        Self { mac, cable, ports, helpers: vec![helper], relay_port: 0 }
    }

    /// The same, and the switch forwards to these as well.
    #[must_use]
    pub fn with_helpers(mut self, helpers: &[Ipv4Addr]) -> Self {
        self.helpers.extend(helpers);
        self
    }

    /// The same, but the switch forwards from this port and takes answers there only, as all did before RFC 8357
    /// (their port was 67).
    #[must_use]
    pub fn with_relay_port(mut self, port: u16) -> Self {
        self.relay_port = port;
        self
    }

    /// Its Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Its cable.
    #[must_use]
    pub fn cable(&self) -> &Cable {
        &self.cable
    }

    /// Where well-known ports really are.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// What the switch does for broadcasts of this interface.
    ///
    /// # Errors
    /// As of `bind(2)`.
    pub fn relay(&self) -> io::Result<Relay> {
        let servers = self.helpers.iter().map(|helper| self.ports.locate(*helper, 67)).collect();
        let socket = self.cable.udp(self.relay_port)?;
        Ok(Relay::new(socket, self.cable.address(), servers, self.relay_port == 0))
    }
}
