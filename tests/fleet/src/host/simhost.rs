//! One simulated machine, as its agent sees it.

use super::disk::SimDisk;
use super::orders::{Order, Orders};
use super::spec::HostSpec;
use super::system::System;
use crate::network::Cable;
use async_trait::async_trait;
use hostler_agent::{
    BoxedStream, BurnIn, DeployedIdentity, Disk, DiskInfo, DisklessSystem, Installed, Inventory, Load,
    Machine, Nic,
};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The hardware of one machine. It exists whether the power is on or not.
///
/// A mainboard runs the agent over it: [`hostler_agent::run_ramdisk`] with what the firmware has loaded, and after
/// [`hostler_agent::Exit::StartDeployed`], or when the firmware boots the disk, [`hostler_agent::run_deployed`] with
/// [`SimHost::installed`]. To cut the power it drops that future and awaits [`SimHost::lose_power`].
#[derive(Debug)]
pub struct SimHost {
    spec: HostSpec,
    /// What the firmware tells, which may be wrong.
    serial: Mutex<String>,
    cable: Cable,
    disks: Vec<Arc<SimDisk>>,
    system: Arc<System>,
    orders: Orders,
    /// What the machine's clock is ahead of the real one, in milliseconds.
    clock_ahead_ms: AtomicI64,
    started: Mutex<Instant>,
    restarts: watch::Sender<u64>,
}

impl SimHost {
    /// The machine behind `cable`. Its disks are found as they were left, or made blank.
    ///
    /// # Errors
    /// If its directory cannot be used.
    pub fn new(spec: HostSpec, cable: Cable) -> io::Result<Self> {
        fs::create_dir_all(&spec.directory)?;
        let system = Arc::new(System::new(&spec.directory));
        let open =
            |(number, disk)| SimDisk::open(number, disk, &spec.directory, system.clone()).map(Arc::new);
        let disks = spec.disks.iter().enumerate().map(open).collect::<io::Result<_>>()?;
        Ok(Self {
            serial: Mutex::new(spec.serial.clone()),
            cable,
            disks,
            system,
            orders: Orders::new(&spec.directory)?,
            clock_ahead_ms: AtomicI64::new(0),
            started: Mutex::new(Instant::now()),
            restarts: watch::Sender::new(0),
            spec,
        })
    }

    /// Its disks, to break them.
    #[must_use]
    pub fn sim_disks(&self) -> &[Arc<SimDisk>] {
        &self.disks
    }

    /// Has the firmware tell another serial number: somebody changed the mainboard, or the wiring.
    pub fn set_serial(&self, serial: &str) {
        serial.clone_into(&mut self.serial.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Makes the machine's clock wrong by so many milliseconds.
    pub fn set_clock_ahead(&self, milliseconds: i64) {
        self.clock_ahead_ms.store(milliseconds, Ordering::Relaxed);
    }

    /// What the deployed system has, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn installed(&self) -> io::Result<Option<DeployedIdentity>> {
        self.system.installed()
    }

    /// Counts the restarts that software has asked for.
    #[must_use]
    pub fn restarts(&self) -> watch::Receiver<u64> {
        self.restarts.subscribe()
    }

    /// What a payload orders next: `reboot`, `poweroff` and the like in its `PATH` are those of this machine.
    ///
    /// # Errors
    /// If its directory cannot be used.
    pub async fn order(&self) -> io::Result<Order> {
        self.orders.next().await
    }

    /// To be awaited after everything that ran on the machine was dropped: what the disks have under way ends, and
    /// nothing comes after it.
    pub async fn lose_power(&self) {
        for disk in &self.disks {
            disk.settle().await;
        }
        if let Err(error) = self.system.lose_memory() {
            tracing::error!("a system that was in memory stays: {error}");
        }
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn real_ms() -> i64 {
        let now = clock_gettime(ClockId::Realtime);
        now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
    }
}

#[async_trait]
impl Machine for SimHost {
    fn arch(&self) -> &str {
        &self.spec.arch
    }

    async fn inventory(&self) -> io::Result<Inventory> {
        let nic = |(number, mac): (usize, &String)| Nic {
            name: format!("eth{number}"),
            mac: mac.clone(),
            link: number == 0 && !self.cable.is_cut(),
            speed_mbps: if number == 0 { 10_000 } else { 0 },
        };
        Ok(Inventory {
            serial: self.serial.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            uuid: self.spec.uuid.clone(),
            manufacturer: "Hostler".to_owned(),
            product: format!("Simulated {}", self.spec.arch),
            cpus: self.spec.cpus,
            cpu_cores: self.spec.cpus / 2,
            cpu_sockets: 1,
            cpu_model: format!("Simulated {} processor", self.spec.arch),
            memory_bytes: self.spec.memory_bytes,
            nics: self.spec.macs.iter().enumerate().map(nic).collect(),
            ..Inventory::default()
        })
    }

    async fn disks(&self) -> io::Result<Vec<DiskInfo>> {
        Ok(self.disks.iter().filter(|disk| !disk.is_absent()).map(|disk| disk.info().clone()).collect())
    }

    async fn open_disk(&self, disk: &DiskInfo) -> io::Result<Arc<dyn Disk>> {
        let found = self.disks.iter().find(|known| known.info().path == disk.path);
        found.map(|found| found.clone() as Arc<dyn Disk>).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn load(&self) -> Load {
        Load {
            load1: 0.0,
            memory_available_bytes: self.spec.memory_bytes / 2,
            uptime_s: self.started.lock().unwrap_or_else(PoisonError::into_inner).elapsed().as_secs(),
        }
    }

    /// Little: hundreds of machines share one host.
    fn burn_in(&self) -> BurnIn {
        BurnIn { memory_bytes: 1 << 16, processors: 1, computing: Duration::ZERO }
    }

    fn now_ms(&self) -> u64 {
        let now = Self::real_ms().saturating_add(self.clock_ahead_ms.load(Ordering::Relaxed));
        u64::try_from(now).unwrap_or_default()
    }

    async fn set_clock(&self, unix_ms: u64) -> io::Result<()> {
        let unix_ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
        self.set_clock_ahead(unix_ms.saturating_sub(Self::real_ms()));
        Ok(())
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<BoxedStream> {
        Ok(Box::new(self.cable.connect(to).await?))
    }

    fn spool(&self) -> &Path {
        self.system.spool()
    }

    fn environment(&self) -> Vec<(String, String)> {
        let home = self.spec.directory.to_string_lossy().into_owned();
        let programs = self.orders.programs().to_string_lossy();
        let path = format!("{programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        [("PATH", path.as_str()), ("HOME", home.as_str()), ("LANG", "C.UTF-8")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    async fn install(&self, _disk: &DiskInfo, identity: &DeployedIdentity) -> io::Result<Installed> {
        self.system.install(identity)?;
        Ok(Installed::default())
    }

    async fn install_diskless(
        &self,
        _system: DisklessSystem,
        identity: &DeployedIdentity,
    ) -> io::Result<Installed> {
        self.system.install_in_memory(identity)?;
        Ok(Installed::default())
    }

    async fn start_deployed(&self, restart: bool) -> io::Result<()> {
        match self.system.installed()? {
            Some(_) if restart && self.system.is_in_memory() => Err(io::Error::other(
                "it is in memory only, and would be lost on the way through the firmware",
            )),
            Some(_) if restart => {
                self.reboot().await?;
                // As on real hardware: whoever asked is gone before there is an answer.
                std::future::pending().await
            }
            Some(_) => Ok(()),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "no disk begins with a system")),
        }
    }

    async fn reboot(&self) -> io::Result<()> {
        self.restarts.send_modify(|restarts| *restarts += 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn host(directory: &Path) -> SimHost {
        let spec = HostSpec::new("aarch64", "SN-1", "uuid", "52:54:00:00:00:01", directory.to_owned());
        SimHost::new(spec, Cable::new([127, 63, 0, 1].into())).unwrap()
    }

    fn identity() -> DeployedIdentity {
        DeployedIdentity {
            controller: "https://127.0.0.1:1".parse().unwrap(),
            controllers: Vec::new(),
            node: "n1".into(),
            boot: "1".into(),
            hostname: "n1".into(),
            ca: "ca".into(),
            certificate_chain: "chain".into(),
            key: "key".to_owned().into(),
            time_ms: 1,
            epoch: 1,
            ssh_keys: Vec::new(),
        }
    }

    async fn install(host: &SimHost) -> io::Result<Installed> {
        host.install(&host.disks().await?[0], &identity()).await
    }

    async fn disk(host: &SimHost) -> Arc<dyn Disk> {
        host.open_disk(&host.disks().await.unwrap()[0]).await.unwrap()
    }

    #[tokio::test]
    async fn a_deployed_system_survives_a_loss_of_power_and_not_a_wipe() {
        let directory = tempfile::tempdir().unwrap();
        let before = host(directory.path());
        assert!(install(&before).await.is_err());
        disk(&before).await.write_at(0, Bytes::from_static(b"boot sector")).await.unwrap();
        install(&before).await.unwrap();
        before.start_deployed(false).await.unwrap();
        fs::write(before.spool().join("kept"), "output").unwrap();
        before.lose_power().await;
        drop(before);

        let after = host(directory.path());
        assert_eq!(after.installed().unwrap(), Some(identity()));
        assert!(after.spool().join("kept").exists());
        let disk = disk(&after).await;
        disk.discard(1 << 20..1 << 30).await.unwrap();
        assert!(after.installed().unwrap().is_some());
        disk.discard(0..1 << 20).await.unwrap();
        assert_eq!(after.installed().unwrap(), None);
        assert!(!after.spool().exists());
        assert!(after.start_deployed(false).await.is_err());
    }

    #[tokio::test]
    async fn a_system_in_memory_needs_no_disk_and_is_gone_with_the_power() {
        let directory = tempfile::tempdir().unwrap();
        let host = host(directory.path());
        let file = || tempfile::tempfile().unwrap();
        let system = DisklessSystem { kernel: file(), initrd: file(), arguments: String::new() };
        host.install_diskless(system, &identity()).await.unwrap();
        assert!(host.start_deployed(true).await.is_err());
        host.start_deployed(false).await.unwrap();
        assert_eq!(host.installed().unwrap(), Some(identity()));
        fs::write(host.spool().join("kept"), "output").unwrap();
        host.lose_power().await;
        assert_eq!(host.installed().unwrap(), None);
        assert!(!host.spool().exists());
    }

    #[tokio::test]
    async fn a_deployed_system_may_be_started_through_the_firmware() {
        let directory = tempfile::tempdir().unwrap();
        let host = host(directory.path());
        disk(&host).await.write_at(0, Bytes::from_static(b"boot sector")).await.unwrap();
        install(&host).await.unwrap();
        let mut restarts = host.restarts();
        tokio::select! {
            started = host.start_deployed(true) => panic!("{started:?}"),
            changed = restarts.changed() => changed.unwrap(),
        }
        assert_eq!(*restarts.borrow(), 1);
    }

    #[tokio::test]
    async fn a_new_image_replaces_the_system_that_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let host = host(directory.path());
        let disk = disk(&host).await;
        disk.write_at(0, Bytes::from_static(b"old")).await.unwrap();
        install(&host).await.unwrap();
        disk.write_at(0, Bytes::from_static(b"new")).await.unwrap();
        assert_eq!(host.installed().unwrap(), None);
    }

    #[tokio::test]
    async fn the_firmware_may_lie_and_the_clock_may_be_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let host = host(directory.path());
        assert_eq!(host.inventory().await.unwrap().serial, "SN-1");
        host.set_serial("SN-2");
        let inventory = host.inventory().await.unwrap();
        assert_eq!((inventory.serial.as_str(), inventory.nics[0].link), ("SN-2", true));
        host.set_clock_ahead(i64::MIN);
        assert_eq!(host.now_ms(), 0);
        host.set_clock(4_000_000_000_000).await.unwrap();
        assert!((4_000_000_000_000..4_000_000_100_000).contains(&host.now_ms()));
    }
}
