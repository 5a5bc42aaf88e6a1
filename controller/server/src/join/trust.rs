//! Whom a host that joins believes: whoever shows a certificate of the authority whose fingerprint is in its code.

use crate::digest::sha256;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// TLS that ends before anything is said to anybody else.
pub(super) fn tls(ca_sha256: &[u8]) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Pinned { ca_sha256: ca_sha256.to_vec(), provider: provider.clone() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// True if this certificate (DER) has this digest.
pub(super) fn is_it(certificate: &[u8], fingerprint: &[u8]) -> bool {
    sha256(certificate).as_ref() == fingerprint
}

/// Takes the authority from what the controller shows, if it is the one, and then verifies as always.
#[derive(Debug)]
struct Pinned {
    ca_sha256: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ca = intermediates.iter().find(|ca| is_it(ca, &self.ca_sha256)).ok_or_else(|| {
            Error::General("it does not have the certificate authority that the code names".into())
        })?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), self.provider.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::pki::{Authority, create};
    use rustls_pki_types::pem::PemObject as _;

    /// An authority, its certificate, and one that it gave to 127.0.0.1.
    fn authority() -> (CertificateDer<'static>, CertificateDer<'static>) {
        let (dir, now) = (tempfile::tempdir().unwrap(), clock::wall());
        let (pem, key) = (dir.path().join("ca.pem"), dir.path().join("ca.key"));
        let ca = create(now).unwrap();
        std::fs::write(&pem, &ca.certificate).unwrap();
        std::fs::write(&key, &ca.key).unwrap();
        let leaf = Authority::load(&pem, &key).unwrap().issue_server(&["127.0.0.1".into()], now).unwrap();
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        (der(&ca.certificate), der(&leaf.certificate))
    }

    #[test]
    fn only_the_authority_of_the_code_is_believed_and_only_what_it_signed() {
        let ((ours, leaf), (other, forged)) = (authority(), authority());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let pinned = Pinned { ca_sha256: sha256(&ours).as_ref().to_vec(), provider };
        let verify = |leaf: &CertificateDer<'_>, shown: &[CertificateDer<'_>], name: &'static str| {
            let name = ServerName::try_from(name).unwrap();
            pinned.verify_server_cert(leaf, shown, &name, &[], UnixTime::now()).map(drop)
        };
        let shown = std::slice::from_ref(&ours);
        verify(&leaf, shown, "127.0.0.1").unwrap();
        verify(&leaf, &[other.clone(), ours.clone()], "127.0.0.1").unwrap();
        verify(&leaf, shown, "127.0.0.2").unwrap_err();
        verify(&forged, shown, "127.0.0.1").unwrap_err();
        verify(&leaf, &[], "127.0.0.1").unwrap_err();
        verify(&forged, &[other], "127.0.0.1").unwrap_err();
        // The authority itself is nobody's server.
        verify(&ours, shown, "127.0.0.1").unwrap_err();
    }
}
