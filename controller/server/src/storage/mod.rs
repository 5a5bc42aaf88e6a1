//! What is not state: run output as byte logs with offsets, collected files, content by digest.
//!
//! The store holds names, sizes and digests. What is acknowledged here is on the disk.

mod blobs;
mod runs;

pub(crate) use blobs::{Blobs, Upload};
pub(crate) use runs::{Piece, RunStore};

/// Runs something that blocks where it may.
///
/// # Errors
/// Those of `work`, or that it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}
