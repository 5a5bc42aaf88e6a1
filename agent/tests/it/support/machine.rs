//! A machine whose disks are files in a temporary directory.

use super::faulty::{Behaviour, FaultyDisk};
use super::recorded::{Effect, Recorded};
use async_trait::async_trait;
use hostler_agent::{
    BoxedStream, BurnIn, DeployedIdentity, Disk, DiskInfo, DisklessSystem, FileDisk, Installed, Inventory,
    Load, Machine, Nic, dial_tcp,
};
use hostler_proto::agent::v1::{InspectedDisk, WipeTask};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the deployed system's SSH server is said to have.
pub(crate) const HOST_KEY: &str = "ssh-ed25519 AAAAC3Nz";

/// Kernel, ramdisk and arguments of a system in memory.
pub(crate) type InMemory = (Vec<u8>, Vec<u8>, String);

pub(crate) struct TestMachine {
    directory: tempfile::TempDir,
    spool: PathBuf,
    disks: Mutex<Vec<DiskInfo>>,
    /// Of disks that do not do what they say, by serial number.
    pub(crate) behaviours: Mutex<BTreeMap<String, Behaviour>>,
    /// What takes commands for the disks themselves, by serial number.
    devices: Mutex<BTreeMap<String, Recorded>>,
    /// How often the kernel was asked for partitions.
    pub(crate) reread: Arc<AtomicU32>,
    /// How often the network was put first in the firmware's boot order.
    pub(crate) boot_order: AtomicU32,
    /// Each disk that was opened, by path.
    pub(crate) opened: Mutex<Vec<String>>,
    pub(crate) installed: Mutex<Option<DeployedIdentity>>,
    pub(crate) diskless: Mutex<Option<InMemory>>,
    pub(crate) memory_available_bytes: AtomicU64,
    /// Serial number of the disk.
    pub(crate) installed_on: Mutex<String>,
    /// Whether the deployed system was to start through the firmware, once it was started.
    pub(crate) restarted: Mutex<Option<bool>>,
    pub(crate) clock_ms: Mutex<u64>,
}

impl TestMachine {
    /// With no disk, and a clock that stands at the beginning of 1970.
    pub(crate) fn new() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        Arc::new(Self {
            spool: directory.path().join("spool"),
            directory,
            disks: Mutex::default(),
            behaviours: Mutex::default(),
            devices: Mutex::default(),
            reread: Arc::default(),
            boot_order: AtomicU32::default(),
            opened: Mutex::default(),
            installed: Mutex::default(),
            diskless: Mutex::default(),
            memory_available_bytes: AtomicU64::new(1 << 30),
            installed_on: Mutex::default(),
            restarted: Mutex::default(),
            clock_ms: Mutex::new(0),
        })
    }

    /// Adds a blank disk; the serial number is its name as well.
    pub(crate) fn add_disk(&self, serial: &str, size_bytes: u64, remote: bool) {
        let path = self.directory.path().join(serial);
        File::create(&path).unwrap().set_len(size_bytes).unwrap();
        self.disks.lock().unwrap().push(DiskInfo {
            path: path.to_str().unwrap().to_owned(),
            serial: serial.to_owned(),
            model: "File".to_owned(),
            size_bytes,
            rotational: false,
            remote,
        });
    }

    /// The local disks, as an inspection now would find them.
    pub(crate) fn inspected(&self) -> Vec<InspectedDisk> {
        let disks = self.disks.lock().unwrap();
        let inspected = |disk: &DiskInfo| InspectedDisk {
            path: disk.path.clone(),
            serial: disk.serial.clone(),
            size_bytes: disk.size_bytes,
        };
        disks.iter().filter(|disk| !disk.remote).map(inspected).collect()
    }

    /// To wipe all of them.
    pub(crate) fn wipe(&self) -> WipeTask {
        WipeTask { inspected: self.inspected(), ..WipeTask::default() }
    }

    /// Has a device with a recorded conversation behind a disk.
    pub(crate) fn record(&self, serial: &str, device: &Recorded) {
        let path = self.disk_path(serial);
        device.on_effect(move |effect| {
            let file = File::options().write(true).open(&path).unwrap();
            let size = file.metadata().unwrap().len();
            match effect {
                Effect::Erases => {
                    file.set_len(0).unwrap();
                    file.set_len(size).unwrap();
                }
                Effect::Scrambles => file.write_all_at(&vec![0xa5; size as usize], 0).unwrap(),
            }
        });
        self.devices.lock().unwrap().insert(serial.to_owned(), device.clone());
    }

    pub(crate) fn resize_disk(&self, serial: &str, size_bytes: u64) {
        let mut disks = self.disks.lock().unwrap();
        let disk = disks.iter_mut().find(|disk| disk.serial == serial).unwrap();
        disk.size_bytes = size_bytes;
    }

    pub(crate) fn disk_path(&self, serial: &str) -> PathBuf {
        self.directory.path().join(serial)
    }

    /// Leaves something on a disk.
    pub(crate) fn soil(&self, serial: &str, offset: u64, data: &[u8]) {
        let file = File::options().write(true).open(self.disk_path(serial)).unwrap();
        file.write_all_at(data, offset).unwrap();
    }

    pub(crate) fn read(&self, serial: &str, offset: u64, length: usize) -> Vec<u8> {
        let mut data = vec![0; length];
        File::open(self.disk_path(serial)).unwrap().read_exact_at(&mut data, offset).unwrap();
        data
    }

    /// The working directory of a run.
    pub(crate) fn work(&self, run_id: u32) -> PathBuf {
        self.spool.join(format!("runs/{run_id}/work"))
    }
}

#[async_trait]
impl Machine for TestMachine {
    fn arch(&self) -> &str {
        "x86_64"
    }

    async fn inventory(&self) -> io::Result<Inventory> {
        let nic = Nic { name: "eth0".into(), mac: "52:54:00:12:34:56".into(), link: true, speed_mbps: 1000 };
        Ok(Inventory { serial: "SN-1".into(), cpus: 2, nics: vec![nic], ..Inventory::default() })
    }

    async fn disks(&self) -> io::Result<Vec<DiskInfo>> {
        Ok(self.disks.lock().unwrap().clone())
    }

    async fn open_disk(&self, disk: &DiskInfo) -> io::Result<Arc<dyn Disk>> {
        self.opened.lock().unwrap().push(disk.path.clone());
        let file = File::options().read(true).write(true).open(&disk.path)?;
        let behaviour = self.behaviours.lock().unwrap().get(&disk.serial).copied().unwrap_or_default();
        let passthrough = self.devices.lock().unwrap().get(&disk.serial).map(Recorded::passthrough);
        let disk = FileDisk::new(disk.clone(), file).with_passthrough(passthrough);
        Ok(Arc::new(FaultyDisk { disk, behaviour, reread: self.reread.clone() }))
    }

    fn load(&self) -> Load {
        Load {
            load1: 0.5,
            memory_available_bytes: self.memory_available_bytes.load(Ordering::Relaxed),
            uptime_s: 60,
        }
    }

    fn burn_in(&self) -> BurnIn {
        BurnIn { memory_bytes: 1 << 20, processors: 2, computing: Duration::ZERO }
    }

    fn now_ms(&self) -> u64 {
        *self.clock_ms.lock().unwrap()
    }

    async fn set_clock(&self, unix_ms: u64) -> io::Result<()> {
        *self.clock_ms.lock().unwrap() = unix_ms;
        Ok(())
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<BoxedStream> {
        dial_tcp(to).await
    }

    fn spool(&self) -> &Path {
        &self.spool
    }

    fn environment(&self) -> Vec<(String, String)> {
        vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned()), ("OWN".to_owned(), "machine".to_owned())]
    }

    async fn install(&self, disk: &DiskInfo, identity: &DeployedIdentity) -> io::Result<Installed> {
        *self.installed.lock().unwrap() = Some(identity.clone());
        *self.installed_on.lock().unwrap() = disk.serial.clone();
        Ok(Installed { ssh_host_keys: vec![HOST_KEY.to_owned()] })
    }

    async fn install_diskless(
        &self,
        mut system: DisklessSystem,
        identity: &DeployedIdentity,
    ) -> io::Result<Installed> {
        let mut halves = (Vec::new(), Vec::new());
        for (file, bytes) in [(&mut system.kernel, &mut halves.0), (&mut system.initrd, &mut halves.1)] {
            file.rewind()?;
            file.read_to_end(bytes)?;
        }
        *self.diskless.lock().unwrap() = Some((halves.0, halves.1, system.arguments));
        *self.installed.lock().unwrap() = Some(identity.clone());
        Ok(Installed { ssh_host_keys: vec![HOST_KEY.to_owned()] })
    }

    async fn restore_boot_order(&self) -> io::Result<()> {
        self.boot_order.fetch_add(1, Ordering::Relaxed);
        Err(io::Error::other("the firmware has no room for it"))
    }

    async fn start_deployed(&self, restart: bool) -> io::Result<()> {
        *self.restarted.lock().unwrap() = Some(restart);
        match &*self.installed.lock().unwrap() {
            Some(_) => Ok(()),
            None => Err(io::Error::other("nothing is installed")),
        }
    }

    async fn reboot(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
