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
        // GRUB 2.06 knows `Content-Length` in this spelling only. Without it, a kernel has no size for it ("out of
        // memory", seen on AAVMF) and a ramdisk no end.
        .title_case_headers(true)
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(LONGEST_HEADER)
        .serve_connection(TokioIo::new(Stall::new(stream, STALL_TIMEOUT)), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "HTTP connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Catalogue;
    use crate::settings::BaseUrl;
    use crate::source::OneArgument;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::Instant;

    /// A peer that the server has taken in, over a pipe of 64 bytes.
    fn peer() -> (DuplexStream, impl Future<Output = ()>) {
        let library = Library {
            catalogue: Catalogue::new().ca(vec![b'x'; 10_000]),
            source: Arc::new(OneArgument("")),
            base: BaseUrl::parse("http://boot").unwrap(),
            retry: Duration::from_secs(1),
        };
        let (client, server) = tokio::io::duplex(64);
        let address = IpAddr::from([10, 0, 0, 1]);
        let pass = Admission::new(1, 1).enter(address).unwrap();
        (client, connection(server, address, Arc::new(library), pass))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_end_is_not_waited_for() {
        let (mut client, connection) = peer();
        client.write_all(b"GET /ca.pem HTTP/1.1\r\nhost: b").await.unwrap();
        let started = Instant::now();
        connection.await;
        assert_eq!(started.elapsed(), REQUEST_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_another_request_is_closed() {
        let (mut client, connection) = peer();
        client.write_all(b"HEAD /ca.pem HTTP/1.1\r\nhost: b\r\n\r\n").await.unwrap();
        let started = Instant::now();
        let mut answer = String::new();
        tokio::join!(connection, async { client.read_to_string(&mut answer).await.unwrap() });
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains("\r\nContent-Length: 10000\r\n"),
            "GRUB 2.06 looks for these letters: {answer}"
        );
        assert_eq!(started.elapsed(), REQUEST_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_given_up() {
        let (mut client, connection) = peer();
        client.write_all(b"GET /ca.pem HTTP/1.1\r\nhost: b\r\n\r\n").await.unwrap();
        let started = Instant::now();
        connection.await;
        assert_eq!(started.elapsed(), STALL_TIMEOUT);
    }
}
