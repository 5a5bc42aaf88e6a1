//! The certificate authority of one installation. Its key is on the hosts of its controllers and nowhere else; agents'
//! and tenants' keys never come to it.

use super::Identity;
use crate::clock;
use anyhow::Context as _;
use hostler_core::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::CertificateSigningRequestDer;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;

/// Clocks of machines differ; certificates begin this long before now.
const BACKDATED: Duration = Duration::from_secs(300);

/// Signs certificates.
#[derive(Debug)]
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM texts.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A new authority: its certificate and key as PEM texts.
pub(crate) fn create(now: Timestamp) -> anyhow::Result<Issued> {
    let key = KeyPair::generate().context("no key for the CA")?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Hostler CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, now, Duration::from_secs(20 * 365 * 24 * 3600))?;
    let certificate = params.self_signed(&key).context("the CA cannot sign itself")?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}

impl Authority {
    /// Reads certificate and key.
    pub(crate) fn load(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the CA file {}", path.display()))
        };
        let pem = read(certificate)?;
        let key = KeyPair::from_pem(&read(key)?).with_context(|| format!("{} is no key", key.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key)
            .with_context(|| format!("{} is no CA certificate", certificate.display()))?;
        Ok(Self { pem, issuer })
    }

    /// The CA's certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate and key for the controller itself.
    pub(crate) fn issue_server(&self, names: &[String], now: Timestamp) -> anyhow::Result<Issued> {
        let mut params = leaf("hostlerd", now, Duration::from_secs(90 * 24 * 3600))?;
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    name.as_str().try_into().with_context(|| format!("{name:?} is no name"))?,
                ),
            });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params)
    }

    /// A certificate and key for a client.
    pub(crate) fn issue_client(
        &self,
        who: &Identity,
        now: Timestamp,
        valid: Duration,
    ) -> anyhow::Result<Issued> {
        self.issue(&client(who, now, valid)?)
    }

    /// A certificate for the key of a PKCS#10 request. The names in the request do not count.
    pub(crate) fn sign(
        &self,
        csr: &SigningRequest,
        who: &Identity,
        now: Timestamp,
        valid: Duration,
    ) -> anyhow::Result<String> {
        let certificate = client(who, now, valid)?
            .signed_by(&csr.0.public_key, &self.issuer)
            .context("the request's key cannot be signed")?;
        Ok(certificate.pem())
    }

    fn issue(&self, params: &CertificateParams) -> anyhow::Result<Issued> {
        let key = KeyPair::generate().context("no key could be made")?;
        let certificate = params.signed_by(&key, &self.issuer).context("the CA cannot sign")?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// A PKCS#10 request whose own signature was checked: whoever sent it has the key.
#[derive(Debug)]
pub(crate) struct SigningRequest(CertificateSigningRequestParams);

impl SigningRequest {
    pub(crate) fn parse(der: &[u8]) -> anyhow::Result<Self> {
        let der = CertificateSigningRequestDer::from(der);
        let params =
            CertificateSigningRequestParams::from_der(&der).context("the CSR is no valid PKCS#10 request")?;
        Ok(Self(params))
    }

    /// SHA-256 of the public key, lower-case hexadecimal.
    pub(crate) fn key_digest(&self) -> String {
        crate::digest::sha256_hex(self.0.public_key.der_bytes())
    }
}

fn client(who: &Identity, now: Timestamp, valid: Duration) -> anyhow::Result<CertificateParams> {
    let uri = who.to_string();
    let mut params = leaf(&uri, now, valid)?;
    params.subject_alt_names.push(SanType::URI(uri.as_str().try_into().context("the name is no URI")?));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn leaf(name: &str, now: Timestamp, valid: Duration) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, now, valid)?;
    Ok(params)
}

fn validity(params: &mut CertificateParams, now: Timestamp, valid: Duration) -> anyhow::Result<()> {
    let date = |at: Timestamp| -> anyhow::Result<OffsetDateTime> {
        let seconds = i64::try_from(at.0 / 1000).context("the clock is beyond reason")?;
        OffsetDateTime::from_unix_timestamp(seconds).context("the clock is beyond reason")
    };
    // The controller's clock does not follow the wall clock back, by which certificates are checked.
    params.not_before = date(now.min(clock::wall()))? - BACKDATED;
    params.not_after =
        date(now)?.checked_add(time::Duration::try_from(valid)?).context("valid for too long")?;
    Ok(())
}
