//! What `Machine` asks, answered by the system.

use super::deploy::{InstallError, Prepared};
use super::{boot_order, deploy, disks, inventory, passthrough, users};
use crate::disk::{Disk, DiskInfo, FileDisk};
use crate::identity::DeployedIdentity;
use crate::machine::{BoxedStream, DisklessSystem, Installed, Inventory, Load, Machine, dial_tcp};
use async_trait::async_trait;
use rustix::fs::OFlags;
use rustix::system::RebootCommand;
use rustix::time::{ClockId, Timespec};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The machine that this process runs on.
#[derive(Debug)]
pub struct LinuxMachine {
    root: PathBuf,
    spool: PathBuf,
    /// The kernel of the deployed system waits for the restart of this one.
    kernel_loaded: AtomicBool,
    /// The deployed system is nowhere else than there.
    diskless: AtomicBool,
}

impl LinuxMachine {
    /// With the agent's own directory in the deployed system.
    #[must_use]
    pub fn new(spool: PathBuf) -> Self {
        let root = PathBuf::from("/");
        Self { root, spool, kernel_loaded: AtomicBool::new(false), diskless: AtomicBool::new(false) }
    }
}

impl LinuxMachine {
    /// Has a system ready to be started.
    async fn prepare(
        &self,
        diskless: bool,
        install: impl FnOnce() -> Result<Prepared, InstallError> + Send + 'static,
    ) -> io::Result<Installed> {
        // Whatever was loaded before belongs to an image that is gone.
        self.kernel_loaded.store(false, Ordering::Relaxed);
        self.diskless.store(diskless, Ordering::Relaxed);
        let installed = tokio::task::spawn_blocking(install).await.map_err(io::Error::other)?;
        let prepared = installed.map_err(|error| io::Error::new(error.kind(), error))?;
        self.kernel_loaded.store(prepared.kernel_loaded, Ordering::Relaxed);
        Ok(Installed { ssh_host_keys: prepared.ssh_host_keys })
    }
}

fn open_disk(root: &Path, info: DiskInfo) -> io::Result<FileDisk> {
    let path = PathBuf::from(&info.path);
    // For a block device EXCL means that nobody else has it: no mount, no RAID, no swap.
    let exclusive = OFlags::EXCL.bits().cast_signed();
    let file = File::options().read(true).write(true).custom_flags(exclusive).open(&path);
    let file = file.map_err(|error| users::explain(root, &path, error))?;
    // The kernel's own ways to erase are there without it.
    let passthrough = passthrough::open(&path, &file).unwrap_or_else(|error| {
        tracing::warn!(disk = info.path, "takes no commands for itself: {error}");
        None
    });
    Ok(FileDisk::new(info, file).with_passthrough(passthrough))
}

#[async_trait]
impl Machine for LinuxMachine {
    fn arch(&self) -> &str {
        super::machine_arch()
    }

    async fn inventory(&self) -> io::Result<Inventory> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || inventory::read(&root)).await.map_err(io::Error::other)
    }

    async fn disks(&self) -> io::Result<Vec<DiskInfo>> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || disks::list(&root)).await.map_err(io::Error::other)?
    }

    async fn open_disk(&self, disk: &DiskInfo) -> io::Result<Arc<dyn Disk>> {
        let info = disk.clone();
        let root = self.root.clone();
        let open = move || open_disk(&root, info).map(|disk| Arc::new(disk) as Arc<dyn Disk>);
        tokio::task::spawn_blocking(open).await.map_err(io::Error::other)?
    }

    fn load(&self) -> Load {
        inventory::load(&self.root)
    }

    fn now_ms(&self) -> u64 {
        let now = rustix::time::clock_gettime(ClockId::Realtime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let milliseconds = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or_default();
        seconds.saturating_mul(1000).saturating_add(milliseconds)
    }

    async fn set_clock(&self, unix_ms: u64) -> io::Result<()> {
        let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
        let nanoseconds = i64::try_from(unix_ms % 1000 * 1_000_000).unwrap_or_default();
        rustix::time::clock_settime(ClockId::Realtime, Timespec { tv_sec: seconds, tv_nsec: nanoseconds })?;
        Ok(())
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<BoxedStream> {
        dial_tcp(to).await
    }

    fn spool(&self) -> &Path {
        &self.spool
    }

    fn environment(&self) -> Vec<(String, String)> {
        [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("USER", "root"),
            ("LANG", "C.UTF-8"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    async fn install(&self, disk: &DiskInfo, identity: &DeployedIdentity) -> io::Result<Installed> {
        let (path, identity) = (disk.path.clone(), identity.clone());
        self.prepare(false, move || deploy::install(&path, &identity)).await
    }

    async fn install_diskless(
        &self,
        system: DisklessSystem,
        identity: &DeployedIdentity,
    ) -> io::Result<Installed> {
        let identity = identity.clone();
        self.prepare(true, move || deploy::diskless::install(system, &identity)).await
    }

    async fn restore_boot_order(&self) -> io::Result<()> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || boot_order::restore(&root)).await.map_err(io::Error::other)?
    }

    async fn start_deployed(&self, restart: bool) -> io::Result<()> {
        let diskless = self.diskless.load(Ordering::Relaxed);
        if diskless && restart {
            return Err(io::Error::other(
                "it is in memory only, and would be lost on the way through the firmware",
            ));
        }
        if !restart && self.kernel_loaded.load(Ordering::Relaxed) {
            rustix::fs::sync();
            tracing::info!("starts the deployed system");
            match rustix::system::reboot(RebootCommand::Kexec) {
                Err(error) if diskless => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(
                        "cannot start the kernel that is loaded: {error}; goes through the firmware"
                    );
                }
                Ok(()) => {}
            }
        }
        self.reboot().await
    }

    async fn reboot(&self) -> io::Result<()> {
        rustix::fs::sync();
        rustix::system::reboot(RebootCommand::Restart)?;
        Ok(())
    }
}
