//! TFTP: loaders, GRUB's modules and its configuration, over `async-tftp`.
//!
//! What that crate leaves to its user is bounded here: block size by what fits an Ethernet frame, window, retries, and
//! the number of transfers in all and per machine. It ignores a client's ERROR packet, so an aborted transfer (UEFI
//! aborts one for each file) stays for [`GIVE_UP`]; the client's wish for a longer timeout is ignored to keep it at
//! that.

mod handler;
mod reader;

use crate::admission::Admission;
use crate::library::Library;
use async_tftp::server::{TftpServer, TftpServerBuilder};
use handler::Files;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What fits an Ethernet frame with the headers of IP, UDP and TFTP. ROMs do not reassemble fragments.
const BLOCK_SIZE: u16 = 1468;
/// A burst of 23 kB, which the buffer of any client holds.
const WINDOW: u16 = 16;
const TIMEOUT: Duration = Duration::from_secs(1);
const RETRIES: u32 = 6;
/// How long a transfer lives without a sign of its client.
const GIVE_UP: Duration = Duration::from_secs(TIMEOUT.as_secs() * (RETRIES as u64 + 1));
/// Requests of a room that is powered on at once wait here.
const RECEIVE_BUFFER: usize = 4 << 20;
/// 23 kB each.
const TRANSFERS: usize = 2048;
const TRANSFERS_PER_MACHINE: usize = 32;

/// One server on one local address: an answer has to come from the address that was asked.
pub(crate) struct Tftp {
    server: TftpServer<Files>,
}

impl Tftp {
    /// Binds to `address`, which is not the wildcard. Transfers that are cut off by `stopped` are no evidence.
    pub(crate) async fn bind(
        address: SocketAddr,
        library: Arc<Library>,
        stopped: CancellationToken,
    ) -> io::Result<Self> {
        let files = Files::new(library, Admission::new(TRANSFERS, TRANSFERS_PER_MACHINE), stopped);
        let server = TftpServerBuilder::with_handler(files)
            .std_socket(socket(address)?)
            .map_err(into_io)?
            .timeout(TIMEOUT)
            .max_send_retries(RETRIES)
            .block_size_limit(BLOCK_SIZE)
            .window_size_limit(WINDOW)
            .ignore_client_timeout()
            .build()
            .await
            .map_err(into_io)?;
        Ok(Self { server })
    }

    /// Where it is bound.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.server.listen_addr().map_err(into_io)
    }

    /// Serves until the socket fails. The server owns the tasks of its transfers: dropping this future ends them.
    pub(crate) async fn run(self) -> io::Result<()> {
        self.server.serve().await.map_err(into_io)
    }
}

fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn into_io(error: async_tftp::Error) -> io::Error {
    match error {
        async_tftp::Error::Io(error) | async_tftp::Error::Bind(error) => error,
        other => io::Error::other(other),
    }
}
