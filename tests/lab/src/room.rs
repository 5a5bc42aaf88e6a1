//! What machines a lab has.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Processor architectures, by the names that Hostler uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86_64.
    #[serde(rename = "x86_64")]
    X86_64,
    /// aarch64.
    Aarch64,
    /// ppc64le.
    Ppc64le,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::Aarch64, Self::Ppc64le];

    /// Reads a name that Hostler uses.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|arch| arch.name() == name);
        found.ok_or_else(|| format!("one of {}", Self::ALL.map(Self::name).join(", ")))
    }

    /// As Hostler and the kernel say.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Ppc64le => "ppc64le",
        }
    }

    /// As Debian says.
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
            Self::Ppc64le => "ppc64el",
        }
    }

    /// The console of its machines here, as kernels name it.
    #[must_use]
    pub const fn console(self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS0,115200",
            Self::Aarch64 => "ttyAMA0",
            Self::Ppc64le => "hvc0",
        }
    }
}

/// A kind of machine: its board and its firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// x86_64 with SeaBIOS.
    Bios,
    /// x86_64 with OVMF.
    Uefi,
    /// aarch64 with AAVMF.
    Arm,
    /// ppc64le with SLOF.
    Power,
}

impl Platform {
    /// Its processor.
    #[must_use]
    pub const fn arch(self) -> Arch {
        match self {
            Self::Bios | Self::Uefi => Arch::X86_64,
            Self::Arm => Arch::Aarch64,
            Self::Power => Arch::Ppc64le,
        }
    }

    /// Its firmware, as Hostler says.
    #[must_use]
    pub const fn firmware(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi | Self::Arm => "uefi",
            Self::Power => "openfirmware",
        }
    }

    /// Memory in MiB. A kernel, the ramdisk, an agent and a second kernel for kexec fit in.
    #[must_use]
    pub const fn memory_mib(self) -> u32 {
        match self {
            Self::Bios | Self::Uefi => 512,
            Self::Arm => 768,
            Self::Power => 1024,
        }
    }
}

/// How a disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    /// virtio-blk.
    VirtioBlk,
    /// virtio-scsi with one disk.
    VirtioScsi,
    /// An NVMe controller with one namespace.
    Nvme,
}

/// One disk: a sparse raw file, so that a test can search it while the machine is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpec {
    /// How it is attached.
    pub kind: DiskKind,
    /// Its size in MiB.
    pub mib: u64,
}

/// The software of a management controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BmcKind {
    /// OpenIPMI's `ipmi_sim`: event log, sensors, serial over LAN, and on x86 an interface for the host.
    Openipmi,
    /// pyghmi's: power and boot device only.
    Pyghmi,
}

/// One machine as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineSpec {
    /// Its name, also as a node.
    pub name: String,
    /// Its kind.
    pub platform: Platform,
    /// Its management controller.
    pub bmc: BmcKind,
    /// Its disks; the first is the one that firmware boots.
    pub disks: Vec<DiskSpec>,
    /// Memory in MiB.
    pub memory_mib: u32,
}

impl MachineSpec {
    /// A machine with one virtio disk of 4 GiB and an OpenIPMI BMC.
    #[must_use]
    pub fn new(name: &str, platform: Platform) -> Self {
        Self {
            name: name.to_owned(),
            platform,
            bmc: BmcKind::Openipmi,
            disks: vec![DiskSpec { kind: DiskKind::VirtioBlk, mib: 4096 }],
            memory_mib: platform.memory_mib(),
        }
    }

    /// With another management controller.
    #[must_use]
    pub fn bmc(mut self, bmc: BmcKind) -> Self {
        self.bmc = bmc;
        self
    }

    /// With disks of these kinds, 4 GiB each.
    #[must_use]
    pub fn disks(mut self, kinds: &[DiskKind]) -> Self {
        self.disks = kinds.iter().map(|kind| DiskSpec { kind: *kind, mib: 4096 }).collect();
        self
    }
}

/// The machines of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSpec {
    /// In the order of their addresses.
    pub machines: Vec<MachineSpec>,
}

impl Default for RoomSpec {
    /// One machine of each platform. The Power machine has the poor BMC.
    fn default() -> Self {
        Self {
            machines: vec![
                MachineSpec::new("bios1", Platform::Bios),
                MachineSpec::new("uefi1", Platform::Uefi).disks(&[DiskKind::Nvme]),
                MachineSpec::new("arm1", Platform::Arm),
                MachineSpec::new("ppc1", Platform::Power).bmc(BmcKind::Pyghmi),
            ],
        }
    }
}

/// How many machines have addresses.
const MOST: usize = 200;

impl RoomSpec {
    /// `n` x86 machines, BIOS and UEFI in turn.
    #[must_use]
    pub fn x86(n: usize) -> Self {
        let machine = |i: usize| match i % 2 {
            0 => MachineSpec::new(&format!("bios{}", i / 2 + 1), Platform::Bios),
            _ => MachineSpec::new(&format!("uefi{}", i / 2 + 1), Platform::Uefi),
        };
        Self { machines: (0..n).map(machine).collect() }
    }

    /// Reads `NAME=PLATFORM[,BMC][,DISK…]`, one for each machine; the default room if there are none.
    ///
    /// # Errors
    /// A word that means nothing.
    pub fn parse(machines: &[String]) -> anyhow::Result<Self> {
        if machines.is_empty() {
            return Ok(Self::default());
        }
        let machines = machines.iter().map(|m| parse_machine(m).with_context(|| format!("{m:?}")));
        let room = Self { machines: machines.collect::<anyhow::Result<_>>()? };
        room.check()?;
        Ok(room)
    }

    /// # Errors
    /// Two machines of one name, a name that is none, too many machines.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.machines.len() > MOST {
            bail!("a lab has at most {MOST} machines");
        }
        for (i, machine) in self.machines.iter().enumerate() {
            let name = &machine.name;
            check_name(name)?;
            if self.machines[..i].iter().any(|other| other.name == *name) {
                bail!("two machines are called {name:?}");
            }
            if machine.disks.is_empty() {
                bail!("{name} has no disk");
            }
        }
        Ok(())
    }

    /// The machines with all that follows from their place in the room.
    #[must_use]
    pub fn identities(&self) -> Vec<Identity> {
        (1..).zip(&self.machines).map(|(index, spec)| Identity { index, spec: spec.clone() }).collect()
    }

    /// The architectures that it has machines of.
    #[must_use]
    pub fn architectures(&self) -> Vec<Arch> {
        let has = |arch: &Arch| self.machines.iter().any(|m| m.platform.arch() == *arch);
        Arch::ALL.into_iter().filter(has).collect()
    }
}

fn parse_machine(text: &str) -> anyhow::Result<MachineSpec> {
    let (name, words) = text.split_once('=').context("a machine is NAME=PLATFORM[,BMC][,DISK…]")?;
    let mut words = words.split(',');
    let platform = match words.next().unwrap_or_default() {
        "bios" => Platform::Bios,
        "uefi" => Platform::Uefi,
        "arm" => Platform::Arm,
        "power" => Platform::Power,
        other => bail!("there is no platform {other:?}; bios, uefi, arm and power are"),
    };
    let (mut machine, mut disks) = (MachineSpec::new(name, platform), Vec::new());
    for word in words {
        match word {
            "openipmi" => machine.bmc = BmcKind::Openipmi,
            "pyghmi" => machine.bmc = BmcKind::Pyghmi,
            "virtio-blk" => disks.push(DiskKind::VirtioBlk),
            "virtio-scsi" => disks.push(DiskKind::VirtioScsi),
            "nvme" => disks.push(DiskKind::Nvme),
            other => bail!("{other:?} is neither a BMC nor a disk"),
        }
    }
    Ok(if disks.is_empty() { machine } else { machine.disks(&disks) })
}

/// Names become names of files, network devices, namespaces and nodes.
///
/// # Errors
/// If it is none.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=32).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    bail!("{name:?} is no name: 1 to 32 lower-case letters, digits and -");
}

/// The controller, in the boot network.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
/// The controller, in the network of the BMCs.
pub const BMC_SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 78, 1);

/// A machine and its place in the room, from which its addresses follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// From 1.
    pub index: u8,
    /// What was asked for.
    pub spec: MachineSpec,
}

impl Identity {
    /// Of its network interface.
    #[must_use]
    pub fn mac(&self) -> String {
        self.mac_bytes().map(|byte| format!("{byte:02x}")).join(":")
    }

    /// The same, as it is on the wire.
    #[must_use]
    pub const fn mac_bytes(&self) -> [u8; 6] {
        [0x52, 0x54, 0x00, 0x77, 0x00, self.index]
    }

    /// In the boot network.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, 77, 10 + self.index)
    }

    /// Of its BMC.
    #[must_use]
    pub fn bmc_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, 78, 10 + self.index)
    }

    /// The UUID of the system.
    #[must_use]
    pub fn uuid(&self) -> String {
        format!("77000000-0000-4000-8000-{:012x}", self.index)
    }

    /// The serial number that its firmware tells. A pseries machine of QEMU tells its UUID in its place.
    #[must_use]
    pub fn serial(&self) -> String {
        match self.spec.platform {
            Platform::Power => self.uuid(),
            Platform::Bios | Platform::Uefi | Platform::Arm => format!("LAB-{}", self.spec.name),
        }
    }

    /// Its network device in the namespace.
    #[must_use]
    pub fn tap(&self) -> String {
        format!("tap{}", self.index)
    }

    /// Where its BMC and its emulator meet, on the namespace's loopback.
    pub(crate) fn vm_port(&self) -> u16 {
        9100 + u16::from(self.index)
    }

    /// Where its serial line is, on the namespace's loopback.
    pub(crate) fn serial_port(&self) -> u16 {
        9400 + u16::from(self.index)
    }

    /// True if the host has an interface to its BMC. QEMU's Arm and pseries machines have none.
    #[must_use]
    pub fn has_inband_bmc(&self) -> bool {
        self.spec.bmc == BmcKind::Openipmi && self.spec.platform.arch() == Arch::X86_64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_read_from_words() {
        let words = ["a=bios".to_owned(), "b=power,pyghmi,nvme,virtio-scsi".to_owned()];
        let room = RoomSpec::parse(&words).unwrap();
        assert_eq!(room.machines[0], MachineSpec::new("a", Platform::Bios));
        let b = MachineSpec::new("b", Platform::Power).bmc(BmcKind::Pyghmi);
        assert_eq!(room.machines[1], b.disks(&[DiskKind::Nvme, DiskKind::VirtioScsi]));
        assert_eq!(RoomSpec::parse(&[]).unwrap(), RoomSpec::default());
    }

    #[test]
    fn what_is_no_machine_is_refused() {
        for words in
            [&["a"][..], &["a=vax"], &["a=bios,floppy"], &["A=bios"], &["a=bios", "a=uefi"], &["=bios"]]
        {
            let words: Vec<_> = words.iter().map(|w| (*w).to_owned()).collect();
            assert!(RoomSpec::parse(&words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn no_two_machines_share_anything() {
        let room = RoomSpec::x86(MOST);
        let all = room.identities();
        let mut seen: Vec<String> = all
            .iter()
            .flat_map(|m| {
                [m.mac(), m.address().to_string(), m.bmc_address().to_string(), m.uuid(), m.serial()]
            })
            .chain(all.iter().flat_map(|m| [m.vm_port().to_string(), m.serial_port().to_string()]))
            .collect();
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
        assert!(room.check().is_ok());
    }
}
