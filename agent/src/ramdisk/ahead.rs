//! The task that writes an image ahead, to a machine that nobody has: a deployment of the same image finds it there.
//!
//! What is on the disks this agent knows by itself, since it wiped them: neither the controller nor a disk is believed to
//! have a whole image. An agent that has not wiped them, since the machine booted again meanwhile, takes the controller's
//! word for what has to go.

use super::deploy::{choose, open, write as write_whole};
use super::erase::put_to_zero;
use super::image::disk_bytes;
use super::task::{StepError, Watch, Workshop, is_kept, must_be_inspected};
use crate::clock::elapsed_ms;
use crate::disk::DiskInfo;
use hostler_proto::agent::v1::{DeployTask, WrittenAhead};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Zeros are put in whole pieces of so many bytes, which are whole sectors of every disk.
const PIECE: u64 = 1 << 20;

/// What is on the disks since they were wiped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// This agent has wiped the disks, and knows of everything that came onto them since.
    wiped: bool,
    entries: Vec<Entry>,
}

/// What was written ahead to one disk.
#[derive(Debug)]
struct Entry {
    disk: DiskInfo,
    /// So much of its beginning may have something on it.
    bytes: u64,
    /// The image that is there, whole and as it was written.
    whole: Option<Whole>,
}

/// What tells one image from another, and what was made of its bytes.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    sha256: String,
    encoding: String,
    bytes: u64,
}

impl Whole {
    fn of(task: &DeployTask) -> Self {
        let (sha256, encoding) = (task.sha256.to_ascii_lowercase(), task.encoding.clone());
        Self { sha256, encoding, bytes: disk_bytes(task) }
    }
}

impl Ledger {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disks are being wiped.
    pub(crate) fn forget(&self) {
        *self.known() = Known::default();
    }

    /// The disks are wiped.
    pub(crate) fn begin(&self) {
        self.known().wiped = true;
    }

    /// True if something was written ahead, whole or not.
    pub(crate) fn has_any(&self) -> bool {
        !self.known().entries.is_empty()
    }

    /// True if the image of this deployment is on this disk. It is not a moment later: whoever asked makes it a system.
    pub(crate) fn takes(&self, disk: &DiskInfo, task: &DeployTask) -> bool {
        let mut known = self.known();
        let alone = known.entries.len() == 1;
        let entry = known.entries.iter_mut().find(|entry| entry.disk == *disk);
        let whole = entry.and_then(|entry| entry.whole.take());
        alone && whole.is_some_and(|whole| whole == Whole::of(task))
    }

    fn writes(&self, disk: &DiskInfo, bytes: u64) {
        let mut known = self.known();
        match known.entries.iter_mut().find(|entry| entry.disk == *disk) {
            Some(entry) => (entry.bytes, entry.whole) = (entry.bytes.max(bytes), None),
            None => known.entries.push(Entry { disk: disk.clone(), bytes, whole: None }),
        }
    }

    fn has_written(&self, disk: &DiskInfo, task: &DeployTask) {
        if let Some(entry) = self.known().entries.iter_mut().find(|entry| entry.disk == *disk) {
            entry.whole = Some(Whole::of(task));
        }
    }

    /// What there is to clear: of these disks, if this agent has not wiped them.
    fn soiled<'a>(&self, told: impl Iterator<Item = &'a DiskInfo>, bytes: u64) -> Vec<(DiskInfo, u64)> {
        let known = self.known();
        if known.wiped {
            known.entries.iter().map(|entry| (entry.disk.clone(), entry.bytes)).collect()
        } else {
            told.map(|disk| (disk.clone(), bytes)).collect()
        }
    }

    /// Nothing is there any more.
    fn has_cleared(&self) {
        self.known().entries.clear();
    }
}

/// Writes an image ahead. What comes of a failure is put to zero.
pub(crate) async fn write(
    workshop: &Workshop,
    id: u64,
    task: DeployTask,
    watch: &Watch,
) -> Result<WrittenAhead, StepError> {
    let start = Instant::now();
    let disks = workshop.machine.disks().await.map_err(StepError::Disks)?;
    let told = || disks.iter().filter(|disk| !is_kept(disk, &task.keep_disks));
    must_be_inspected(told(), &task.inspected)?;
    let info = choose(&disks, &task)?;
    let bytes = disk_bytes(&task);
    clear(workshop, told(), task.clear_bytes, Some((info, bytes)), watch).await?;
    workshop.ledger.writes(info, bytes);
    match write_whole(workshop, info, &task, watch).await {
        Ok(()) => workshop.ledger.has_written(info, &task),
        Err(StepError::Cancelled) => return Err(StepError::Cancelled),
        Err(error) => {
            clear(workshop, told(), 0, None, watch).await?;
            return Err(error);
        }
    }
    Ok(WrittenAhead {
        task_id: id,
        sha256: task.sha256.to_ascii_lowercase(),
        size_bytes: task.size_bytes,
        duration_ms: elapsed_ms(start),
    })
}

/// Puts to zero what was written ahead, but for what another image replaces at the beginning of one disk.
///
/// An agent that has not wiped the disks takes the caller's word that this much of each of `told` may have something on it.
pub(crate) async fn clear<'a>(
    workshop: &Workshop,
    told: impl Iterator<Item = &'a DiskInfo>,
    bytes: u64,
    replaced: Option<(&DiskInfo, u64)>,
    watch: &Watch,
) -> Result<(), StepError> {
    for (info, soiled) in workshop.ledger.soiled(told, bytes) {
        let start = replaced.filter(|(disk, _)| **disk == info).map_or(0, |(_, bytes)| bytes);
        let range = pieces(start..soiled, info.size_bytes);
        if range.is_empty() {
            continue;
        }
        let disk = open(workshop, &info).await?;
        let cleared = put_to_zero(disk.as_ref(), range, watch).await?;
        cleared.map_err(|source| StepError::Clear { path: info.path.clone(), source })?;
    }
    workshop.ledger.has_cleared();
    Ok(())
}

/// The whole pieces that the range is in, as far as the disk reaches. They begin before it: what is to be there is
/// written afterwards.
fn pieces(range: Range<u64>, size: u64) -> Range<u64> {
    if range.is_empty() {
        return 0..0;
    }
    range.start / PIECE * PIECE..range.end.next_multiple_of(PIECE).min(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_put_in_whole_pieces() {
        let size = 3 * PIECE + 512;
        assert_eq!(pieces(0..0, size), 0..0);
        assert_eq!(pieces(PIECE + 1..PIECE + 1, size), 0..0);
        assert_eq!(pieces(0..1, size), 0..PIECE);
        assert_eq!(pieces(PIECE + 1..2 * PIECE + 1, size), PIECE..3 * PIECE);
        assert_eq!(pieces(1..3 * PIECE + 1, size), 0..size);
    }

    #[test]
    fn only_what_is_whole_and_alone_is_taken_and_once() {
        let disk = |path: &str| DiskInfo { path: path.into(), size_bytes: PIECE, ..DiskInfo::default() };
        let task = |sha256: &str| DeployTask { sha256: sha256.into(), ..DeployTask::default() };
        let ledger = Ledger::default();
        ledger.begin();
        ledger.writes(&disk("a"), 10);
        assert!(!ledger.takes(&disk("a"), &task("")) && ledger.has_any());
        ledger.has_written(&disk("a"), &task("ab"));
        assert!(!ledger.takes(&disk("b"), &task("ab")), "it is on another disk");
        assert!(ledger.takes(&disk("a"), &task("AB")));
        ledger.has_written(&disk("a"), &task("ab"));
        let encoded = DeployTask { encoding: "zstd".into(), ..task("ab") };
        assert!(!ledger.takes(&disk("a"), &encoded), "that would make something else of it");
        assert!(!ledger.takes(&disk("a"), &task("ab")), "it is a system by now");
        ledger.has_written(&disk("a"), &task("ab"));
        ledger.writes(&disk("b"), 20);
        assert!(!ledger.takes(&disk("a"), &task("ab")), "the other disk has to be cleared");
        assert_eq!(ledger.soiled([].iter(), 7), [(disk("a"), 10), (disk("b"), 20)]);
        ledger.forget();
        assert_eq!(ledger.soiled([disk("c")].iter(), 7), [(disk("c"), 7)], "it has not wiped them");
    }
}
