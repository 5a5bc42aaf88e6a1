//! TLS to the database, with rustls.

use rustls::client::ClientConfig;
use rustls::{RootCertStore, crypto};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use std::error::Error;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Stream;

type BoxError = Box<dyn Error + Send + Sync>;

/// Trusts the authorities of one file.
#[derive(Clone)]
pub(super) struct Rustls(TlsConnector);

impl Rustls {
    /// Reads the authorities (PEM).
    pub(super) fn trusting(roots: &Path) -> Result<Self, BoxError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(roots)? {
            store.add(certificate?)?;
        }
        if store.is_empty() {
            return Err(format!("{} has no certificate", roots.display()).into());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

impl MakeTlsConnect<Socket> for Rustls {
    type Stream = Protected;
    type TlsConnect = Handshake;
    type Error = BoxError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, BoxError> {
        Ok(Handshake { connector: self.0.clone(), server: ServerName::try_from(domain.to_owned())? })
    }
}

/// One handshake to come.
pub(super) struct Handshake {
    connector: TlsConnector,
    server: ServerName<'static>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Protected;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Protected>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move { Ok(Protected(self.connector.connect(self.server, socket).await?)) })
    }
}

/// A connection that is protected.
pub(super) struct Protected(Stream<Socket>);

impl TlsStream for Protected {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate was verified, which is what a binding would add.
        ChannelBinding::none()
    }
}

impl AsyncRead for Protected {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Protected {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
