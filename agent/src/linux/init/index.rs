//! The modules of this ramdisk, as its builder listed them.

use super::alias;
use hostler_proto::ramdisk::v1::{Module, ModuleIndex};
use prost::Message as _;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Looks up modules by name and by the devices that they drive.
#[derive(Debug)]
pub(super) struct Index {
    dir: PathBuf,
    kernel: String,
    modules: BTreeMap<String, Module>,
    /// By what stands before the first ":" of a pattern, the kind of bus: pattern and name of the module. A pattern
    /// may begin with "*" or have it there ("acpi*:"), and stands under the part before it then.
    aliases: BTreeMap<String, Vec<(String, String)>>,
}

impl Index {
    /// Reads it from the directory of the modules.
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(dir.join("index"))?;
        let index = ModuleIndex::decode(bytes.as_slice()).map_err(io::Error::other)?;
        Ok(Self::new(dir, index))
    }

    pub(super) fn new(dir: &Path, index: ModuleIndex) -> Self {
        let mut aliases = BTreeMap::<String, Vec<_>>::new();
        for module in &index.modules {
            for pattern in &module.aliases {
                aliases
                    .entry(bus(pattern).to_owned())
                    .or_default()
                    .push((pattern.clone(), module.name.clone()));
            }
        }
        let modules = index.modules.into_iter().map(|module| (module.name.clone(), module)).collect();
        Self { dir: dir.to_owned(), kernel: index.kernel, modules, aliases }
    }

    /// The kernel that they were built for.
    pub(super) fn kernel(&self) -> &str {
        &self.kernel
    }

    /// A module's file and the modules that it needs.
    pub(super) fn get(&self, name: &str) -> Option<(PathBuf, &[String])> {
        self.modules.get(name).map(|module| (self.dir.join(&module.file), module.depends.as_slice()))
    }

    /// The modules that are loaded without any device.
    pub(super) fn always(&self) -> Vec<String> {
        self.modules.values().filter(|module| module.always).map(|module| module.name.clone()).collect()
    }

    /// The modules that drive a device.
    pub(super) fn for_device(&self, modalias: &str) -> Vec<&str> {
        let of_bus = self.aliases.get(bus(modalias)).into_iter().flatten();
        of_bus
            .filter(|(pattern, _)| alias::matches(pattern, modalias))
            .map(|(_, name)| name.as_str())
            .collect()
    }
}

fn bus(alias: &str) -> &str {
    alias.split([':', '*']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_by_name_and_by_device() {
        let module = |name: &str, depends: &[&str], aliases: &[&str]| Module {
            name: name.to_owned(),
            file: format!("{name}.ko"),
            depends: depends.iter().map(|s| (*s).to_owned()).collect(),
            aliases: aliases.iter().map(|s| (*s).to_owned()).collect(),
            always: name == "failover",
        };
        let modules = vec![
            module("failover", &[], &[]),
            module("virtio_net", &["failover"], &["virtio:d00000001v*"]),
            module("ipmi_si", &[], &["acpi*:IPI0001:*", "platform:dmi-ipmi-si"]),
        ];
        let dir = tempfile::tempdir().unwrap();
        let index = ModuleIndex { kernel: "6.1.0".into(), modules };
        std::fs::write(dir.path().join("index"), index.encode_to_vec()).unwrap();
        let index = Index::read(dir.path()).unwrap();
        assert_eq!(index.kernel(), "6.1.0");
        assert_eq!(index.for_device("virtio:d00000001v00001AF4"), ["virtio_net"]);
        assert_eq!(index.for_device("acpi:IPI0001:"), ["ipmi_si"]);
        assert!(index.for_device("pci:v1").is_empty());
        let (file, depends) = index.get("virtio_net").unwrap();
        assert_eq!((file, depends), (dir.path().join("virtio_net.ko"), &["failover".to_owned()][..]));
        assert!(index.get("none").is_none());
        assert_eq!(index.always(), ["failover"]);
    }
}
