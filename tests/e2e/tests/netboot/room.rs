//! One machine of each kind, and what it is expected to load.

use hostler_core::boot::BootPlan;
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::{BootId, NodeId};
use hostler_fleet::firmware::{Kind, Machine, sample};
use hostler_fleet::network::{Cable, Nic, Ports};
use hostler_pxe::{BootSource, Catalogue, Client, Observation, names};
use std::net::Ipv4Addr;
use std::sync::Mutex;
use tokio::sync::watch;

pub(crate) const ARGUMENTS: [&str; 2] = ["hostler.boot=17", "hostler.token=c2VjcmV0"];

/// What is expected of one kind of machine, whatever the server.
#[derive(Clone, Copy)]
pub(crate) struct Expectation {
    pub(crate) kind: Kind,
    pub(crate) arch: Arch,
    pub(crate) firmware: Firmware,
    /// Bytes of the loader: several blocks, and the last one of another length each time; one is a multiple of its
    /// client's block size.
    pub(crate) loader: usize,
    /// As its firmware asks for.
    pub(crate) block_size: u16,
    pub(crate) window: Option<u16>,
    /// True if it asks for the size first.
    pub(crate) probes: bool,
    /// Its command line in front of [`ARGUMENTS`], without the server's URL.
    pub(crate) prefix: &'static str,
}

pub(crate) const EXPECTATIONS: [Expectation; 4] = [
    Expectation {
        kind: Kind::Bios,
        arch: Arch::X86_64,
        firmware: Firmware::Bios,
        loader: 74_213,
        block_size: 1456,
        window: None,
        probes: true,
        prefix: "initrd=ramdisk ",
    },
    Expectation {
        kind: Kind::UefiX86,
        arch: Arch::X86_64,
        firmware: Firmware::Uefi,
        loader: 850_528,
        block_size: 1468,
        window: Some(4),
        probes: true,
        prefix: "initrd=ramdisk ",
    },
    Expectation {
        kind: Kind::UefiArm,
        arch: Arch::Aarch64,
        firmware: Firmware::Uefi,
        loader: 1468 * 700,
        block_size: 1468,
        window: Some(4),
        probes: true,
        prefix: "BOOT_IMAGE=(http,SERVER)/kernels/aarch64 ",
    },
    Expectation {
        kind: Kind::Slof,
        arch: Arch::Ppc64le,
        firmware: Firmware::OpenFirmware,
        loader: 300_001,
        block_size: 1428,
        window: None,
        probes: false,
        prefix: "BOOT_IMAGE=(http,SERVER)/kernels/ppc64le ",
    },
];

impl Expectation {
    pub(crate) fn loader_name(&self) -> &'static str {
        names::loader(self.arch, self.firmware).unwrap()
    }

    pub(crate) fn loader(&self) -> Vec<u8> {
        sample(self.kind, self.loader)
    }

    pub(crate) fn kernel(&self) -> Vec<u8> {
        format!("kernel for {}", self.arch).repeat(20_000).into_bytes()
    }

    pub(crate) fn ramdisk(&self) -> Vec<u8> {
        format!("ramdisk for {}", self.arch).repeat(30_000).into_bytes()
    }

    pub(crate) fn machine(&self) -> Machine {
        Machine::new(self.kind, format!("{:032x}", self.kind as u8).parse().unwrap())
    }
}

/// The machines of a room in 127.77.`number`.0/24, whose server is at .1.
pub(crate) struct Room {
    number: u8,
    plan: Mutex<BootPlan>,
    seen: watch::Sender<Vec<(NodeId, Observation)>>,
    unknown: Mutex<Vec<Mac>>,
}

impl Room {
    /// Every machine is to boot the ramdisk.
    pub(crate) fn new(number: u8) -> Self {
        let plan = Self::ramdisk().into();
        Self { number, plan, seen: watch::Sender::default(), unknown: Mutex::default() }
    }

    /// The plan to boot the ramdisk; the architecture becomes that of the machine.
    pub(crate) fn ramdisk() -> BootPlan {
        BootPlan::Ramdisk { boot: BootId(17), arch: Arch::X86_64 }
    }

    pub(crate) fn server(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 77, self.number, 1)
    }

    pub(crate) fn clients(&self) -> Vec<Client> {
        (0..).zip(EXPECTATIONS).map(|(index, expected)| self.client(index, &expected)).collect()
    }

    fn client(&self, index: u8, expected: &Expectation) -> Client {
        Client {
            node: NodeId(u32::from(index)),
            name: format!("node-{index}"),
            mac: Mac([0x52, 0x54, 0, 0x77, self.number, index]),
            address: Ipv4Addr::new(127, 77, self.number, 10 + index),
            arch: expected.arch,
            firmware: expected.firmware,
        }
    }

    /// The interface of the machine of this kind.
    pub(crate) fn nic(&self, kind: Kind, ports: Ports) -> Nic {
        let index = EXPECTATIONS.iter().position(|expected| expected.kind == kind).unwrap();
        let client = &self.clients()[index];
        Nic::new(client.mac.0, Cable::new(client.address), ports, self.server())
    }

    pub(crate) fn set_plan(&self, plan: BootPlan) {
        *self.plan.lock().unwrap() = plan;
    }

    pub(crate) fn seen(&self) -> Vec<(NodeId, Observation)> {
        self.seen.borrow().clone()
    }

    /// Waits until something was seen of `node`: a transfer is told of when its last acknowledgement has come, which
    /// the machine does not wait for.
    pub(crate) async fn wait_for(&self, node: NodeId, wanted: impl Fn(&Observation) -> bool) -> Observation {
        let find = |all: &Vec<(NodeId, Observation)>| {
            all.iter().find(|(of, seen)| *of == node && wanted(seen)).map(|(_, seen)| seen.clone())
        };
        let mut seen = self.seen.subscribe();
        find(&seen.wait_for(|all| find(all).is_some()).await.unwrap()).unwrap()
    }

    pub(crate) fn unknown_macs(&self) -> Vec<Mac> {
        self.unknown.lock().unwrap().clone()
    }

    /// All content. GRUB for Arm loads HTTP as a module.
    pub(crate) fn catalogue(&self) -> Catalogue {
        let catalogue = Catalogue::new()
            .disk_loader(Arch::X86_64, hostler_fleet::firmware::disk_sample(5000))
            .file("grub/arm64-efi/http.mod", b"module".to_vec());
        EXPECTATIONS.iter().fold(catalogue, |catalogue, expected| {
            catalogue.loader(expected.arch, expected.firmware, expected.loader()).ramdisk(
                expected.arch,
                expected.kernel(),
                expected.ramdisk(),
            )
        })
    }
}

impl BootSource for Room {
    fn by_mac(&self, mac: Mac) -> Option<Client> {
        self.clients().into_iter().find(|client| client.mac == mac)
    }

    fn by_address(&self, address: Ipv4Addr) -> Option<Client> {
        self.clients().into_iter().find(|client| client.address == address)
    }

    fn plan(&self, client: &Client) -> BootPlan {
        match self.plan.lock().unwrap().clone() {
            BootPlan::Ramdisk { boot, .. } => BootPlan::Ramdisk { boot, arch: client.arch },
            BootPlan::LocalDisk { .. } => BootPlan::LocalDisk { firmware: client.firmware },
            wait => wait,
        }
    }

    fn kernel_args(&self, _: &Client, _: BootId) -> Vec<String> {
        ARGUMENTS.map(str::to_owned).to_vec()
    }

    fn observe(&self, client: &Client, seen: Observation) {
        self.seen.send_modify(|all| all.push((client.node, seen)));
    }

    fn unknown(&self, mac: Mac) {
        self.unknown.lock().unwrap().push(mac);
    }
}
