//! Takes connections in, within bounds.

use super::service::respond;
use super::stall::Stall;
use crate::admission::{Admission, Pass};
use crate::library::Library;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A machine has one or two; a room of thousands boots at once.
const CONNECTIONS: usize = 8192;
const CONNECTIONS_PER_MACHINE: usize = 32;
/// To send a request, and to send the next one on the same connection.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Without a byte taken.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
const LONGEST_HEADER: usize = 16 << 10;
/// After a failure to accept, which is most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound HTTP server.
pub(crate) struct HttpServer {
    listener: TcpListener,
    admission: Admission,
}

impl HttpServer {
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, admission: Admission::new(CONNECTIONS, CONNECTIONS_PER_MACHINE) })
    }

    /// Where it is bound.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for ever. Dropping this future ends all connections.
    pub(crate) async fn run(self, library: Arc<Library>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        if let Some(pass) = self.admission.enter(peer.ip()) {
                            connections.spawn(connection(stream, peer.ip(), library.clone(), pass));
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "HTTP connection not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "HTTP connection failed");
                    }
                }
            }
        }
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: IpAddr,
    library: Arc<Library>,
    _pass: Pass,
) {
    let service = service_fn(|request| {
        let library = library.clone();
        async move { Ok::<_, Infallible>(respond(library, peer, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(LONGEST_HEADER)
        .serve_connection(TokioIo::new(Stall::new(stream, STALL_TIMEOUT)), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "HTTP connection ended");
    }
}
