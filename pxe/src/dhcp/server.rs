//! Moves packets between the network and [`answer`](super::answer()).

use super::answer::{Verdict, answer};
use crate::settings::{BaseUrl, Settings};
use crate::source::{BootSource, Observation};
use hostler_core::boot::NetworkEvidence;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;

/// Requests of a room that is powered on at once wait here: at 600 bytes each, a few thousand.
const RECEIVE_BUFFER: usize = 4 << 20;
/// More than an Ethernet frame holds.
const LONGEST: usize = 2048;

/// A bound DHCP server.
pub(crate) struct DhcpServer {
    socket: UdpSocket,
}

impl DhcpServer {
    /// Binds to `settings.dhcp`.
    pub(crate) fn bind(settings: &Settings) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_broadcast(true)?;
        // The system caps it silently; a smaller buffer only makes machines ask again.
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        if let Some(interface) = &settings.dhcp_interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from(settings.dhcp).into())?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())? })
    }

    /// Where it is bound.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers until the socket fails.
    pub(crate) async fn run(
        self,
        settings: Arc<Settings>,
        base: BaseUrl,
        source: Arc<dyn BootSource>,
    ) -> io::Result<()> {
        let mut buffer = [0; LONGEST];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).await?;
            let SocketAddr::V4(from) = from else { continue };
            self.handle(&buffer[..length], from, &settings, &base, &*source).await;
        }
    }

    async fn handle(
        &self,
        packet: &[u8],
        from: SocketAddrV4,
        settings: &Settings,
        base: &BaseUrl,
        source: &dyn BootSource,
    ) {
        match answer(packet, from, settings, base, source) {
            Verdict::Malformed(error) => tracing::debug!(%from, %error, "DHCP packet ignored"),
            Verdict::Unknown(mac) => source.unknown(mac),
            Verdict::Known { client, detail, reply } => {
                if let Some(reply) = reply
                    && let Err(error) = self.socket.send_to(&reply.packet, reply.to).await
                {
                    tracing::warn!(node = %client.node, to = %reply.to, %error, "DHCP reply not sent");
                }
                tracing::debug!(node = %client.node, mac = %client.mac, detail, "DHCP");
                source.observe(&client, observation(detail));
            }
        }
    }
}

fn observation(detail: String) -> Observation {
    Observation { kind: NetworkEvidence::Dhcp, bytes: 0, elapsed: Duration::ZERO, complete: true, detail }
}
