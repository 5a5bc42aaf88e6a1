//! Keeping an image in memory while it is being fetched.

use super::image::{Image, ImageError, Sink, fetch};
use super::task::Watch;
use crate::machine::{DisklessSystem, Machine};
use bytes::Bytes;
use hostler_proto::agent::v1::DeployDisklessTask;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};

/// How often kernel and ramdisk are in memory until they run: as they were fetched, as they are handed to the kernel,
/// and as that keeps them for kexec. The controller chooses machines by the same.
const COPIES: u64 = 3;

/// Fetches a kernel and a ramdisk. They count only with the right size and digest.
pub(crate) async fn keep_image(
    machine: &dyn Machine,
    task: &DeployDisklessTask,
    watch: &Watch,
) -> Result<DisklessSystem, ImageError> {
    let image = Image::plain(&task.url, &task.sha256, task.size_bytes)?;
    let (needed, available) = (task.size_bytes.saturating_mul(COPIES), machine.load().memory_available_bytes);
    if needed > available {
        return Err(ImageError::NoMemory { size: task.size_bytes, needed, available });
    }
    let mut halves = Halves::new(task.kernel_bytes).map_err(ImageError::Memory)?;
    fetch(machine, &image, &mut halves, watch).await?;
    Ok(DisklessSystem { kernel: halves.kernel, initrd: halves.initrd, arguments: task.arguments.clone() })
}

/// Files that no file system has.
struct Halves {
    kernel: File,
    initrd: File,
    kernel_bytes: u64,
    /// What is still to come of the kernel.
    left: u64,
}

impl Halves {
    fn new(kernel_bytes: u64) -> io::Result<Self> {
        let create = |name: &str| Ok::<_, io::Error>(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?));
        Ok(Self { kernel: create("kernel")?, initrd: create("initrd")?, kernel_bytes, left: kernel_bytes })
    }

    fn write(&mut self, mut data: Bytes) -> io::Result<()> {
        let kernel = data.split_to(usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len()));
        self.kernel.write_all(&kernel)?;
        self.left -= kernel.len() as u64;
        self.initrd.write_all(&data)
    }

    fn empty(&mut self) -> io::Result<()> {
        for half in [&mut self.kernel, &mut self.initrd] {
            half.set_len(0)?;
            half.rewind()?;
        }
        self.left = self.kernel_bytes;
        Ok(())
    }
}

impl Sink for Halves {
    async fn begin(&mut self) -> Result<(), ImageError> {
        self.empty().map_err(ImageError::Memory)
    }

    async fn push(&mut self, data: Bytes) -> Result<(), ImageError> {
        self.write(data).map_err(ImageError::Memory)
    }

    async fn finish(&mut self) -> Result<(), ImageError> {
        Ok(())
    }
}
