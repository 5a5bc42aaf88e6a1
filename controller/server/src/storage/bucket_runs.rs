//! Output and files of runs in a bucket: `runs/RUN/NODE/output/FROM-TO` and `runs/RUN/NODE/files/DIGEST-OF-PATH`.

use super::blocking;
use super::bucket::Bucket;
use super::directory::Directory;
use super::log::{Acknowledged, Log, OnOutput};
use super::runs::Piece;
use crate::digest::sha256_hex;
use anyhow::Context as _;
use bytes::Bytes;
use hostler_core::ids::{NodeId, RunId};
use hostler_core::run;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the end of a run waits for the object store before its agent has to tell of it again.
const SETTLE: Duration = Duration::from_secs(15);

/// Logs that are remembered. What was forgotten costs a listing.
const REMEMBERED: usize = 1024;

/// What a store in a bucket works with.
#[derive(Clone)]
pub(super) struct Workshop {
    pub(super) bucket: Bucket,
    /// Output kept of one task, in bytes.
    pub(super) output_limit: u64,
    pub(super) on_output: OnOutput,
    /// What is stored later is stored by one of these tasks, until `stop`.
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// One for each task.
type Logs = HashMap<(RunId, NodeId), Arc<Log>>;

/// Byte logs and collected files in a bucket.
#[derive(Clone)]
pub(crate) struct BucketRuns {
    workshop: Workshop,
    /// Collected files on their way in. No other process works there.
    arriving: Directory,
    logs: Arc<Mutex<Logs>>,
}

impl BucketRuns {
    pub(super) fn new(workshop: Workshop, arriving: Directory) -> Self {
        Self { workshop, arriving, logs: Arc::default() }
    }

    pub(super) fn arriving(&self) -> Directory {
        self.arriving.clone()
    }

    pub(super) async fn append(
        &self,
        run: RunId,
        node: NodeId,
        piece: &Piece,
        listener: &Acknowledged,
    ) -> anyhow::Result<u64> {
        let log = self.log(run, node);
        let stored = log.append(piece, listener).await?;
        if log.needs_attention() {
            let stop = self.workshop.stop.clone();
            self.workshop.tasks.spawn(async move { log.attend(stop).await });
        }
        Ok(stored)
    }

    pub(super) async fn finish(&self, run: RunId, node: NodeId, files: Vec<run::File>) -> anyhow::Result<()> {
        let log = self.log(run, node);
        let stored = async {
            log.settle().await?;
            for file in files {
                self.keep(run, node, file).await?;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(SETTLE, stored)
            .await
            .context("the object store does not take what a run has left within 15 seconds")??;
        let stop = self.workshop.stop.clone();
        self.workshop.tasks.spawn(async move {
            if let Some(Err(error)) = stop.run_until_cancelled(log.join()).await {
                tracing::warn!(%run, %node, "the output stays in small segments: {error:#}");
            }
        });
        Ok(())
    }

    /// Puts a file that arrived whole into the bucket.
    async fn keep(&self, run: RunId, node: NodeId, file: run::File) -> anyhow::Result<()> {
        let (arriving, name) = (self.arriving(), file_name(run, node, &file.path));
        let (data, path) = blocking(move || {
            arriving.verify(run, node, &file)?;
            let size = usize::try_from(file.size)?;
            Ok((arriving.read_file(run, node, &file.path, 0, size)?, file.path))
        })
        .await?;
        self.workshop.bucket.put(&name, data).await?;
        let arriving = self.arriving();
        blocking(move || arriving.remove_file(run, node, &path)).await
    }

    pub(super) async fn read(
        &self,
        run: RunId,
        node: NodeId,
        offset: u64,
        limit: usize,
    ) -> anyhow::Result<Bytes> {
        self.log(run, node).read(offset, limit).await
    }

    pub(super) async fn read_file(
        &self,
        run: RunId,
        node: NodeId,
        file: &run::File,
        offset: u64,
        limit: usize,
    ) -> anyhow::Result<Bytes> {
        let end = file.size.min(offset.saturating_add(limit as u64));
        if offset >= end {
            return Ok(Bytes::new());
        }
        let data = self.workshop.bucket.get(&file_name(run, node, &file.path), offset..end).await?;
        data.with_context(|| format!("the collected file {:?} is not in the object store", file.path))
    }

    fn log(&self, run: RunId, node: NodeId) -> Arc<Log> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if logs.len() >= REMEMBERED && !logs.contains_key(&(run, node)) {
            logs.retain(|_, log| Arc::strong_count(log) > 1 || !log.is_idle());
        }
        let make = || {
            let Workshop { bucket, output_limit, on_output, .. } = self.workshop.clone();
            Arc::new(Log::new(run, format!("runs/{run}/{node}/output"), output_limit, bucket, on_output))
        };
        logs.entry((run, node)).or_insert_with(make).clone()
    }
}

/// A path from the network never becomes part of a name here; its digest does.
fn file_name(run: RunId, node: NodeId, path: &str) -> String {
    format!("runs/{run}/{node}/files/{}", sha256_hex(path.as_bytes()))
}
