//! What is not state: run output as byte logs with offsets, collected files, content by digest.
//!
//! The store holds names, sizes and digests. What is acknowledged here is durable, where every controller sees it:
//! in a directory, or in a bucket of an object store.
//!
//! * [`place`] is the setting that says where.
//! * [`runs`]: output and collected files, in [`directory`] or in [`bucket_runs`]. The latter cannot append: [`log`]
//!   gathers output into segments, and [`segments`] knows how they make up a byte log.
//! * [`blobs`]: content by digest. [`cache`] keeps on this host what is wanted of a bucket's.
//! * [`bucket`] speaks to the object store, with [`credentials`] that are in no URL.

mod artefacts;
mod blobs;
mod bucket;
mod bucket_runs;
mod cache;
mod credentials;
mod directory;
mod log;
mod place;
mod runs;
mod segments;

pub(crate) use artefacts::{Artefacts, Surroundings, check, is_away};
pub(crate) use blobs::{Blobs, Upload};
pub(crate) use log::Acknowledged;
pub(crate) use place::Place;
pub(crate) use runs::{Piece, RunStore};

#[cfg(test)]
mod tests;

/// Runs something that blocks where it may.
///
/// # Errors
/// Those of `work`, or that it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}
