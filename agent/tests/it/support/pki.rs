//! A certificate authority whose certificates are valid in the year 2100 only: whoever believes the real clock takes
//! none of them.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, UnixTime};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use std::sync::Arc;
use std::time::Duration;
use time::{Date, Month};

/// The 1st of February 2100, in milliseconds.
pub(crate) const NOW_MS: u64 = 4_105_123_200_000;

pub(crate) struct Pki {
    pub(crate) ca: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = dated(CertificateParams::default());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::from_ca_cert_pem(&ca, key).unwrap(), ca }
    }

    /// For the key of a request, as an agent of this name.
    pub(crate) fn sign(&self, csr: &[u8], name: &str) -> String {
        let csr = CertificateSigningRequestDer::from(csr);
        let csr = CertificateSigningRequestParams::from_der(&csr).unwrap();
        let mut params = dated(CertificateParams::default());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        params.signed_by(&csr.public_key, &self.issuer).unwrap().pem()
    }

    /// A controller's side of TLS, at 127.0.0.1. A client may come without a certificate, to enrol.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = dated(CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .unwrap();
        let mut config = ServerConfig::builder_with_details(provider, Arc::new(In2100))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}

#[derive(Debug)]
struct In2100;

impl TimeProvider for In2100 {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(NOW_MS)))
    }
}

fn dated(mut params: CertificateParams) -> CertificateParams {
    let day = |month| Date::from_calendar_date(2100, month, 1).unwrap().midnight().assume_utc();
    params.not_before = day(Month::January);
    params.not_after = day(Month::March);
    params
}
