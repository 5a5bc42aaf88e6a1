//! Datagrams over a cable.

use super::Cable;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use tokio::net::UdpSocket;

/// A datagram socket of a machine. What is sent or arrives while the cable is cut is lost.
#[derive(Debug)]
pub struct CableSocket {
    socket: UdpSocket,
    cable: Cable,
}

impl CableSocket {
    pub(super) fn new(socket: UdpSocket, cable: Cable) -> Self {
        Self { socket, cable }
    }

    /// Sends one datagram. A network does not tell whether it arrives.
    ///
    /// # Errors
    /// As of `sendto(2)`.
    pub async fn send_to(&self, datagram: &[u8], to: SocketAddrV4) -> io::Result<()> {
        if !self.cable.is_cut() {
            self.socket.send_to(datagram, to).await?;
        }
        Ok(())
    }

    /// Waits for a datagram and returns its length and sender; what is longer than `buf` is cut off.
    ///
    /// # Errors
    /// As of `recvfrom(2)`.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddrV4)> {
        loop {
            let (length, from) = self.socket.recv_from(buf).await?;
            if let SocketAddr::V4(from) = from
                && !self.cable.is_cut()
            {
                return Ok((length, from));
            }
        }
    }
}
