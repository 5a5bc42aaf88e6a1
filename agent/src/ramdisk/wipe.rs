//! The task Wipe: every local disk reads as zero afterwards, or the report says why it is not known to.

use super::erase::erase;
use super::task::{StepError, Watch, Workshop, is_kept, must_be_inspected};
use crate::clock::elapsed_ms;
use crate::disk::{Disk, DiskInfo};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hostler_proto::agent::v1::{DiskRange, DiskWipe, WipeTask, Wiped};
use std::ops::Range;
use tokio::time::Instant;

/// Disks that are wiped at the same time.
const PARALLEL: usize = 8;

/// Bounds on what a task may have read back besides.
const RANGES: usize = 1024;
const RANGE_BYTES: u64 = 64 << 20;

pub(crate) async fn wipe(
    workshop: &Workshop,
    id: u64,
    task: WipeTask,
    watch: &Watch,
) -> Result<Wiped, StepError> {
    let disks = workshop.machine.disks().await.map_err(StepError::Disks)?;
    let (kept, wiped): (Vec<_>, Vec<_>) = disks.into_iter().partition(|disk| is_kept(disk, &task.keep_disks));
    must_be_inspected(&wiped, &task.inspected)?;
    check_ranges(&task.read_back, &wiped)?;
    workshop.ledger.forget();
    let mut reports: Vec<DiskWipe> = kept.iter().map(report_kept).collect();
    let wiped: Vec<DiskWipe> = stream::iter(wiped)
        .map(|disk| wipe_disk(workshop, disk, &task.read_back, watch))
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    reports.extend(wiped);
    workshop.ledger.begin();
    // Whoever had the machine may have installed something that put itself before the network.
    if let Err(error) = workshop.machine.restore_boot_order().await {
        tracing::warn!("cannot put the network first in the firmware's boot order: {error}");
    }
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
        Ok(disk) => {
            erase(disk.as_ref(), &ranges_of(&info, ranges), watch, &mut report).await?;
            forget_partitions(disk.as_ref()).await;
        }
        Err(error) => report.problem = format!("cannot open it: {error}"),
    }
    report.duration_ms = elapsed_ms(start);
    Ok(report)
}

/// The kernel read the partition table when it found the disk, and would go on to offer what is not there any more.
async fn forget_partitions(disk: &dyn Disk) {
    if let Err(error) = disk.reread_partition_table().await {
        tracing::warn!(disk = disk.info().path, "the kernel does not forget its partitions: {error}");
    }
}
