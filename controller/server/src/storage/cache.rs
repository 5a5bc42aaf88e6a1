//! Content of a bucket, kept on this host while it is wanted.
//!
//! However many machines ask for an image at the same time, it is fetched once, and all of them read what has arrived.

use super::blobs::UNFINISHED;
use super::bucket::{Bucket, PART, PARTS};
use crate::digest::Sha256;
use anyhow::{Context as _, ensure};
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use hostler_pxe::{Arriving, ImageStore};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between two tries to fetch what is missing.
const AGAIN: Duration = Duration::from_secs(2);

/// Tries without any success after which whoever waits is sent away.
const TRIES: u32 = 10;

/// A directory with some of the content of a bucket.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    /// What names in the bucket begin with.
    name: &'static str,
    bucket: Bucket,
    /// Bytes that may lie here.
    most: u64,
    fetches: Arc<Mutex<HashMap<String, Fetch>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Content on its way here.
#[derive(Debug)]
struct Fetch {
    path: PathBuf,
    length: u64,
    here: watch::Receiver<u64>,
}

/// Where content is written to while it arrives.
struct Sink {
    file: NamedTempFile,
    digest: Sha256,
    arrived: u64,
    here: watch::Sender<u64>,
}

impl Sink {
    fn take(&mut self, part: &[u8]) -> anyhow::Result<()> {
        self.file.as_file().write_all_at(part, self.arrived).context("no room for content")?;
        self.digest.update(part);
        self.arrived += part.len() as u64;
        Ok(())
    }
}

impl ImageStore for Cache {
    fn open(&self, digest: &str) -> BoxFuture<'_, io::Result<Arriving>> {
        let digest = digest.to_owned();
        Box::pin(async move {
            let found =
                self.look_up(&digest).await.map_err(|error| io::Error::other(format!("{error:#}")))?;
            found.ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }
}

impl Cache {
    pub(super) fn new(
        (dir, name, most): (PathBuf, &'static str, u64),
        bucket: Bucket,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self { dir, name, bucket, most, fetches: Arc::default(), tasks, stop }
    }

    /// Puts content that lies here into the bucket, where all controllers see it.
    pub(super) async fn share(&self, digest: &str) -> anyhow::Result<()> {
        let path = self.dir.join(digest);
        let length = path.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
        let name = self.name_of(digest);
        if self.bucket.size(&name).await? != Some(length) {
            self.bucket.put_file(&name, &path).await?;
        }
        self.make_room(digest)
    }

    /// Content that is here or on its way; none if the bucket does not have it either.
    pub(super) async fn look_up(&self, digest: &str) -> anyhow::Result<Option<Arriving>> {
        if let Some(whole) = self.kept(digest)? {
            return Ok(Some(whole));
        }
        let Some(length) = self.bucket.size(&self.name_of(digest)).await? else { return Ok(None) };
        let mut fetches = self.fetches();
        if let Some(whole) = self.kept(digest)? {
            return Ok(Some(whole));
        }
        let fetch = match fetches.get(digest) {
            Some(fetch) => fetch,
            None => {
                let fetch = self.begin(digest, length)?;
                fetches.entry(digest.to_owned()).or_insert(fetch)
            }
        };
        Ok(Some(Arriving::new(File::open(&fetch.path)?, fetch.length, fetch.here.clone())))
    }

    fn kept(&self, digest: &str) -> io::Result<Option<Arriving>> {
        match File::open(self.dir.join(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => {
                let file = opened?;
                let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
                // Only what is thrown away first depends on it.
                let _ = futimens(&file, &Timestamps { last_access: now, last_modification: now });
                Ok(Some(Arriving::whole(file)?))
            }
        }
    }

    fn begin(&self, digest: &str, length: u64) -> anyhow::Result<Fetch> {
        let file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.dir)
            .context("no room for content")?;
        let (path, (sender, here)) = (file.path().to_owned(), watch::channel(0));
        let sink = Sink { file, digest: Sha256::new(), arrived: 0, here: sender };
        let (cache, digest) = (self.clone(), digest.to_owned());
        self.tasks.spawn(async move {
            let fetched =
                cache.stop.clone().run_until_cancelled_owned(cache.fetch(&digest, length, sink)).await;
            if let Some(Err(error)) = fetched {
                tracing::error!("{} could not be fetched: {error:#}", cache.name_of(&digest));
            }
            cache.fetches().remove(&digest);
        });
        Ok(Fetch { path, length, here })
    }

    /// Whoever reads goes on meanwhile, but gets the last part only when all of it is known to be right.
    async fn fetch(&self, digest: &str, length: u64, mut sink: Sink) -> anyhow::Result<()> {
        let (mut failures, mut before) = (0, 0);
        while let Err(error) = self.fetch_rest(digest, length, &mut sink).await {
            failures = if sink.arrived > before { 0 } else { failures + 1 };
            before = sink.arrived;
            // One of those who watch is the list of what is on its way.
            if failures >= TRIES || sink.here.receiver_count() <= 1 {
                return Err(error);
            }
            tokio::time::sleep(AGAIN).await;
        }
        let found = sink.digest.clone().finish();
        ensure!(found == digest, "its bytes have the SHA-256 {found}: the object was changed, or is damaged");
        block_in_place(|| self.persist(digest, sink))?;
        self.make_room(digest)
    }

    async fn fetch_rest(&self, digest: &str, length: u64, sink: &mut Sink) -> anyhow::Result<()> {
        let name = self.name_of(digest);
        let parts = (sink.arrived..length).step_by(PART).map(|start| {
            let range = start..length.min(start + PART as u64);
            async { self.bucket.get(&name, range).await?.context("the object was removed") }
        });
        let mut parts = futures::stream::iter(parts).buffered(PARTS);
        while let Some(part) = parts.try_next().await? {
            block_in_place(|| sink.take(&part))?;
            if sink.arrived < length {
                sink.here.send_replace(sink.arrived);
            }
        }
        Ok(())
    }

    fn persist(&self, digest: &str, sink: Sink) -> anyhow::Result<()> {
        sink.file.as_file().sync_all().context("no room for content")?;
        let mut fetches = self.fetches();
        sink.file.persist(self.dir.join(digest)).context("fetched content cannot be kept")?;
        fetches.remove(digest);
        drop(fetches);
        sink.here.send_replace(sink.arrived);
        Ok(())
    }

    /// Removes what was not asked for for longest. Who is reading it goes on.
    fn make_room(&self, spared: &str) -> anyhow::Result<()> {
        let mut kept = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                kept.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in kept {
            if total <= self.most {
                break;
            }
            if path.file_name() != Path::new(spared).file_name() {
                std::fs::remove_file(&path).context("the cache cannot be made smaller")?;
                total -= length;
            }
        }
        Ok(())
    }

    fn name_of(&self, digest: &str) -> String {
        format!("{}/{digest}", self.name)
    }

    fn fetches(&self) -> MutexGuard<'_, HashMap<String, Fetch>> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
