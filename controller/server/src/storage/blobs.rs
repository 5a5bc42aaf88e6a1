//! Content, named by the SHA-256 of their bytes.

use super::blocking;
use super::cache::Cache;
use crate::digest::Sha256;
use anyhow::{Context as _, bail};
use futures::TryStreamExt as _;
use hostler_pxe::Images;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// What names of unfinished content begin with.
pub(super) const UNFINISHED: &str = ".upload-";

/// A directory of files named by their digest.
#[derive(Clone, Debug)]
pub(crate) struct Blobs {
    dir: PathBuf,
    /// What the directory is a part of, if it is not all there is.
    cache: Option<Cache>,
}

/// Content on its way in. Dropped unfinished, it leaves nothing.
pub(crate) struct Upload {
    file: NamedTempFile,
    digest: Sha256,
    size: u64,
    dir: PathBuf,
}

impl Blobs {
    pub(crate) fn open(dir: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { dir, cache: None })
    }

    /// Removes what a controller that was killed did not get to the end of. Nobody else may be at work there.
    pub(super) fn tidy(self) -> anyhow::Result<Self> {
        remove_unfinished(&self.dir).with_context(|| format!("cannot tidy up {}", self.dir.display()))?;
        Ok(self)
    }

    /// Says that this directory is a part of what is in a bucket.
    pub(super) fn caching(self, cache: Cache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// What the boot server serves of it.
    pub(crate) fn served(&self) -> Images {
        match &self.cache {
            None => Images::Directory(self.dir.clone()),
            Some(cache) => Images::Store(Arc::new(cache.clone())),
        }
    }

    /// Makes sure that all controllers see what [`Upload::finish`] put in place.
    pub(crate) async fn share(&self, digest: &str) -> anyhow::Result<()> {
        match &self.cache {
            None => Ok(()),
            Some(cache) => cache.share(digest).await,
        }
    }

    /// All bytes of some content.
    pub(crate) async fn read(&self, digest: &str) -> anyhow::Result<Vec<u8>> {
        match &self.cache {
            None => {
                let path = self.dir.join(digest);
                blocking(move || Ok(std::fs::read(path)?)).await
            }
            Some(cache) => {
                let arriving = cache.look_up(digest).await?.context("it is not in the object store")?;
                let (length, mut bytes) = (arriving.length(), Vec::new());
                let mut pieces = arriving.part(0, length);
                while let Some(piece) = pieces.try_next().await? {
                    bytes.extend_from_slice(&piece);
                }
                Ok(bytes)
            }
        }
    }

    pub(crate) fn upload(&self) -> anyhow::Result<Upload> {
        let file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.dir)
            .context("no room for content")?;
        Ok(Upload { file, digest: Sha256::new(), size: 0, dir: self.dir.clone() })
    }
}

fn remove_unfinished(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Write for Upload {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.file.write_all(piece)?;
        self.digest.update(piece);
        self.size += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Upload {
    /// Holds what arrived against the digest that was announced.
    ///
    /// # Errors
    /// If it differs.
    pub(crate) fn check(&self, expected: Option<&str>) -> anyhow::Result<()> {
        let digest = self.digest.clone().finish();
        if let Some(expected) = expected.filter(|e| !e.eq_ignore_ascii_case(&digest)) {
            bail!("the bytes that arrived have the SHA-256 {digest}, expected was {expected}");
        }
        Ok(())
    }

    /// What was written so far, to be read.
    pub(crate) fn reader(&self) -> anyhow::Result<File> {
        self.file.reopen().context("the content cannot be read again")
    }

    /// Puts the content in place: digest and size. Its bytes are on the disk then.
    pub(crate) fn finish(self) -> anyhow::Result<(String, u64)> {
        let digest = self.digest.finish();
        self.file.as_file().sync_all().context("the content cannot be stored")?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        self.file.as_file().set_permissions(readable).context("the content cannot be stored")?;
        self.file.persist(self.dir.join(&digest)).context("the content cannot be stored")?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).context("the content cannot be stored")?;
        Ok((digest, self.size))
    }
}
