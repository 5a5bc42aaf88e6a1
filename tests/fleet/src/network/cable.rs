//! A cable that can be cut.

use super::{CableSocket, CableStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::watch;

/// How long a new TCP connection keeps trying: what Linux needs for `tcp_syn_retries = 6`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);

/// The one cable of a machine. Clones are the same cable.
///
/// While it is cut, packets vanish in both directions: established connections stall, new ones hang until the
/// cable is mended or the attempt times out, datagrams are lost. Nothing is reset.
///
/// A machine that loses power sends nothing either. Whoever switches it off cuts the cable first, drops what runs on
/// the machine, and mends the cable when the machine starts anew: the peers of the old connections see silence until
/// then, and a reset afterwards, as with a real machine that does not know them any more.
#[derive(Clone, Debug)]
pub struct Cable(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: Ipv4Addr,
    plugged: watch::Sender<bool>,
    /// Connections that the machine closed or forgot while the cable was cut. Their peers must not see it.
    orphans: Mutex<Vec<TcpStream>>,
}

impl Cable {
    /// A plugged cable of the machine at `address`, which is to be in 127.0.0.0/8 and of no other machine.
    #[must_use]
    pub fn new(address: Ipv4Addr) -> Self {
        Self(Arc::new(Inner { address, plugged: watch::Sender::new(true), orphans: Mutex::new(Vec::new()) }))
    }

    /// The machine's address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.0.address
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.0.plugged.send_replace(false);
    }

    /// Mends it. Connections that were closed in the meantime are reset.
    pub fn mend(&self) {
        let orphans = std::mem::take(&mut *self.0.orphans.lock().unwrap_or_else(PoisonError::into_inner));
        for orphan in orphans {
            // A socket that does not take the option is closed with FIN instead, which ends it as well.
            let _ = socket2::SockRef::from(&orphan).set_linger(Some(Duration::ZERO));
        }
        self.0.plugged.send_replace(true);
    }

    /// True while it is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        !*self.0.plugged.borrow()
    }

    /// Returns as soon as the cable is not cut.
    pub(super) async fn mended(self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.plugged.subscribe().wait_for(|plugged| *plugged).await;
    }

    /// Connects from the machine to `to`.
    ///
    /// # Errors
    /// As of `connect(2)`; [`io::ErrorKind::TimedOut`] if the cable stays cut for 127 seconds.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<CableStream> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.clone().mended())
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.0.address, 0).into())?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(CableStream::new(stream, self.clone()))
    }

    /// A datagram socket on `port` of the machine; 0 takes any free one.
    ///
    /// # Errors
    /// As of `bind(2)`.
    pub fn udp(&self, port: u16) -> io::Result<CableSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        // Servers may have the same port on the wildcard address, which is an address of each machine here.
        socket.set_reuse_address(port != 0)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((self.0.address, port)).into())?;
        Ok(CableSocket::new(UdpSocket::from_std(socket.into())?, self.clone()))
    }

    /// Keeps a connection open, unread, until the cable is mended.
    pub(super) fn orphan(&self, stream: TcpStream) {
        self.0.orphans.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::io::{Read as _, Write as _};
    use tokio::io::AsyncReadExt as _;

    /// A connection from a machine at `address`, and the server's end of it, which does not block.
    async fn connection(address: [u8; 4]) -> (Cable, CableStream, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let cable = Cable::new(address.into());
        let stream = cable.connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), cable.address());
        peer.set_nonblocking(true).unwrap();
        (cable, stream, peer)
    }

    #[tokio::test]
    async fn a_connection_stalls_while_the_cable_is_cut_and_goes_on_when_it_is_mended() {
        let (cable, mut stream, mut peer) = connection([127, 61, 0, 1]).await;
        cable.cut();
        peer.write_all(b"hello").unwrap();
        let mut word = [0; 5];
        {
            let mut read = std::pin::pin!(stream.read_exact(&mut word));
            assert!(read.as_mut().now_or_never().is_none());
            cable.mend();
            read.await.unwrap();
        }
        assert_eq!(&word, b"hello");
    }

    #[tokio::test]
    async fn a_machine_without_power_is_silent_and_knows_nothing_of_old_connections_afterwards() {
        let (cable, stream, mut peer) = connection([127, 61, 0, 2]).await;
        cable.cut();
        drop(stream);
        assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        cable.mend();
        assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_new_connection_hangs_until_the_cable_is_mended() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cable = Cable::new([127, 61, 0, 3].into());
        cable.cut();
        let mut connect = std::pin::pin!(cable.connect(listener.local_addr().unwrap()));
        assert!(connect.as_mut().now_or_never().is_none());
        cable.mend();
        connect.await.unwrap();
    }

    #[tokio::test]
    async fn datagrams_are_lost_while_the_cable_is_cut() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let std::net::SocketAddr::V4(to) = server.local_addr().unwrap() else { unreachable!() };
        let cable = Cable::new([127, 61, 0, 4].into());
        let socket = cable.udp(0).unwrap();
        cable.cut();
        socket.send_to(b"lost", to).await.unwrap();
        cable.mend();
        socket.send_to(b"found", to).await.unwrap();
        let mut buf = [0; 8];
        let length = server.recv(&mut buf).unwrap();
        assert_eq!(&buf[..length], b"found");
    }
}
