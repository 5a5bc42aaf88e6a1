//! The task Wipe: every local disk reads as zero afterwards, or the report says why it is not known to.

use super::readback::ReadBack;
use super::task::{StepError, Watch, Workshop, is_kept};
use crate::clock::elapsed_ms;
use crate::disk::{Disk, DiskInfo};
use crate::error::chain;
use crate::random::Sequence;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hostler_proto::agent::v1::{DiskRange, DiskWipe, WipeTask, Wiped};
use std::io;
use std::ops::Range;
use tokio::time::Instant;

/// Disks that are wiped at the same time.
const PARALLEL: usize = 8;

/// Bounds on what a task may have read back besides.
const RANGES: usize = 1024;
const RANGE_BYTES: u64 = 64 << 20;

/// What one command erases: small enough that a newer task does not wait long.
const COMMAND: u64 = 1 << 30;
const OVERWRITE: u64 = 1 << 20;

/// From the quickest to the surest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Discard,
    WriteZeroes,
    Overwrite,
}

impl Method {
    const ALL: [Self; 3] = [Self::Discard, Self::WriteZeroes, Self::Overwrite];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Discard => "discard",
            Self::WriteZeroes => "write-zeroes",
            Self::Overwrite => "overwrite",
        }
    }

    const fn step(self) -> u64 {
        match self {
            Self::Discard | Self::WriteZeroes => COMMAND,
            Self::Overwrite => OVERWRITE,
        }
    }

    async fn erase(self, disk: &dyn Disk, range: Range<u64>, zeros: &Bytes) -> io::Result<()> {
        match self {
            Self::Discard => disk.discard(range).await,
            Self::WriteZeroes => disk.write_zeroes(range).await,
            Self::Overwrite => {
                let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(zeros.len());
                disk.write_at(range.start, zeros.slice(..length)).await
            }
        }
    }
}

/// Why one method did not do.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("cannot mark the disk before wiping it")]
    Mark(#[source] io::Error),
    #[error("failed at {offset}")]
    Erase {
        offset: u64,
        #[source]
        source: io::Error,
    },
    #[error("cannot flush the disk")]
    Sync(#[source] io::Error),
    #[error(transparent)]
    Unclean(#[from] super::readback::Unclean),
}

pub(crate) async fn wipe(
    workshop: &Workshop,
    id: u64,
    task: WipeTask,
    watch: &Watch,
) -> Result<Wiped, StepError> {
    let disks = workshop.machine.disks().await.map_err(StepError::Disks)?;
    let (kept, wiped): (Vec<_>, Vec<_>) = disks.into_iter().partition(|disk| is_kept(disk, &task.keep_disks));
    check_ranges(&task.read_back, &wiped)?;
    let mut reports: Vec<DiskWipe> = kept.iter().map(report_kept).collect();
    let wiped: Vec<DiskWipe> = stream::iter(wiped)
        .map(|disk| wipe_disk(workshop, disk, &task.read_back, watch))
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    reports.extend(wiped);
    Ok(Wiped { task_id: id, disks: reports })
}

fn check_ranges(ranges: &[DiskRange], disks: &[DiskInfo]) -> Result<(), StepError> {
    let longest = ranges.iter().map(|range| range.length).max().unwrap_or_default();
    if ranges.len() > RANGES || longest > RANGE_BYTES {
        return Err(StepError::ReadBackTooLarge { ranges: ranges.len(), longest, allowed: "1024 of 64 MiB" });
    }
    let known =
        |range: &&DiskRange| range.serial.is_empty() || disks.iter().any(|disk| disk.serial == range.serial);
    match ranges.iter().find(|range| !known(range)) {
        Some(range) => Err(StepError::ReadBackUnknown(range.serial.clone())),
        None => Ok(()),
    }
}

fn ranges_of(disk: &DiskInfo, ranges: &[DiskRange]) -> Vec<Range<u64>> {
    let of_disk = |range: &&DiskRange| range.serial.is_empty() || range.serial == disk.serial;
    ranges
        .iter()
        .filter(of_disk)
        .map(|range| range.offset..range.offset.saturating_add(range.length))
        .collect()
}

fn report_kept(disk: &DiskInfo) -> DiskWipe {
    let why = if disk.remote { "reached over a network or by several paths" } else { "to be kept" };
    DiskWipe { method: "kept".to_owned(), problem: why.to_owned(), ..report(disk) }
}

fn report(disk: &DiskInfo) -> DiskWipe {
    DiskWipe {
        path: disk.path.clone(),
        serial: disk.serial.clone(),
        size_bytes: disk.size_bytes,
        ..DiskWipe::default()
    }
}

async fn wipe_disk(
    workshop: &Workshop,
    info: DiskInfo,
    ranges: &[DiskRange],
    watch: &Watch,
) -> Result<DiskWipe, StepError> {
    let start = Instant::now();
    let mut report = report(&info);
    match workshop.machine.open_disk(&info).await {
        Ok(disk) => try_methods(disk.as_ref(), &ranges_of(&info, ranges), watch, &mut report).await?,
        Err(error) => report.problem = format!("cannot open it: {error}"),
    }
    report.duration_ms = elapsed_ms(start);
    Ok(report)
}

/// Tries one method after the other until one was seen to work.
async fn try_methods(
    disk: &dyn Disk,
    extra: &[Range<u64>],
    watch: &Watch,
    report: &mut DiskWipe,
) -> Result<(), StepError> {
    let mut problems = Vec::new();
    for method in Method::ALL {
        report.method = method.as_str().to_owned();
        match try_method(disk, method, extra, watch).await? {
            Ok(read) => {
                report.verified_bytes = read;
                report.verified = true;
                return Ok(());
            }
            Err(problem) => {
                tracing::warn!(disk = report.path, method = method.as_str(), "{}", chain(&problem));
                problems.push(format!("{}: {}", method.as_str(), chain(&problem)));
            }
        }
    }
    report.problem = problems.join("; ");
    Ok(())
}

async fn try_method(
    disk: &dyn Disk,
    method: Method,
    extra: &[Range<u64>],
    watch: &Watch,
) -> Result<Result<u64, Problem>, StepError> {
    let mut sequence = Sequence::unpredictable();
    let plan = ReadBack::plan(disk.info().size_bytes, extra, &mut sequence);
    watch.expect(disk.info().size_bytes.saturating_add(plan.bytes()));
    if let Err(source) = plan.mark(disk, &mut sequence).await {
        return Ok(Err(Problem::Mark(source)));
    }
    if let Err(problem) = erase(disk, method, watch).await? {
        return Ok(Err(problem));
    }
    if let Err(source) = disk.sync().await {
        return Ok(Err(Problem::Sync(source)));
    }
    Ok(plan.check(disk, watch).await?.map_err(Problem::Unclean))
}

async fn erase(disk: &dyn Disk, method: Method, watch: &Watch) -> Result<Result<(), Problem>, StepError> {
    let size = disk.info().size_bytes;
    let zeros = match method {
        Method::Overwrite => Bytes::from(vec![0; OVERWRITE as usize]),
        Method::Discard | Method::WriteZeroes => Bytes::new(),
    };
    let mut offset = 0;
    while offset < size {
        watch.check()?;
        let end = size.min(offset.saturating_add(method.step()));
        if let Err(source) = method.erase(disk, offset..end, &zeros).await {
            return Ok(Err(Problem::Erase { offset, source }));
        }
        watch.advance(end - offset);
        offset = end;
    }
    Ok(Ok(()))
}
