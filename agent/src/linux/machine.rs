//! What `Machine` asks, answered by the system.

use super::deploy::{InstallError, Prepared};
use super::init::Search;
use super::{boot_order, deploy, disks, inventory, passthrough, users};
use crate::disk::{Disk, DiskInfo, FileDisk};
use crate::identity::DeployedIdentity;
use crate::machine::{BoxedStream, BurnIn, DisklessSystem, Installed, Inventory, Load, Machine, dial_tcp};
use crate::params::Mac;
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
use std::time::Duration;

/// Memory that a burn-in writes and reads at most: some seconds of it.
const MOST_MEMORY: u64 = 1 << 30;

/// How long a burn-in has the processors compute, fast ones and slow ones.
const COMPUTING: Duration = Duration::from_secs(30);

/// How long it is waited for drivers when disks are asked for; less than the controller waits for an inspection, so that
/// it hears what is the matter.
const DRIVERS: Duration = Duration::from_secs(180);

/// The machine that this process runs on.
#[derive(Debug)]
pub struct LinuxMachine {
    root: PathBuf,
    spool: PathBuf,
    /// The kernel of the deployed system waits for the restart of this one.
    kernel_loaded: AtomicBool,
    /// The deployed system is nowhere else than there.
    diskless: AtomicBool,
    /// Of the interface that it was booted through, where that is known.
    boot: Option<Mac>,
    /// Of drivers for this machine's devices, where that is the agent's business.
    search: Option<Search>,
}

impl LinuxMachine {
    /// With the agent's own directory in the deployed system.
    #[must_use]
    pub fn new(spool: PathBuf) -> Self {
        Self {
            root: PathBuf::from("/"),
            spool,
            kernel_loaded: AtomicBool::new(false),
            diskless: AtomicBool::new(false),
            boot: None,
            search: None,
        }
    }

    /// Booted through the interface of this address.
    #[must_use]
    pub fn booted_through(self, mac: Mac) -> Self {
        Self { boot: Some(mac), ..self }
    }

    /// Says nothing of disks before this search is over.
    #[must_use]
    pub fn after(self, search: Search) -> Self {
        Self { search: Some(search), ..self }
    }

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

/// A disk that a driver has yet to find must not be missed by an inspection or a wipe.
fn must_be_quiet(search: &Search, bound: Duration) -> io::Result<()> {
    match search.wait(bound) {
        Ok(true) => Ok(()),
        Ok(false) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "drivers are still looking for devices, so there may be more disks than are seen",
        )),
        Err(ended) => Err(io::Error::other(ended)),
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
        let (root, search) = (self.root.clone(), self.search.clone());
        let list = move || {
            search.map_or(Ok(()), |search| must_be_quiet(&search, DRIVERS))?;
            disks::list(&root)
        };
        tokio::task::spawn_blocking(list).await.map_err(io::Error::other)?
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

    fn burn_in(&self) -> BurnIn {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        BurnIn {
            memory_bytes: (self.load().memory_available_bytes / 2).min(MOST_MEMORY),
            processors: u32::try_from(processors).unwrap_or(1),
            computing: COMPUTING,
        }
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
        let (root, boot) = (self.root.clone(), self.boot);
        tokio::task::spawn_blocking(move || boot_order::restore(&root, boot))
            .await
            .map_err(io::Error::other)?
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn disks_are_not_listed_before_their_drivers_are_loaded() {
        let (told, search) = Search::new();
        let error = must_be_quiet(&search, Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(told);
        let machine = LinuxMachine::new(PathBuf::from("/run")).after(search);
        let error = machine.disks().await.unwrap_err().to_string();
        assert!(error.starts_with("the search for devices has ended before all were found"), "{error}");
    }
}
