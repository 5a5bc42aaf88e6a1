//! The modules of one kernel, and what they need of each other.

use super::elf::Elf;
use super::unpack;
use anyhow::{Context as _, bail};
use hostler_core::hardware::Arch;
use hostler_proto::ramdisk::v1::Module;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a kernel has, without the help of depmod, which need not have run.
#[derive(Debug)]
pub(super) struct Library {
    /// By name.
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

/// A module for the ramdisk.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    /// Its line in the index.
    pub(super) module: Module,
    /// Its file, unpacked.
    pub(super) bytes: Vec<u8>,
    /// Names below lib/firmware of what it may load.
    pub(super) firmware: Vec<String>,
    /// What it works better with, or cannot start without, as it calls them.
    soft: Vec<String>,
    /// What it is called besides its name: an algorithm, say.
    provides: Vec<String>,
}

/// What became of the drivers that were asked for.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// By name, with what they need.
    pub(super) modules: BTreeMap<String, Packed>,
    /// In the kernel itself.
    pub(super) builtin: Vec<String>,
    /// Not there, and not named by whoever asked.
    pub(super) missing: Vec<String>,
}

impl Selection {
    /// Of a soft dependency all are loaded that are called so: an algorithm may have several modules. Without one of
    /// them libcrc32c refuses to be loaded, though it says that it only works better so.
    fn put_soft_dependencies_first(&mut self) {
        let mut providers = BTreeMap::<String, Vec<String>>::new();
        for (name, packed) in &self.modules {
            for called in packed.provides.iter().chain([name]) {
                providers.entry(called.clone()).or_default().push(name.clone());
            }
        }
        for packed in self.modules.values_mut() {
            let soft = packed.soft.iter().filter_map(|name| providers.get(name)).flatten();
            let mut depends: Vec<String> = soft.cloned().collect();
            depends.append(&mut packed.module.depends);
            packed.module.depends = depends;
        }
    }

    /// Has these loaded whether a device asks for them or not, as far as they are modules.
    pub(super) fn load_always<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            if let Some(packed) = self.modules.get_mut(&normal(name)) {
                packed.module.always = true;
            }
        }
    }
}

impl Library {
    /// Looks for modules in a directory like lib/modules/VERSION.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        // What was added to a distribution's kernel replaces what came with it, as depmod has it by default.
        let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
        let mut folders: Vec<PathBuf> =
            entries.flatten().map(|e| e.path()).filter(|p| is_directory(p)).collect();
        folders.sort_by_key(|path| match path.file_name().and_then(|name| name.to_str()) {
            Some("kernel") => (0, path.clone()),
            Some("updates") => (2, path.clone()),
            _ => (1, path.clone()),
        });
        for folder in folders {
            collect(&folder, &mut files)?;
        }
        let builtin = std::fs::read_to_string(dir.join("modules.builtin")).unwrap_or_default();
        let builtin = builtin.lines().filter_map(|line| module_name(Path::new(line.trim()))).collect();
        Ok(Self { files, builtin })
    }

    /// Takes the drivers of `defaults` that are there, all of `named`, and what they need.
    ///
    /// # Errors
    /// If one of `named` or something that is needed is not there, is damaged or is for another architecture.
    pub(super) fn select(
        &self,
        arch: Arch,
        defaults: &[&str],
        named: &[String],
    ) -> anyhow::Result<Selection> {
        let mut selection = Selection::default();
        for name in named {
            let name = normal(name);
            if !self.files.contains_key(&name) && !self.builtin.contains(&name) {
                bail!("the kernel has no driver {name}");
            }
            self.take(arch, &name, &mut selection)?;
        }
        for name in defaults {
            self.take(arch, name, &mut selection)?;
        }
        selection.builtin.sort_unstable();
        selection.put_soft_dependencies_first();
        Ok(selection)
    }

    fn take(&self, arch: Arch, name: &str, selection: &mut Selection) -> anyhow::Result<()> {
        if selection.modules.contains_key(name) {
            return Ok(());
        }
        let Some(file) = self.files.get(name) else {
            let list =
                if self.builtin.contains(name) { &mut selection.builtin } else { &mut selection.missing };
            if !list.iter().any(|n| n == name) {
                list.push(name.to_owned());
            }
            return Ok(());
        };
        let bytes = unpack::read(file)?;
        let what = file.display().to_string();
        let elf = Elf::parse(&bytes).with_context(|| format!("{what} is no kernel module"))?;
        elf.must_be_for(arch, &what)?;
        let depends: Vec<String> = list(&elf, "depends");
        let soft = soft_dependencies(&elf);
        let packed = Packed {
            module: entry(name, &elf, &depends),
            firmware: elf.values("firmware").map(str::to_owned).collect(),
            soft: soft.clone(),
            provides: elf.values("alias").filter(|alias| !alias.contains(':')).map(normal).collect(),
            bytes,
        };
        // Before what it needs, so that a circle ends.
        selection.modules.insert(name.to_owned(), packed);
        for depend in &depends {
            if !self.files.contains_key(depend) && !self.builtin.contains(depend) {
                bail!("{what} needs the module {depend}, which is not there");
            }
            self.take(arch, depend, selection)?;
        }
        // Those that are called by another name are packed only if they are in a list.
        for soft in soft.iter().filter(|name| self.files.contains_key(*name)) {
            self.take(arch, soft, selection)?;
        }
        Ok(())
    }
}

fn entry(name: &str, elf: &Elf, depends: &[String]) -> Module {
    Module {
        name: name.to_owned(),
        file: format!("{name}.ko"),
        depends: depends.to_vec(),
        // Others name file systems, algorithms and protocols, not devices.
        aliases: elf.values("alias").filter(|alias| alias.contains(':')).map(str::to_owned).collect(),
        always: false,
    }
}

/// "a,b,c" as names.
fn list(elf: &Elf, field: &str) -> Vec<String> {
    elf.values(field).flat_map(|value| value.split(',')).filter(|name| !name.is_empty()).map(normal).collect()
}

/// The names after "pre:", up to "post:".
fn soft_dependencies(elf: &Elf) -> Vec<String> {
    let mut names = Vec::new();
    for value in elf.values("softdep") {
        let mut before = false;
        for word in value.split_whitespace() {
            match word {
                "pre:" => before = true,
                "post:" => before = false,
                name if before => names.push(normal(name)),
                _ => {}
            }
        }
    }
    names
}

/// The kernel treats both characters as one.
fn normal(name: &str) -> String {
    name.trim().replace('-', "_")
}

/// Of a file like "virtio-net.ko.xz".
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (name, ending) = name.split_once(".ko")?;
    matches!(ending, "" | ".gz" | ".xz" | ".zst").then(|| normal(name))
}

/// Links lead to a source tree or out of the package.
fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

fn collect(dir: &Path, files: &mut BTreeMap<String, PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if is_directory(&path) {
            collect(&path, files)?;
        } else if let Some(name) = module_name(&path) {
            files.insert(name, path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_modules() {
        for (path, name) in [
            ("kernel/drivers/net/virtio_net.ko", Some("virtio_net")),
            ("kernel/fs/nls/nls_iso8859-1.ko.xz", Some("nls_iso8859_1")),
            ("a.ko.zst", Some("a")),
            ("a.ko.gz", Some("a")),
            ("a.ko.debug", None),
            ("modules.dep", None),
        ] {
            assert_eq!(module_name(Path::new(path)).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn soft_dependencies_come_before() {
        let modinfo = |value: &str| Elf {
            arch: None,
            interpreter: None,
            needed: Vec::new(),
            modinfo: vec![("softdep".to_owned(), value.to_owned())],
        };
        assert_eq!(soft_dependencies(&modinfo("pre: crc32c post: x")), ["crc32c"]);
        assert_eq!(soft_dependencies(&modinfo("post: x pre: a b-c")), ["a", "b_c"]);
        assert!(soft_dependencies(&modinfo("x")).is_empty());
    }
}
