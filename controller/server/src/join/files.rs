//! Where the keys of a host that joins go. Nothing that is there is overwritten.

use super::{JoinError, trust};
use crate::config::{Config, Keys};
use crate::init;
use anyhow::Context as _;
use hostler_proto::controller::v1::JoinResponse;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::io;
use std::path::{Path, PathBuf};

/// The files of the keys.
#[derive(Debug)]
pub(super) struct KeyFiles {
    /// The authority's certificate. It is no secret.
    ca: PathBuf,
    secrets: [PathBuf; 3],
}

impl KeyFiles {
    /// Where this configuration has them.
    pub(super) fn of(config: &Config) -> Self {
        Self::at(&config.keys, |path| config.path(path))
    }

    /// Where they are unless somebody said otherwise.
    pub(super) fn in_directory(dir: &Path) -> Self {
        Self::at(&Keys::default(), |path| dir.join(path))
    }

    fn at(keys: &Keys, place: impl Fn(&Path) -> PathBuf) -> Self {
        Self { ca: place(&keys.ca), secrets: [&keys.ca_key, &keys.seal, &keys.token].map(|key| place(key)) }
    }

    /// Refuses to go on where another installation has its keys, before the code is used.
    ///
    /// # Errors
    /// If it has, or if that cannot be seen.
    pub(super) fn check(&self, ca_sha256: &[u8]) -> anyhow::Result<()> {
        if let Some(ca) = read(&self.ca)? {
            let known = CertificateDer::from_pem_slice(ca.as_bytes());
            if !known.is_ok_and(|known| trust::is_it(&known, ca_sha256)) {
                return Err(JoinError::OtherKeys(self.ca.clone()).into());
            }
            return Ok(());
        }
        match self.secrets.iter().find(|path| path.exists()) {
            Some(path) => Err(JoinError::OtherKeys(path.clone()).into()),
            None => Ok(()),
        }
    }

    /// Writes those that are not there. If one is there that is different, nothing is written.
    ///
    /// # Errors
    /// If that is so, or the file system refuses.
    pub(super) fn write(&self, keys: &JoinResponse) -> anyhow::Result<()> {
        let [ca_key, seal, token] = &self.secrets;
        let files = [
            (ca_key, &keys.ca_key, 0o600),
            (seal, &keys.seal_key, 0o600),
            (token, &keys.token_key, 0o600),
            (&self.ca, &keys.ca, 0o644),
        ];
        let mut missing = Vec::new();
        for (path, text, mode) in files {
            match read(path)? {
                Some(known) if known == *text => {}
                Some(_) => return Err(JoinError::OtherKeys(path.clone()).into()),
                None => missing.push((path, text, mode)),
            }
        }
        for (path, text, mode) in missing {
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            }
            init::write(path, text, mode)?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, digest, pki};
    use std::os::unix::fs::PermissionsExt as _;

    fn keys() -> (JoinResponse, Vec<u8>) {
        let ca = pki::create(clock::wall()).unwrap();
        let der = CertificateDer::from_pem_slice(ca.certificate.as_bytes()).unwrap();
        let (seal_key, token_key) = ("seal".to_owned(), "token".to_owned());
        let (ca, ca_key) = (ca.certificate, ca.key);
        let keys = JoinResponse { ca, ca_key, seal_key, token_key, ..JoinResponse::default() };
        (keys, digest::sha256(&der).as_ref().to_vec())
    }

    #[test]
    fn keys_are_for_their_owner_only_and_a_second_time_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (files, (keys, ca)) = (KeyFiles::in_directory(&dir.path().join("new")), keys());
        for _ in 0..2 {
            files.check(&ca).unwrap();
            files.write(&keys).unwrap();
            for path in &files.secrets {
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            }
            assert_eq!(std::fs::read_to_string(&files.ca).unwrap(), keys.ca);
        }
    }

    #[test]
    fn the_keys_of_another_installation_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (files, (first, ca), (second, other)) = (KeyFiles::in_directory(dir.path()), keys(), keys());
        std::fs::write(&files.secrets[1], "seal of somebody").unwrap();
        let refused = |result: anyhow::Result<()>| match result.unwrap_err().downcast_ref() {
            Some(JoinError::OtherKeys(path)) => path.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(files.check(&ca)), files.secrets[1], "whose it is cannot be told");
        assert_eq!(refused(files.write(&first)), files.secrets[1]);
        assert!(!files.ca.exists() && !files.secrets[0].exists(), "nothing is written");
        std::fs::remove_file(&files.secrets[1]).unwrap();
        files.write(&first).unwrap();
        assert_eq!(refused(files.check(&other)), files.ca);
        assert_eq!(refused(files.write(&second)), files.secrets[0]);
        assert_eq!(std::fs::read_to_string(&files.secrets[0]).unwrap(), first.ca_key);
    }
}
