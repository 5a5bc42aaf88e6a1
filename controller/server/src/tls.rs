//! The accept loop: TLS with an optional client certificate, credentials that can be exchanged while it runs, and
//! connections that can be cut.

use crate::pki::{Authority, Identity, Issued};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tonic::transport::server::Connected;

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Handshakes at the same time; more peers wait in the kernel's queue.
const HANDSHAKES: usize = 256;

/// The credentials of the controller, exchangeable.
#[derive(Debug)]
pub(crate) struct Credentials(ArcSwap<ServerConfig>);

impl Credentials {
    pub(crate) fn new(authority: &Authority, own: &Issued) -> anyhow::Result<Self> {
        Ok(Self(ArcSwap::new(server_config(authority, own)?)))
    }

    /// From the next handshake on, these count.
    pub(crate) fn replace(&self, authority: &Authority, own: &Issued) -> anyhow::Result<()> {
        self.0.store(server_config(authority, own)?);
        Ok(())
    }
}

fn server_config(authority: &Authority, own: &Issued) -> anyhow::Result<Arc<ServerConfig>> {
    let mut roots = RootCertStore::empty();
    let ca =
        CertificateDer::from_pem_slice(authority.pem().as_bytes()).context("the CA certificate is no PEM")?;
    roots.add(ca.clone()).context("the CA certificate is not usable")?;
    // The CA goes along for those who know no more than its fingerprint: hosts that join.
    let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes())?, ca];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes())?;
    // Enrolment is the one call without a client certificate; every other one asks who is calling.
    let verifier = WebPkiClientVerifier::builder(roots.into()).allow_unauthenticated().build()?;
    let mut config =
        ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// From the client certificate, if one was shown.
    pub(crate) identity: Option<Identity>,
    /// From where.
    pub(crate) address: SocketAddr,
    /// Cuts the connection: it has to know no more than that its boot is over.
    pub(crate) cut: CancellationToken,
}

/// Accepts until cancelled. Connections come out of the channel once their handshake is done.
pub(crate) async fn accept(
    listener: TcpListener,
    credentials: Arc<Credentials>,
    connections: mpsc::Sender<Connection>,
    stop: CancellationToken,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    let tasks = TaskTracker::new();
    loop {
        let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
        let (stream, address) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, for example: a pause lets others finish.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let config = credentials.0.load_full();
        let (connections, stop) = (connections.clone(), stop.clone());
        tasks.spawn(async move {
            let connection = tokio::select! {
                () = stop.cancelled() => return,
                connection = handshake(stream, address, config) => connection,
            };
            drop(permit);
            match connection {
                // Refused only while the server ends.
                Ok(connection) => drop(connections.send(connection).await),
                Err(error) => tracing::debug!(%address, %error, "TLS handshake failed"),
            }
        });
    }
    tasks.close();
    tasks.wait().await;
}

async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    config: Arc<ServerConfig>,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let accepted = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await;
    let stream = accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let identity = certificate.and_then(|c| Identity::of(c));
    let cut = CancellationToken::new();
    let caller = Caller { identity, address, cut: cut.clone() };
    Ok(Connection { stream, caller, cut: Box::pin(cut.cancelled_owned()) })
}

/// A TLS connection that ends when it is cut, also in the middle of a message.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the controller")),
            Poll::Pending => Ok(()),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
