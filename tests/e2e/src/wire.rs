//! gRPC over mutual TLS from an address of one's own choice, as a program that follows no rules would speak it.

use anyhow::Context as _;
use hostler_fleet::network::{Cable, CableStream};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

/// A certificate with its key, PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Leaf first.
    pub certificate_chain: String,
    /// Of the leaf.
    pub key: String,
}

/// Where the controller is, and whom its certificate is signed by.
#[derive(Clone, Debug)]
pub struct Controller {
    /// Of gRPC.
    pub address: SocketAddr,
    /// PEM.
    pub ca: String,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// For calls.
    pub channel: Channel,
    ended: watch::Receiver<bool>,
}

impl Connection {
    /// Waits until the other side ends the connection, whatever is still going on in it.
    ///
    /// # Errors
    /// If that cannot be known.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        self.ended.wait_for(|ended| *ended).await.context("nobody looks at the connection")?;
        Ok(())
    }
}

impl Controller {
    /// Connects from `address`.
    ///
    /// # Errors
    /// If the controller does not want this connection.
    pub async fn connect(&self, from: Ipv4Addr, identity: Option<&Identity>) -> anyhow::Result<Connection> {
        let (ended, when_ended) = watch::channel(false);
        let (ended, tls) = (Arc::new(ended), TlsConnector::from(Arc::new(self.tls(identity)?)));
        let (cable, address) = (Cable::new(from), self.address);
        let connector = tower::service_fn(move |_: Uri| {
            let (cable, tls, ended) = (cable.clone(), tls.clone(), ended.clone());
            async move {
                let stream = Watched { stream: cable.connect(address).await?, ended };
                Ok::<_, io::Error>(TokioIo::new(tls.connect(ServerName::from(address.ip()), stream).await?))
            }
        });
        // "http", since the TLS below is ours.
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(Connection { channel, ended: when_ended })
    }

    fn tls(&self, identity: Option<&Identity>) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.certificate_chain.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
                builder.with_client_auth_cert(chain.collect::<Result<_, _>>()?, key)?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

/// Notices when the other side ends the connection.
struct Watched {
    stream: CableStream,
    ended: Arc<watch::Sender<bool>>,
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        if read.is_err() || buf.filled().len() == before {
            this.ended.send_replace(true);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
