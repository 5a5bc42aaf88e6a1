//! All artefacts of a controller, opened where its configuration says.

use super::blobs::Blobs;
use super::bucket::{Bucket, Found, Trouble};
use super::bucket_runs::{BucketRuns, Workshop};
use super::cache::Cache;
use super::directory::Directory;
use super::log::OnOutput;
use super::place::Place;
use super::runs::RunStore;
use crate::config::Config;
use crate::process;
use anyhow::Context as _;
use std::path::Path;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Run output, collected files and content.
pub(crate) struct Artefacts {
    pub(crate) runs: RunStore,
    /// What machines are provisioned with.
    pub(crate) images: Blobs,
    /// What payloads get on their standard input.
    pub(crate) inputs: Blobs,
}

/// What of a controller matters to its artefacts.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// This controller alone changes what all of them share.
    pub(crate) leads: bool,
    /// Output kept of one task, in bytes.
    pub(crate) output_limit: u64,
    /// Bytes of images that are kept on this host if they are in a bucket.
    pub(crate) cache_bytes: u64,
    /// Hears of more output.
    pub(crate) on_output: OnOutput,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Artefacts {
    /// Opens them; `data` is the directory of this host.
    ///
    /// # Errors
    /// If directories cannot be made, or credentials read. Whether a bucket answers is not asked: see [`check`].
    pub(crate) fn open(place: &Place, data: &Path, around: Surroundings) -> anyhow::Result<Self> {
        let Surroundings { leads, output_limit, cache_bytes, on_output, tasks, stop } = around;
        let url = match place {
            Place::Directory(dir) => {
                let runs = Directory::open(dir.join("runs"), output_limit)?;
                let shared = |name: &str| {
                    let blobs = Blobs::open(dir.join(name))?;
                    if leads { blobs.tidy() } else { Ok(blobs) }
                };
                let (images, inputs) = (shared("images")?, shared("inputs")?);
                return Ok(Self { runs: RunStore::Directory(runs, on_output), images, inputs });
            }
            Place::Bucket(url) => url,
        };
        let bucket = Bucket::open(url).context("store.artefacts")?;
        let here = data.join("cache");
        let cached = |name: &'static str| {
            let dir = here.join(name);
            let kept = Blobs::open(dir.clone())?.tidy()?;
            let cache = Cache::new((dir, name, cache_bytes), bucket.clone(), tasks.clone(), stop.clone());
            anyhow::Ok(kept.caching(cache))
        };
        let (images, inputs) = (cached("images")?, cached("inputs")?);
        let arriving = Directory::open_empty(here.join("files"), output_limit)?;
        let workshop = Workshop { bucket, output_limit, on_output, tasks, stop };
        Ok(Self { runs: RunStore::Bucket(BucketRuns::new(workshop, arriving)), images, inputs })
    }
}

/// Writes to the bucket of the configuration and reads, if there is one.
///
/// # Errors
/// If it refuses. One that does not answer is waited for by whoever needs it, since machines need it least.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    let Place::Bucket(url) = config.artefacts()? else { return Ok(()) };
    let bucket = Bucket::open(&url).context("store.artefacts")?;
    match process::runtime()?.block_on(bucket.probe()) {
        Found::Usable => Ok(()),
        Found::Refused(error) => Err(error.context("store.artefacts")),
        Found::Away(error) => {
            tracing::error!("store.artefacts: {error:#}. Agents keep their output until it answers");
            Ok(())
        }
    }
}

/// True if this is an object store's fault, and may go better the next time.
pub(crate) fn is_away(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Trouble>() || cause.is::<tokio::time::error::Elapsed>())
}
