//! A client of the controller, as a CI job's would be: gRPC over TLS 1.3 with a certificate of its own.

use anyhow::Context as _;
use hostler_proto::lease::v1::{Lease, LeaseState};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint, Uri};

/// What `hostler tenant add --write` writes.
#[derive(Clone, Deserialize)]
pub struct Credentials {
    address: String,
    ca: String,
    certificate: String,
    key: String,
}

impl Credentials {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read or understood.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} makes no sense", path.display()))
    }

    /// Opens a connection of its own.
    ///
    /// # Errors
    /// If the controller is not there, or one of the two does not believe the other.
    pub async fn connect(&self) -> anyhow::Result<Channel> {
        let uri: Uri = self.address.parse().context("the address is no URL")?;
        let (host, port) = (uri.host().context("no host")?.to_owned(), uri.port_u16().context("no port")?);
        let (name, tls) = (ServerName::try_from(host.clone())?, TlsConnector::from(Arc::new(self.tls()?)));
        let connect = move |_: Uri| {
            let (host, name, tls) = (host.clone(), name.clone(), tls.clone());
            async move {
                let tcp = TcpStream::connect((host.as_str(), port)).await?;
                tcp.set_nodelay(true)?;
                tls.connect(name, tcp).await.map(TokioIo::new)
            }
        };
        let channel = Endpoint::from(uri).connect_with_connector(tower::service_fn(connect)).await;
        channel.context("cannot connect to the controller")
    }

    fn tls(&self) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes())?)?;
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes())?];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

/// Reads a lease's changes until it is in `state`.
///
/// # Errors
/// If the stream ends before that.
pub async fn until(changes: &mut Streaming<Lease>, state: LeaseState) -> anyhow::Result<Lease> {
    while let Some(lease) = changes.message().await? {
        if lease.state() == state {
            return Ok(lease);
        }
    }
    anyhow::bail!("the changes ended before the lease was {}", state.as_str_name())
}
