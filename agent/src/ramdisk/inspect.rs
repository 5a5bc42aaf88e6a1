//! The task Inspect: what the machine is, and whether its disks are blank.

use super::readback::ReadBack;
use super::task::{StepError, Watch, Workshop};
use crate::device;
use crate::disk::{Disk, DiskInfo};
use crate::error::chain;
use crate::machine;
use crate::random::Sequence;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hostler_proto::agent::v1::{Disk as DiskReport, Inspected, Inventory, Nic};

/// Disks that are read at the same time.
const PARALLEL: usize = 8;

pub(crate) async fn inspect(workshop: &Workshop, id: u64, watch: &Watch) -> Result<Inspected, StepError> {
    let found = workshop.machine.inventory().await.map_err(StepError::Inventory)?;
    let disks = workshop.machine.disks().await.map_err(StepError::Disks)?;
    let disks = stream::iter(disks)
        .map(|disk| inspect_disk(disk, workshop, watch))
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    Ok(Inspected { task_id: id, inventory: Some(report(found, disks)) })
}

async fn inspect_disk(info: DiskInfo, workshop: &Workshop, watch: &Watch) -> Result<DiskReport, StepError> {
    let (blank, health) = match workshop.machine.open_disk(&info).await {
        Ok(disk) => (is_blank(disk.as_ref(), watch).await?, health(disk.as_ref()).await),
        Err(error) => {
            tracing::warn!(disk = info.path, "cannot be opened: {error}");
            (false, String::new())
        }
    };
    Ok(DiskReport {
        path: info.path,
        serial: info.serial,
        model: info.model,
        size_bytes: info.size_bytes,
        rotational: info.rotational,
        blank,
        remote: info.remote,
        health,
    })
}

async fn health(disk: &dyn Disk) -> String {
    match disk.passthrough() {
        Some(device) => device::health(&device).await,
        None => String::new(),
    }
}

async fn is_blank(disk: &dyn Disk, watch: &Watch) -> Result<bool, StepError> {
    let plan = ReadBack::plan(disk.info().size_bytes, &[], &mut Sequence::unpredictable());
    watch.expect(plan.bytes());
    let read = plan.check(disk, watch).await?;
    if let Err(unclean) = &read {
        tracing::info!(disk = disk.info().path, "not blank: {}", chain(unclean));
    }
    Ok(read.is_ok())
}

fn report(found: machine::Inventory, disks: Vec<DiskReport>) -> Inventory {
    let nic =
        |nic: machine::Nic| Nic { name: nic.name, mac: nic.mac, link: nic.link, speed_mbps: nic.speed_mbps };
    Inventory {
        serial: found.serial,
        uuid: found.uuid,
        manufacturer: found.manufacturer,
        product: found.product,
        cpus: found.cpus,
        cpu_cores: found.cpu_cores,
        cpu_sockets: found.cpu_sockets,
        cpu_model: found.cpu_model,
        memory_bytes: found.memory_bytes,
        disks,
        nics: found.nics.into_iter().map(nic).collect(),
        firmware: found.firmware,
        bmc: found.bmc,
    }
}
