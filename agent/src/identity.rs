//! Who an agent is: its key, its certificate, and whom it trusts.

use crate::url::ControllerUrl;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use zeroize::Zeroizing;

/// A text that is never printed, and erased from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What TLS needs to speak for an agent. PEM texts.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// Whoever this CA signed is the controller, if its address agrees.
    pub(crate) ca: String,
    /// Leaf first.
    pub(crate) certificate_chain: String,
    pub(crate) key: Secret,
}

/// Everything that the agent of a deployed system needs. Made by the agent in the ramdisk, whose channel had the
/// certificate signed; stored by [`crate::Machine::install`], as JSON on real machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployedIdentity {
    /// Where the controller is.
    pub controller: ControllerUrl,
    /// Of other controllers that may lead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<ControllerUrl>,
    /// Name of the node.
    pub node: String,
    /// The boot for which the certificate was signed.
    pub boot: String,
    /// Host name that the deployed system is to have.
    pub hostname: String,
    /// PEM, of the CA that signed the controller's certificate.
    pub ca: String,
    /// PEM, leaf first.
    pub certificate_chain: String,
    /// PEM. Made on this node, and never leaves it.
    pub key: Secret,
    /// Unix time in milliseconds by the controller's clock, when this was made: it cannot be earlier than this.
    pub time_ms: u64,
    /// Of the leading controller when this was made: no lower one is obeyed.
    pub epoch: u64,
    /// Public keys that may log in as root, one line of `authorized_keys` each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
}

impl DeployedIdentity {
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials {
            ca: self.ca.clone(),
            certificate_chain: self.certificate_chain.clone(),
            key: self.key.clone(),
        }
    }
}

/// A new key and the request to have it certified.
#[derive(Debug)]
pub(crate) struct KeyAndRequest {
    /// PEM.
    pub(crate) key: Secret,
    /// PKCS#10, DER.
    pub(crate) request: Vec<u8>,
    /// SHA-256 of the public key (`SubjectPublicKeyInfo`, DER), lower-case hexadecimal: what an administrator or the
    /// controller compares with what the console shows.
    pub(crate) fingerprint: String,
}

impl KeyAndRequest {
    /// ECDSA on P-256. The subject stays empty: the controller writes the names.
    pub(crate) fn generate() -> Result<Self, rcgen::Error> {
        use rcgen::PublicKeyData as _;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key)?.der().to_vec();
        let fingerprint =
            hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.subject_public_key_info()));
        Ok(Self { key: Secret::from(key.serialize_pem()), request, fingerprint })
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    use fmt::Write as _;
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_the_file_and_hides_its_key() {
        let identity = DeployedIdentity {
            controller: "https://127.0.0.1:1".parse().unwrap(),
            controllers: vec!["https://127.0.0.2:1".parse().unwrap()],
            node: "n1".into(),
            boot: "7".into(),
            hostname: "n1".into(),
            ca: "ca".into(),
            certificate_chain: "chain".into(),
            key: Secret::from("private".to_owned()),
            time_ms: 5,
            epoch: 3,
            ssh_keys: vec!["ssh-ed25519 AAAA ci".into()],
        };
        let json = serde_json::to_string(&identity).unwrap();
        assert!(json.contains("private"));
        assert_eq!(serde_json::from_str::<DeployedIdentity>(&json).unwrap(), identity);
        assert!(!format!("{identity:?}").contains("private"));
    }

    #[test]
    fn every_request_has_its_own_key() {
        let (a, b) = (KeyAndRequest::generate().unwrap(), KeyAndRequest::generate().unwrap());
        assert_ne!(a.fingerprint, b.fingerprint);
        assert_eq!(a.fingerprint.len(), 64);
    }
}
