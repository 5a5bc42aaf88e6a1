//! Output and collected files of runs, wherever they are kept.

use super::blocking;
use super::bucket_runs::BucketRuns;
use super::directory::Directory;
use super::log::{Acknowledged, OnOutput};
use bytes::Bytes;
use hostler_core::ids::{NodeId, RunId};
use hostler_core::run;

/// Byte logs and collected files.
#[derive(Clone)]
pub(crate) enum RunStore {
    /// Files, and who hears of more output.
    Directory(Directory, OnOutput),
    /// Objects.
    Bucket(BucketRuns),
}

/// Bytes that belong at an offset.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) data: Bytes,
}

impl RunStore {
    /// Appends output; returns how much is stored, for all controllers and for good. If that is not all of it, the
    /// listener hears of the rest. Bytes that are there already are not written twice; what is beyond the limit is
    /// counted, not kept.
    ///
    /// # Errors
    /// If bytes before these are missing, or nothing can be stored.
    pub(crate) async fn append(
        &self,
        run: RunId,
        node: NodeId,
        piece: Piece,
        listener: &Acknowledged,
    ) -> anyhow::Result<u64> {
        match self {
            Self::Directory(directory, on_output) => {
                let directory = directory.clone();
                let stored = blocking(move || directory.append(run, node, &piece)).await?;
                on_output(run);
                Ok(stored)
            }
            Self::Bucket(bucket) => bucket.append(run, node, &piece, listener).await,
        }
    }

    /// Appends to a collected file. Nothing is promised before [`finish`](Self::finish).
    pub(crate) async fn append_file(
        &self,
        run: RunId,
        node: NodeId,
        path: String,
        piece: Piece,
    ) -> anyhow::Result<()> {
        let directory = match self {
            Self::Directory(directory, _) => directory.clone(),
            Self::Bucket(bucket) => bucket.arriving(),
        };
        blocking(move || directory.append_file(run, node, &path, &piece)).await
    }

    /// Returns when all output that was appended is stored, and the collected files arrived whole and are.
    pub(crate) async fn finish(&self, run: RunId, node: NodeId, files: Vec<run::File>) -> anyhow::Result<()> {
        match self {
            Self::Directory(directory, _) => {
                let directory = directory.clone();
                blocking(move || files.iter().try_for_each(|file| directory.verify(run, node, file))).await
            }
            Self::Bucket(bucket) => bucket.finish(run, node, files).await,
        }
    }

    /// Output from `offset` on, at most `limit` bytes and perhaps less; empty at the end.
    pub(crate) async fn read(
        &self,
        run: RunId,
        node: NodeId,
        offset: u64,
        limit: usize,
    ) -> anyhow::Result<Bytes> {
        match self {
            Self::Directory(directory, _) => {
                let directory = directory.clone();
                blocking(move || directory.read(run, node, offset, limit)).await
            }
            Self::Bucket(bucket) => bucket.read(run, node, offset, limit).await,
        }
    }

    /// A collected file from `offset` on, at most `limit` bytes; empty at the end.
    pub(crate) async fn read_file(
        &self,
        run: RunId,
        node: NodeId,
        file: &run::File,
        offset: u64,
        limit: usize,
    ) -> anyhow::Result<Bytes> {
        match self {
            Self::Directory(directory, _) => {
                let (directory, path) = (directory.clone(), file.path.clone());
                blocking(move || directory.read_file(run, node, &path, offset, limit)).await
            }
            Self::Bucket(bucket) => bucket.read_file(run, node, file, offset, limit).await,
        }
    }
}
