//! Passing commands to disks through the kernel.

use crate::device::Passthrough;
use crate::device::nvme::{AdminAnswer, AdminCommand, Nvme};
use crate::device::scsi::{Scsi, ScsiAnswer, ScsiCommand, Transfer};
use async_trait::async_trait;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What the driver of an open disk passes on, by the disk's name: virtio and eMMC disks pass nothing.
pub(super) fn open(path: &Path, file: &File) -> io::Result<Option<Passthrough>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with("nvme") {
        let namespace = hostler_sys::nvme::namespace_id(file)?;
        let file = Arc::new(file.try_clone()?);
        Ok(Some(Passthrough::Nvme(Arc::new(NvmeDisk { file, namespace }))))
    } else if name.starts_with("sd") {
        let file = Arc::new(file.try_clone()?);
        Ok(Some(Passthrough::Scsi(Arc::new(ScsiDisk { file }))))
    } else {
        Ok(None)
    }
}

struct NvmeDisk {
    file: Arc<File>,
    namespace: u32,
}

#[async_trait]
impl Nvme for NvmeDisk {
    fn namespace(&self) -> u32 {
        self.namespace
    }

    async fn admin(&self, command: AdminCommand) -> io::Result<AdminAnswer> {
        let AdminCommand { opcode, namespace, cdw10_to_15, read, timeout } = command;
        let raw = hostler_sys::nvme::AdminCommand { opcode, namespace, cdw10_to_15, timeout };
        let file = self.file.clone();
        blocking(move || {
            let mut data = vec![0; read];
            let completion = hostler_sys::nvme::admin(&file, &raw, &mut data)?;
            Ok(AdminAnswer { status: completion.status, data })
        })
        .await
    }
}

struct ScsiDisk {
    file: Arc<File>,
}

#[async_trait]
impl Scsi for ScsiDisk {
    async fn execute(&self, command: ScsiCommand) -> io::Result<ScsiAnswer> {
        let file = self.file.clone();
        blocking(move || execute(&file, command)).await
    }
}

fn execute(file: &File, command: ScsiCommand) -> io::Result<ScsiAnswer> {
    use hostler_sys::scsi::{Data, execute};
    let ScsiCommand { cdb, transfer, timeout } = command;
    let mut room = match transfer {
        Transfer::Read(length) => vec![0; length],
        Transfer::None | Transfer::Write(_) => Vec::new(),
    };
    let data = match &transfer {
        Transfer::None => Data::None,
        Transfer::Read(_) => Data::Read(&mut room),
        Transfer::Write(data) => Data::Write(data),
    };
    let completion = execute(file, &cdb, data, timeout)?;
    room.truncate(completion.transferred);
    Ok(ScsiAnswer { status: completion.status, sense: completion.sense, data: room })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
