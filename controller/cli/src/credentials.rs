//! The credentials file: who we are, where the controller is, whom to trust. `hostler tenant add` prints it.

use crate::diagnostic::Diagnostic;
use crate::document;
use hostler_proto::node::v1 as pb;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fmt, io};

/// Everything that is needed to speak for a tenant or an administrator.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// Of the tenant or administrator.
    pub(crate) name: String,
    /// `https://host:port`.
    pub(crate) address: String,
    /// Of other controllers that may lead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) addresses: Vec<String>,
    /// PEM: whom we believe to be the controller.
    pub(crate) ca: String,
    /// PEM, leaf first.
    pub(crate) certificate: String,
    /// PEM.
    pub(crate) key: String,
}

/// Why there are no usable credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no credentials: there is no file {}", .0.display())]
    None(PathBuf),
    #[error("no credentials: neither $XDG_CONFIG_HOME nor $HOME is set")]
    NoHome,
    #[error("could not read the credentials file {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Malformed(Box<Diagnostic>),
    #[error("credentials file {}: `{field}` {problem}", path.display())]
    Unusable { path: PathBuf, field: &'static str, problem: String },
}

impl Error {
    /// What to do about it.
    pub(crate) fn next(&self) -> String {
        match self {
            Self::None(_) | Self::NoHome => {
                "an administrator makes one with `hostler tenant add NAME --write FILE`; name it with --credentials or \
                 HOSTLER_CREDENTIALS"
            }
            Self::Read { .. } => "the file must be readable by you, and by nobody else",
            Self::Malformed(_) | Self::Unusable { .. } => {
                "get the file anew from an administrator: `hostler tenant add NAME --write FILE`"
            }
        }
        .to_owned()
    }
}

impl Credentials {
    /// Reads the file named on the command line or in the environment, else the one in the user's configuration.
    ///
    /// # Errors
    /// [`Error`]; none of them shows the file's contents.
    pub(crate) fn load(named: Option<&Path>) -> Result<(Self, PathBuf), Error> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => default_path().ok_or(Error::NoHome)?,
        };
        let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::None(path.clone()),
            _ => Error::Read { path: path.clone(), source },
        })?;
        Ok((Self::parse(&path, &text)?, path))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        document::parse(&document::origin(path), text)
            .map_err(|e| Error::Malformed(Box::new(e.without_excerpt())))
    }

    /// The file's text.
    pub(crate) fn to_toml(&self) -> String {
        let Self { name, address, addresses, ca, certificate, key } = self;
        let mut text = format!("name = {}\naddress = {}\n", quoted(name), quoted(address));
        if !addresses.is_empty() {
            let others: Vec<_> = addresses.iter().map(|address| quoted(address)).collect();
            text += &format!("addresses = [{}]\n", others.join(", "));
        }
        for (field, pem) in [("ca", ca), ("certificate", certificate), ("key", key)] {
            text += &if pem.contains("'''") {
                format!("{field} = {}\n", quoted(pem))
            } else {
                format!("{field} = '''\n{}\n'''\n", pem.trim_end())
            };
        }
        text
    }

    /// The TLS settings for connections to the controller; `path` is where the credentials came from.
    ///
    /// # Errors
    /// [`Error::Unusable`], with the field.
    pub(crate) fn tls(&self, path: &Path) -> Result<ClientConfig, Error> {
        let unusable = |field, problem: String| Error::Unusable { path: path.to_owned(), field, problem };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca).map_err(|problem| unusable("ca", problem))? {
            roots
                .add(certificate)
                .map_err(|e| unusable("ca", format!("holds no usable certificate: {e}")))?;
        }
        let chain = certificates(&self.certificate).map_err(|problem| unusable("certificate", problem))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|_| unusable("key", "holds no private key in PEM format".to_owned()))?;
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .map_err(|e| unusable("key", e.to_string()))?
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
                .map_err(|e| unusable("certificate", format!("does not go with `key`: {e}")))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

impl From<pb::Credential> for Credentials {
    fn from(credential: pb::Credential) -> Self {
        let pb::Credential { name, address, addresses, ca, certificate, key } = credential;
        Self { name, address, addresses, ca, certificate, key }
    }
}

/// Without the key.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// True if others than the owner may read the file.
pub(crate) fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

fn default_path() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(config.join("hostler").join("credentials.toml"))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| format!("is not in PEM format: {e}"))?;
    if certificates.is_empty() {
        Err("holds no certificate in PEM format".to_owned())
    } else {
        Ok(certificates)
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Credentials {
        Credentials {
            name: "ci".to_owned(),
            address: "https://127.0.0.1:7777".to_owned(),
            addresses: vec!["https://127.0.0.2:7777".to_owned()],
            ca: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
            certificate: "certificate".to_owned(),
            key: "a ''' key".to_owned(),
        }
    }

    #[test]
    fn the_file_reads_back_as_it_was_written() {
        let text = sample().to_toml();
        insta::assert_snapshot!(text, @r#"
        name = "ci"
        address = "https://127.0.0.1:7777"
        addresses = ["https://127.0.0.2:7777"]
        ca = '''
        -----BEGIN CERTIFICATE-----
        AA==
        -----END CERTIFICATE-----
        '''
        certificate = '''
        certificate
        '''
        key = "a ''' key"
        "#);
        let read = Credentials::parse(Path::new("c.toml"), &text).unwrap();
        assert_eq!((read.name, read.address, read.key), (sample().name, sample().address, sample().key));
        assert_eq!(read.addresses, sample().addresses);
    }

    #[test]
    fn no_error_shows_the_key() {
        let text = "name = 'a'\naddress = 'b'\nca = ''\ncertificate = ''\nkey = ['SECRET']\n";
        let error = Credentials::parse(Path::new("c.toml"), text).unwrap_err();
        assert!(!error.to_string().contains("SECRET"), "{error}");
        insta::assert_snapshot!(error, @r"
        invalid type: sequence, expected a string
          --> c.toml:5:7
        ");
        assert!(!format!("{:?}", sample()).contains("key"), "the key is in the debug output");
    }

    #[test]
    fn unusable_fields_are_named() {
        let error = sample().tls(Path::new("c.toml")).unwrap_err();
        insta::assert_snapshot!(error, @"credentials file c.toml: `ca` holds no usable certificate: invalid peer certificate: BadEncoding");
    }
}
