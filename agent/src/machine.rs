//! The hardware as the agent sees it.

use crate::disk::{Disk, DiskInfo};
use crate::identity::DeployedIdentity;
use async_trait::async_trait;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// One machine: real hardware, or a simulation of it.
#[async_trait]
pub trait Machine: Send + Sync + 'static {
    /// As `uname -m` prints it: "x86_64", "aarch64" or "ppc64le".
    fn arch(&self) -> &str;

    /// What the machine is made of, apart from its disks.
    ///
    /// # Errors
    /// If the system's own records of it cannot be read.
    async fn inventory(&self) -> io::Result<Inventory>;

    /// Every disk of the machine, in the order in which the firmware tries them where that is known, else by path.
    ///
    /// # Errors
    /// If they cannot be listed. A disk about which nothing can be learnt is an error as well: it must not be forgotten
    /// by a wipe.
    async fn disks(&self) -> io::Result<Vec<DiskInfo>>;

    /// Opens one of [`Machine::disks`], for the agent alone.
    ///
    /// # Errors
    /// If it is in use, or gone.
    async fn open_disk(&self, disk: &DiskInfo) -> io::Result<Arc<dyn Disk>>;

    /// How busy the machine is now.
    fn load(&self) -> Load;

    /// How much a burn-in takes of the machine.
    fn burn_in(&self) -> BurnIn;

    /// Unix time in milliseconds by the machine's own clock, which may be wrong.
    fn now_ms(&self) -> u64;

    /// Sets the machine's own clock to this Unix time in milliseconds.
    ///
    /// # Errors
    /// If the system refuses.
    async fn set_clock(&self, unix_ms: u64) -> io::Result<()>;

    /// Opens a TCP connection.
    ///
    /// # Errors
    /// As `connect(2)`.
    async fn connect(&self, to: SocketAddr) -> io::Result<BoxedStream>;

    /// A directory of the deployed system that belongs to the agent alone. It survives restarts of that system, and
    /// not the next wipe.
    fn spool(&self) -> &Path;

    /// The environment that a payload begins with: `PATH` and the like.
    fn environment(&self) -> Vec<(String, String)>;

    /// Makes the system on this disk that node: has it fill the disk, and gives it its names, the keys of who may log
    /// in, and what its agent needs to speak to the controller. All of that has to survive restarts.
    ///
    /// # Errors
    /// If the disk has no system that this machine could start, or something could not be stored.
    async fn install(&self, disk: &DiskInfo, identity: &DeployedIdentity) -> io::Result<Installed>;

    /// Makes a system that is only in memory that node, and has it ready to be started by kexec. No disk is touched, and
    /// nothing of it survives a restart.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if no machine like this one could start it.
    async fn install_diskless(
        &self,
        system: DisklessSystem,
        identity: &DeployedIdentity,
    ) -> io::Result<Installed>;

    /// Has the firmware try the network first again, through the interface that this boot came by, where it keeps an
    /// order that a system can change. Installers put their own system before it.
    ///
    /// # Errors
    /// If the order cannot be read or written.
    async fn restore_boot_order(&self) -> io::Result<()> {
        Ok(())
    }

    /// Leaves the ramdisk for the deployed system, by kexec where that is possible and no `restart` through the
    /// firmware is asked for. On real hardware a success does not return; in a simulation the caller starts the
    /// deployed system when [`crate::run_ramdisk`] has returned [`crate::Exit::StartDeployed`].
    ///
    /// # Errors
    /// If the deployed system cannot be started; the ramdisk goes on running.
    async fn start_deployed(&self, restart: bool) -> io::Result<()>;

    /// Restarts the machine through its firmware. On real hardware a success does not return.
    ///
    /// # Errors
    /// If the system refuses.
    async fn reboot(&self) -> io::Result<()>;
}

/// What a machine starts that needs no disk.
#[derive(Debug)]
pub struct DisklessSystem {
    /// In memory, as it was fetched.
    pub kernel: File,
    /// In memory, as it was fetched; the whole system is in it.
    pub initrd: File,
    /// The kernel's command line.
    pub arguments: String,
}

/// What [`Machine::install`] made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// Public host keys of the deployed system, one "TYPE BASE64" each. None if it has no SSH server.
    pub ssh_host_keys: Vec<String>,
}

/// A connection to another machine.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + ?Sized> Stream for T {}

/// See [`Machine::connect`].
pub type BoxedStream = Box<dyn Stream>;

/// [`Machine::connect`] for a machine that is the host itself.
///
/// # Errors
/// As `connect(2)`.
pub async fn dial_tcp(to: SocketAddr) -> io::Result<BoxedStream> {
    let stream = tokio::net::TcpStream::connect(to).await?;
    // Heartbeats and short pieces of output should not wait for more.
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// What a machine is made of, apart from its disks. Texts are empty where the firmware does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Serial number of the system.
    pub serial: String,
    /// System UUID, lower case with hyphens.
    pub uuid: String,
    /// Who made it.
    pub manufacturer: String,
    /// What they call it.
    pub product: String,
    /// Logical processors.
    pub cpus: u32,
    /// Cores of all processors together; 0 if unknown.
    pub cpu_cores: u32,
    /// Processor packages; 0 if unknown.
    pub cpu_sockets: u32,
    /// As the processor calls itself.
    pub cpu_model: String,
    /// Memory that the system can use.
    pub memory_bytes: u64,
    /// Its Ethernet interfaces, by name.
    pub nics: Vec<Nic>,
    /// What started it: "bios", "uefi" or "openfirmware".
    pub firmware: String,
    /// The management controller that it reaches by itself, for people.
    pub bmc: String,
}

/// An Ethernet interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nic {
    /// As the system calls it.
    pub name: String,
    /// "aa:bb:cc:dd:ee:ff".
    pub mac: String,
    /// True if a carrier is seen.
    pub link: bool,
    /// Zero if unknown.
    pub speed_mbps: u32,
}

/// How much a burn-in takes of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurnIn {
    /// So much memory is written and read.
    pub memory_bytes: u64,
    /// So many processors compute at once.
    pub processors: u32,
    /// So long, and at least one round of some milliseconds.
    pub computing: Duration,
}

/// How busy a machine is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Load average over one minute.
    pub load1: f64,
    /// Memory that can be had without swapping.
    pub memory_available_bytes: u64,
    /// Since the system started.
    pub uptime_s: u64,
}
