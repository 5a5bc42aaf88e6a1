//! The tasks that deploy: an image on a disk or in memory, and an identity for its agent.

use super::ahead::clear;
use super::image::{ImageError, disk_bytes, write_image};
use super::memory::keep_image;
use super::task::{StepError, Watch, Workshop, is_kept, must_be_inspected};
use crate::clock::elapsed_ms;
use crate::disk::{Disk, DiskInfo};
use crate::identity::{DeployedIdentity, KeyAndRequest};
use crate::machine::Installed;
use hostler_proto::agent::v1::{DeployDisklessTask, DeployTask, Deployed};
use std::sync::Arc;
use tokio::time::Instant;

pub(crate) async fn deploy(
    workshop: &Workshop,
    id: u64,
    epoch: u64,
    task: DeployTask,
    watch: &Watch,
) -> Result<Deployed, StepError> {
    let start = Instant::now();
    let disks = workshop.machine.disks().await.map_err(StepError::Disks)?;
    // All of them: the firmware may start what is on one that came later.
    must_be_inspected(disks.iter().filter(|disk| !is_kept(disk, &task.keep_disks)), &task.inspected)?;
    let info = choose(&disks, &task)?;
    if workshop.ledger.takes(info, &task) {
        tracing::info!(disk = info.path, "the image was written ahead");
    } else {
        let told = disks.iter().filter(|disk| !is_kept(disk, &task.keep_disks));
        clear(workshop, told, task.clear_bytes, Some((info, disk_bytes(&task))), watch).await?;
        write(workshop, info, &task, watch).await?;
    }
    let identity = identify(workshop, epoch, task.hostname, task.ssh_keys, watch).await?;
    watch.check()?;
    let installed = workshop.machine.install(info, &identity).await.map_err(StepError::Install)?;
    Ok(report(id, start, &task.sha256, task.size_bytes, installed))
}

/// Has the image on this disk. Its partitions can be used when this is over, and nobody has the whole of it.
pub(super) async fn write(
    workshop: &Workshop,
    info: &DiskInfo,
    task: &DeployTask,
    watch: &Watch,
) -> Result<(), StepError> {
    let disk = open(workshop, info).await?;
    write_image(workshop.machine.as_ref(), disk.as_ref(), task, watch).await.map_err(failed)
}

pub(super) async fn open(workshop: &Workshop, info: &DiskInfo) -> Result<Arc<dyn Disk>, StepError> {
    let opened = workshop.machine.open_disk(info).await;
    opened.map_err(|source| StepError::OpenDisk { path: info.path.clone(), source })
}

/// No disk is opened, unless one has an image that was written ahead.
pub(crate) async fn deploy_diskless(
    workshop: &Workshop,
    id: u64,
    epoch: u64,
    task: DeployDisklessTask,
    watch: &Watch,
) -> Result<Deployed, StepError> {
    let start = Instant::now();
    if workshop.ledger.has_any() || task.clear_bytes > 0 {
        let disks = workshop.machine.disks().await.map_err(StepError::Disks)?;
        let told = || disks.iter().filter(|disk| !is_kept(disk, &task.keep_disks));
        must_be_inspected(told(), &task.inspected)?;
        clear(workshop, told(), task.clear_bytes, None, watch).await?;
    }
    let system = keep_image(workshop.machine.as_ref(), &task, watch).await.map_err(failed)?;
    let identity = identify(workshop, epoch, task.hostname, task.ssh_keys, watch).await?;
    watch.check()?;
    let installed = workshop.machine.install_diskless(system, &identity).await.map_err(StepError::Install)?;
    Ok(report(id, start, &task.sha256, task.size_bytes, installed))
}

fn report(id: u64, start: Instant, sha256: &str, size_bytes: u64, installed: Installed) -> Deployed {
    Deployed {
        task_id: id,
        sha256: sha256.to_ascii_lowercase(),
        size_bytes,
        duration_ms: elapsed_ms(start),
        ssh_host_keys: installed.ssh_host_keys,
    }
}

fn failed(error: ImageError) -> StepError {
    match error {
        ImageError::Cancelled => StepError::Cancelled,
        error => error.into(),
    }
}

/// The first disk, in the machine's order, that may be written and is large enough.
pub(super) fn choose<'a>(disks: &'a [DiskInfo], task: &DeployTask) -> Result<&'a DiskInfo, StepError> {
    let image = disk_bytes(task);
    let fits = |disk: &&DiskInfo| !is_kept(disk, &task.keep_disks) && disk.size_bytes >= image;
    disks
        .iter()
        .find(fits)
        .ok_or_else(|| StepError::NoDisk { image, disks: describe(disks, &task.keep_disks) })
}

fn describe(disks: &[DiskInfo], keep: &[String]) -> String {
    let one = |disk: &DiskInfo| {
        let kept = if is_kept(disk, keep) { ", kept" } else { "" };
        format!("{} ({} bytes{kept})", disk.path, disk.size_bytes)
    };
    match disks {
        [] => "the machine has none".to_owned(),
        disks => disks.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

/// The deployed agent's own key never leaves this machine; its certificate is signed over this agent's session.
async fn identify(
    workshop: &Workshop,
    epoch: u64,
    hostname: String,
    ssh_keys: Vec<String>,
    watch: &Watch,
) -> Result<DeployedIdentity, StepError> {
    let KeyAndRequest { key, request, .. } = KeyAndRequest::generate()?;
    let certificate_chain = workshop.signer.sign(&request, &key, watch).await?;
    Ok(DeployedIdentity {
        controller: workshop.controllers.now(),
        controllers: workshop.controllers.others(),
        node: workshop.node.clone(),
        boot: workshop.boot.clone(),
        hostname,
        ca: workshop.ca.clone(),
        certificate_chain,
        key,
        time_ms: workshop.clock.now_ms(),
        epoch,
        ssh_keys,
    })
}
