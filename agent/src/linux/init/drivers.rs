//! Loads a module for each device that is there or appears.

use super::index::Index;
use super::uevents::{Heard, Uevents};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
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

/// Begins to load drivers, in a thread that goes on for devices that appear later. The receiver hears once, when all
/// is quiet.
pub(super) fn start() -> io::Result<Receiver<()>> {
    let (settled, receiver) = channel();
    std::thread::Builder::new().name("drivers".to_owned()).spawn(move || {
        if let Err(error) = follow(&settled) {
            tracing::error!("cannot look for devices: {error}");
        }
    })?;
    Ok(receiver)
}

fn follow(settled: &Sender<()>) -> io::Result<()> {
    // First, so that nothing that appears while the rest is looked at is missed.
    let events = Uevents::open()?;
    let mut drivers = match Index::read(Path::new(hostler_proto::RAMDISK_MODULES)) {
        Ok(index) => Drivers::new(index),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::info!("this ramdisk has no modules: every driver has to be in the kernel");
            let _ = settled.send(());
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
                let _ = settled.send(());
                bound = None;
            }
        }
    }
}

struct Drivers {
    index: Index,
    /// Names of modules, whatever came of it: once is enough.
    tried: BTreeSet<String>,
    loaded: u32,
}

impl Drivers {
    fn new(index: Index) -> Self {
        let running = rustix::system::uname().release().to_string_lossy().into_owned();
        if running != index.kernel() {
            tracing::warn!("the modules are for Linux {}, but Linux {running} is running", index.kernel());
        }
        Self { index, tried: BTreeSet::new(), loaded: 0 }
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

    fn look_at_all(&mut self) {
        let mut aliases = BTreeSet::new();
        collect_aliases(Path::new("/sys/devices"), 0, &mut aliases);
        for alias in aliases {
            self.drive(&alias);
        }
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
        match insert(&file) {
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

    #[test]
    fn every_device_below_is_found_once() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("pci0/0000:00:03.0/modalias", "pci:v00001AF4d00001000\n"),
            ("pci0/0000:00:03.0/virtio0/modalias", "virtio:d00000001v00001AF4\n"),
            ("pci0/0000:00:04.0/virtio1/modalias", "virtio:d00000001v00001AF4\n"),
            ("platform/empty/modalias", "\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink(root.path(), root.path().join("pci0/circle")).unwrap();
        let mut aliases = BTreeSet::new();
        collect_aliases(root.path(), 0, &mut aliases);
        let found: Vec<_> = aliases.into_iter().collect();
        assert_eq!(found, ["pci:v00001AF4d00001000", "virtio:d00000001v00001AF4"]);
    }
}
