//! Loads a module for each device that is there or appears.

use super::index::Index;
use super::search::Search;
use super::uevents::{Heard, Uevents};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// What is loaded after another module, which asks for it by starting modprobe, or not at all: what makes /dev/ipmi0 of
/// a BMC's system interface, and Ethernet of an adapter that can do more.
const FOLLOWED_BY: [(&str, &str); 4] = [
    ("ipmi_si", "ipmi_devintf"),
    ("ipmi_ssif", "ipmi_devintf"),
    ("ipmi_powernv", "ipmi_devintf"),
    ("mlx4_core", "mlx4_en"),
];

/// With no news of devices for so long, those that are there have been found. The kernel waits by itself for the disks
/// behind most controllers before it calls a module loaded.
const QUIET: Duration = Duration::from_millis(500);

/// Devices may be nested deep, but not like this.
const DEEPEST: usize = 40;

/// Begins to load drivers, in a thread that goes on for devices that appear later. The search is over when all is
/// quiet.
pub(super) fn start() -> io::Result<Search> {
    let (told, search) = Search::new();
    std::thread::Builder::new().name("drivers".to_owned()).spawn(move || {
        if let Err(error) = follow(&told) {
            tracing::error!("cannot look for devices: {error}");
            let _ = told.send(Err(error));
        }
    })?;
    Ok(search)
}

fn follow(told: &Sender<io::Result<()>>) -> io::Result<()> {
    // First, so that nothing that appears while the rest is looked at is missed.
    let events = Uevents::open()?;
    let mut drivers = match Index::read(Path::new(hostler_proto::RAMDISK_MODULES)) {
        Ok(index) => {
            must_be_for(&index, &rustix::system::uname().release().to_string_lossy())?;
            Drivers::new(index, Path::new("/sys/devices"), Box::new(insert))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::info!("this ramdisk has no modules: every driver has to be in the kernel");
            let _ = told.send(Ok(()));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    drivers.begin();
    let mut bound = Some(QUIET);
    loop {
        match events.next(bound)? {
            Heard::Device(modalias) => drivers.drive(&modalias),
            Heard::Lost => drivers.look_at_all(),
            Heard::Other => {}
            Heard::Silence => {
                tracing::info!("{} modules are loaded", drivers.loaded);
                // Whoever waited may have given up.
                let _ = told.send(Ok(()));
                bound = None;
            }
        }
    }
}

/// Kernel and ramdisk are fetched one after the other, and may have been built anew in between. The kernel refuses the
/// modules of another one, so disks would be missed whose drivers are not built in.
fn must_be_for(index: &Index, running: &str) -> io::Result<()> {
    if index.kernel() == running {
        return Ok(());
    }
    let text = format!("the modules are for Linux {}, but Linux {running} is running", index.kernel());
    Err(io::Error::other(text))
}

/// Has the kernel take a module.
type Insert = Box<dyn FnMut(&Path) -> io::Result<()>>;

struct Drivers {
    index: Index,
    /// "/sys/devices" but in tests.
    devices: PathBuf,
    insert: Insert,
    /// Names of modules, whatever came of it: once is enough.
    tried: BTreeSet<String>,
    loaded: u32,
}

impl Drivers {
    fn new(index: Index, devices: &Path, insert: Insert) -> Self {
        Self { index, devices: devices.to_owned(), insert, tried: BTreeSet::new(), loaded: 0 }
    }

    fn begin(&mut self) {
        self.look_at_all();
        for name in self.index.always() {
            self.load(&name);
        }
        if Path::new("/sys/firmware/efi").exists() {
            self.load("efivarfs");
        }
    }

    /// The network comes first: drivers of disks may take minutes to look at them all, and meanwhile nobody could tell
    /// the controller anything.
    fn look_at_all(&mut self) {
        loop {
            let before = self.tried.len();
            self.aliases().iter().filter(|alias| is_network(alias)).for_each(|alias| self.drive(alias));
            // A driver of a bus shows what is behind it.
            if self.tried.len() == before {
                break;
            }
        }
        self.aliases().iter().for_each(|alias| self.drive(alias));
    }

    fn aliases(&self) -> BTreeSet<String> {
        let mut aliases = BTreeSet::new();
        collect_aliases(&self.devices, 0, &mut aliases);
        aliases
    }

    fn drive(&mut self, modalias: &str) {
        let names: Vec<String> = self.index.for_device(modalias).into_iter().map(str::to_owned).collect();
        for name in names {
            self.load(&name);
        }
    }

    fn load(&mut self, name: &str) {
        let Some((file, depends)) = self.index.get(name) else { return };
        let depends = depends.to_vec();
        // Also ends a circle of dependencies.
        if !self.tried.insert(name.to_owned()) {
            return;
        }
        for depend in depends {
            self.load(&depend);
        }
        match (self.insert)(&file) {
            Ok(()) => self.loaded += 1,
            Err(error) => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
                Some(rustix::io::Errno::EXIST) => {}
                // A driver that finds out that its device is not there, as those of processors do.
                Some(rustix::io::Errno::NODEV) => tracing::debug!("{name} has nothing to drive"),
                _ => tracing::warn!("cannot load {name}: {error}"),
            },
        }
        for (_, next) in FOLLOWED_BY.iter().filter(|(first, _)| *first == name) {
            self.load(next);
        }
    }
}

/// True for what a machine may have been booted through, and for the bus device that it is behind: network controllers
/// of PCI (class 02), virtio (device 1), PowerVM and device trees, and communication interfaces of USB (class 02).
fn is_network(modalias: &str) -> bool {
    modalias.split_once(':').is_some_and(|(bus, device)| match bus {
        "pci" => device.contains("bc02"),
        "virtio" => device.starts_with("d00000001v"),
        "vio" => device.starts_with("Tnetwork"),
        "of" => device.starts_with("Nethernet"),
        "usb" => device.contains("ic02"),
        _ => false,
    })
}

fn insert(file: &Path) -> io::Result<()> {
    const NO_PARAMETERS: &CStr = c"";
    Ok(rustix::system::finit_module(File::open(file)?, NO_PARAMETERS, 0)?)
}

/// What every device below a directory of `/sys/devices` calls itself.
fn collect_aliases(dir: &Path, depth: usize, aliases: &mut BTreeSet<String>) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        // Links lead to where the walk comes by anyway.
        if kind.is_dir() && depth < DEEPEST {
            collect_aliases(&entry.path(), depth + 1, aliases);
        } else if kind.is_file() && entry.file_name() == "modalias" {
            let alias = super::super::line(entry.path());
            if !alias.is_empty() {
                aliases.insert(alias);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_proto::ramdisk::v1::{Module, ModuleIndex};
    use std::sync::{Arc, Mutex};

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn module(name: &str, depends: &[&str], aliases: &[&str], always: bool) -> Module {
        Module {
            name: name.to_owned(),
            file: format!("{name}.ko"),
            depends: depends.iter().map(|s| (*s).to_owned()).collect(),
            aliases: aliases.iter().map(|s| (*s).to_owned()).collect(),
            always,
        }
    }

    /// Names of modules in the order in which they are loaded. A virtio device appears when its bus has a driver.
    fn order(devices: &[(&str, &str)], modules: Vec<Module>) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (slot, alias) in devices {
            write(&root.path().join(slot).join("modalias"), alias);
        }
        let inserted = Arc::new(Mutex::new(Vec::new()));
        let (dir, list) = (root.path().to_owned(), inserted.clone());
        let insert = move |file: &Path| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            if name == "virtio_pci" {
                write(&dir.join("00:02.0/virtio0/modalias"), "virtio:d00000001v00001AF4");
                write(&dir.join("00:01.0/virtio1/modalias"), "virtio:d00000008v00001AF4");
            }
            list.lock().unwrap().push(name);
            Ok(())
        };
        let index = Index::new(Path::new("/m"), ModuleIndex { kernel: "6.1".into(), modules });
        Drivers::new(index, root.path(), Box::new(insert)).begin();
        Arc::into_inner(inserted).map_or_else(Vec::new, |list| list.into_inner().unwrap())
    }

    #[test]
    fn the_network_comes_before_disks_and_both_before_what_no_device_asks_for() {
        let devices = [
            ("00:00.0", "pci:v00001000d00000097sv00001000sd00003090bc01sc07i00"),
            ("00:01.0", "pci:v00001AF4d00001048sv00001AF4sd00001100bc01sc00i00"),
            ("00:02.0", "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00"),
            ("00:03.0", "pci:v000015B3d00001007sv000015B3sd00000022bc02sc00i00"),
            ("00:04.0", "pci:v000010ECd00008168sv00001043sd00008677bc02sc00i00"),
        ];
        let modules = vec![
            module("ext4", &["jbd2"], &[], true),
            module("jbd2", &[], &[], false),
            module("mlx4_core", &[], &["pci:v000015B3d00001007sv*sd*bc*sc*i*"], false),
            module("mlx4_en", &["mlx4_core"], &[], false),
            module("mpt3sas", &[], &["pci:v00001000d00000097sv*sd*bc*sc*i*"], false),
            module("r8169", &["realtek"], &["pci:v000010ECd00008168sv*sd*bc*sc*i*"], false),
            module("realtek", &[], &["mdio:*"], false),
            module("virtio_net", &[], &["virtio:d00000001v*"], false),
            module("virtio_pci", &[], &["pci:v00001AF4d*sv*sd*bc*sc*i*"], false),
            module("virtio_scsi", &[], &["virtio:d00000008v*"], false),
        ];
        let expected = [
            "realtek",
            "r8169",
            "mlx4_core",
            "mlx4_en",
            "virtio_pci",
            "virtio_net",
            "mpt3sas",
            "virtio_scsi",
            "jbd2",
            "ext4",
        ];
        assert_eq!(order(&devices, modules), expected);
    }

    #[test]
    fn a_kernel_and_a_ramdisk_of_two_builds_do_not_go_together() {
        let index = ModuleIndex { kernel: "6.1.0-50-amd64".into(), modules: Vec::new() };
        let index = Index::new(Path::new("/m"), index);
        must_be_for(&index, "6.1.0-50-amd64").unwrap();
        let error = must_be_for(&index, "6.1.0-56-amd64").unwrap_err().to_string();
        assert_eq!(error, "the modules are for Linux 6.1.0-50-amd64, but Linux 6.1.0-56-amd64 is running");
    }

    #[test]
    fn networks_of_all_buses_are_known() {
        for (modalias, expected) in [
            ("pci:v00008086d00001572sv00008086sd00000001bc02sc00i00", true),
            ("pci:v00001000d00000097sv00001000sd00003090bc01sc07i00", false),
            ("virtio:d00000001v00001AF4", true),
            ("virtio:d00000010v00001AF4", false),
            ("vio:TnetworkSIBM,l-lan", true),
            ("vio:TvscsiSIBM,v-scsi", false),
            ("of:NethernetT(null)Chisilicon,hns-nic-v2", true),
            ("usb:v0525pA4A2d0510dc02dsc00dp00ic02isc06ip00in00", true),
            ("usb:v0781p5583d0100dc00dsc00dp00ic08isc06ip50in00", false),
            ("platform:pcspkr", false),
            ("", false),
        ] {
            assert_eq!(is_network(modalias), expected, "{modalias}");
        }
    }

    #[test]
    fn every_device_below_is_found_once() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("pci0/0000:00:03.0/modalias", "pci:v00001AF4d00001000\n"),
            ("pci0/0000:00:03.0/virtio0/modalias", "virtio:d00000001v00001AF4\n"),
            ("pci0/0000:00:04.0/virtio1/modalias", "virtio:d00000001v00001AF4\n"),
            ("platform/empty/modalias", "\n"),
        ] {
            write(&root.path().join(path), text);
        }
        std::os::unix::fs::symlink(root.path(), root.path().join("pci0/circle")).unwrap();
        let mut aliases = BTreeSet::new();
        collect_aliases(root.path(), 0, &mut aliases);
        let found: Vec<_> = aliases.into_iter().collect();
        assert_eq!(found, ["pci:v00001AF4d00001000", "virtio:d00000001v00001AF4"]);
    }
}
