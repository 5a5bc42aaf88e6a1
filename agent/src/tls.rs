//! TLS as the agent speaks it: one CA, the controller's time, HTTP/2.

use crate::clock::Clock;
use crate::identity::{Credentials, Secret};
use rustls::client::WantsClientCert;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use std::sync::Arc;

/// Why there can be no TLS with what was given.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The PEM text is none, or empty.
    #[error("the {what} is not PEM")]
    Pem {
        /// "CA certificate", "certificate chain" or "key".
        what: &'static str,
    },
    /// rustls does not take it.
    #[error("the {what} cannot be used")]
    Unusable {
        /// "CA certificate" or "certificate".
        what: &'static str,
        /// Its words.
        #[source]
        source: rustls::Error,
    },
}

/// To enrol: only the controller proves who it is.
pub(crate) fn server_authenticated(ca: &str, clock: &Arc<Clock>) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(finish(trusting(ca, clock)?.with_no_client_auth()))
}

/// For a session: both prove who they are.
pub(crate) fn mutual(credentials: &Credentials, clock: &Arc<Clock>) -> Result<Arc<ClientConfig>, TlsError> {
    let (chain, key) = parse(&credentials.certificate_chain, &credentials.key)?;
    let config = trusting(&credentials.ca, clock)?
        .with_client_auth_cert(chain, key)
        .map_err(|source| TlsError::Unusable { what: "certificate", source })?;
    Ok(finish(config))
}

/// Checks that a certificate which the controller has sent is one for this key: an answer to an earlier request may
/// arrive late.
pub(crate) fn check_match(certificate_chain: &str, key: &Secret) -> Result<(), TlsError> {
    let (chain, key) = parse(certificate_chain, key)?;
    CertifiedKey::from_der(chain, key, &provider())
        .map(drop)
        .map_err(|source| TlsError::Unusable { what: "certificate", source })
}

fn trusting(ca: &str, clock: &Arc<Clock>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let unusable = |source| TlsError::Unusable { what: "CA certificate", source };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca, "CA certificate")? {
        roots.add(certificate).map_err(unusable)?;
    }
    let builder = ClientConfig::builder_with_details(Arc::new(provider()), clock.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    Ok(builder.with_root_certificates(roots))
}

fn finish(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Named here and not taken from the process, of which the agent owns nothing.
fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

fn parse(
    chain: &str,
    key: &Secret,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(chain, "certificate chain")?;
    let key =
        PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| TlsError::Pem { what: "key" })?;
    Ok((chain, key))
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    found.ok().filter(|list| !list.is_empty()).ok_or(TlsError::Pem { what })
}
