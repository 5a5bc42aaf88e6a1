//! What a simulated machine is made of.

use std::path::PathBuf;

/// One machine.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// As `uname -m` prints it.
    pub arch: String,
    /// Serial number of the system.
    pub serial: String,
    /// System UUID, lower case with hyphens.
    pub uuid: String,
    /// Of its interfaces, "aa:bb:cc:dd:ee:ff"; the first has the cable.
    pub macs: Vec<String>,
    /// Logical processors.
    pub cpus: u32,
    /// In bytes.
    pub memory_bytes: u64,
    /// In the order in which the firmware tries them.
    pub disks: Vec<DiskSpec>,
    /// Where the disks' files and the deployed system's are. Of this machine alone.
    pub directory: PathBuf,
}

/// One disk.
#[derive(Clone, Debug)]
pub struct DiskSpec {
    /// Serial number.
    pub serial: String,
    /// What it holds; nothing is allocated for it.
    pub size_bytes: u64,
    /// Of another machine, or with several paths.
    pub remote: bool,
}

impl HostSpec {
    /// A machine with four processors, 8 GiB of memory and one blank disk of 1 GiB.
    #[must_use]
    pub fn new(arch: &str, serial: &str, uuid: &str, mac: &str, directory: PathBuf) -> Self {
        Self {
            arch: arch.to_owned(),
            serial: serial.to_owned(),
            uuid: uuid.to_owned(),
            macs: vec![mac.to_owned()],
            cpus: 4,
            memory_bytes: 8 << 30,
            disks: vec![DiskSpec { serial: format!("{serial}-D0"), size_bytes: 1 << 30, remote: false }],
            directory,
        }
    }
}
