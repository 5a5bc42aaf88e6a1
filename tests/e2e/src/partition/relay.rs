//! The way to a database, which can be slow.

use anyhow::Context as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// From a TCP port to a socket. It ends when it is dropped; connections that are open go on.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    delay_ms: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Relay {
    /// From this port to a PostgreSQL server's socket in this directory.
    ///
    /// # Errors
    /// If the port cannot be used.
    pub fn start(listener: TcpListener, socket_directory: &Path) -> anyhow::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr().context("no address")?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (socket, delay_ms) = (socket_directory.join(".s.PGSQL.5432"), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn(accept(listener, socket, delay_ms.clone())).abort_handle();
        Ok(Self { address, delay_ms, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, everything takes so long in each direction.
    pub fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: tokio::net::TcpListener, socket: PathBuf, delay_ms: Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(join(client, socket.clone(), delay_ms.clone()));
    }
}

async fn join(client: TcpStream, socket: PathBuf, delay_ms: Arc<AtomicU64>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let server = UnixStream::connect(socket).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Either end of the connection ends all of it.
    tokio::select! {
        ended = carry(from_client, to_server, &delay_ms) => ended,
        ended = carry(from_server, to_client, &delay_ms) => ended,
    }
}

/// Carries bytes, each of which arrives as late as it has to, however many are on the way.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay_ms: &AtomicU64,
) -> io::Result<()> {
    let (sender, mut on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let depart = async move {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = from.read(&mut buffer).await?;
            let due = Instant::now() + Duration::from_millis(delay_ms.load(Ordering::Relaxed));
            if count == 0 || sender.send((due, buffer[..count].to_vec())).await.is_err() {
                return io::Result::Ok(());
            }
        }
    };
    let arrive = async {
        while let Some((due, bytes)) = on_the_way.recv().await {
            sleep_until(due).await;
            to.write_all(&bytes).await?;
        }
        io::Result::Ok(())
    };
    tokio::try_join!(depart, arrive).map(drop)
}
