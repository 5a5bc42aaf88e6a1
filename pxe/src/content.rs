//! What is served: bytes in memory, or files.

use crate::images::{ImageStore, Images};
use crate::names;
use bytes::Bytes;
use hostler_core::hardware::{Arch, Firmware};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest file that is read into memory. GRUB's network image, the largest loader known, has 4 MB.
const MEMORY_LIMIT: u64 = 64 << 20;

/// Where content comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// One copy that all transfers share.
    Memory(Bytes),
    /// A file. It is opened at each request and read in pieces while it is sent.
    File(Arc<Path>),
    /// An image by its digest, which is asked for at each request.
    Image(Arc<dyn ImageStore>, String),
}

impl Source {
    /// The bytes, if they are in memory.
    #[must_use]
    pub fn memory(&self) -> Option<&Bytes> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            Self::File(_) | Self::Image(..) => None,
        }
    }
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes.into())
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::File(path.into())
    }
}

/// All static content by name (see [`names`]), and the directory of images.
///
/// A name from the network is looked up here, or it is the digest of an image; it never becomes part of a path
/// otherwise. TFTP serves only what is in memory, so that a slow disk never holds up a boot storm.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    files: BTreeMap<String, Source>,
    images: Option<Images>,
}

impl Catalogue {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the loader of one kind of machine. Without effect if there are no such machines.
    #[must_use]
    pub fn loader(self, arch: Arch, firmware: Firmware, content: impl Into<Source>) -> Self {
        match names::loader(arch, firmware) {
            Some(name) => self.file(name, content),
            None => self,
        }
    }

    /// Adds the UEFI program that starts the local disk. Without effect for architectures without UEFI.
    #[must_use]
    pub fn disk_loader(self, arch: Arch, content: impl Into<Source>) -> Self {
        match names::disk_loader(arch) {
            Some(name) => self.file(name, content),
            None => self,
        }
    }

    /// Adds kernel and ramdisk of an architecture.
    #[must_use]
    pub fn ramdisk(self, arch: Arch, kernel: impl Into<Source>, ramdisk: impl Into<Source>) -> Self {
        self.file(names::kernel(arch), kernel).file(names::ramdisk(arch), ramdisk)
    }

    /// Adds the certificate of the certificate authority, PEM. It is public.
    #[must_use]
    pub fn ca(self, pem: impl Into<Source>) -> Self {
        self.file(names::CA, pem)
    }

    /// Adds content under any other name, such as `grub/arm64-efi/http.mod`, which Debian's network GRUB for Arm
    /// loads before it can use HTTP.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Source>) -> Self {
        self.files.insert(name.to_owned(), content.into());
        self
    }

    /// Serves images, each under its digest.
    #[must_use]
    pub fn images(mut self, images: impl Into<Images>) -> Self {
        self.images = Some(images.into());
        self
    }

    /// Adds everything that lies in `directory` under the names of [`names`]: `loaders/…`, `kernels/…`,
    /// `ramdisks/…`, `ca.pem`, and GRUB's modules in `grub/CPU-PLATFORM/*.mod`. What is missing is not served.
    ///
    /// # Errors
    /// A file that is there but cannot be read, or a loader of more than 64 MiB.
    pub fn directory(mut self, directory: &Path) -> io::Result<Self> {
        for arch in Arch::ALL {
            let loaders = Firmware::ALL.map(|firmware| names::loader(arch, firmware));
            for name in loaders.into_iter().flatten().chain(names::disk_loader(arch)) {
                self = self.read_if_there(directory, name)?;
            }
            for name in [names::kernel(arch), names::ramdisk(arch)] {
                let path = directory.join(name);
                if path.is_file() {
                    self = self.file(name, path);
                }
            }
        }
        self.read_if_there(directory, names::CA)?.grub_modules(directory)
    }

    fn grub_modules(mut self, directory: &Path) -> io::Result<Self> {
        for platform in ["arm64-efi", "powerpc-ieee1275", "x86_64-efi"] {
            let folder = format!("grub/{platform}");
            let Ok(entries) = std::fs::read_dir(directory.join(&folder)) else { continue };
            for entry in entries {
                if let Some(name) = entry?.file_name().to_str().filter(|name| name.ends_with(".mod")) {
                    self = self.read_if_there(directory, &format!("{folder}/{name}"))?;
                }
            }
        }
        Ok(self)
    }

    fn read_if_there(self, directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(name);
        match std::fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(self),
            Err(e) => Err(e),
            Ok(found) if found.len() > MEMORY_LIMIT => Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => Ok(self.file(name, std::fs::read(path)?)),
        }
    }

    /// The content with this name, which is normalised.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Source> {
        if let Some(content) = self.files.get(name) {
            return Some(content.clone());
        }
        let digest = names::image_digest(name)?;
        Some(match self.images.as_ref()? {
            Images::Directory(directory) => directory.join(digest).into(),
            Images::Store(store) => Source::Image(store.clone(), digest.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_served_under_the_same_names() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        put("loaders/x86_64-bios.kpxe", b"loader");
        put("kernels/x86_64", b"kernel");
        put("grub/arm64-efi/http.mod", b"module");
        put("grub/arm64-efi/README", b"no module");
        put("secret", b"secret");
        let catalogue = Catalogue::new().directory(dir.path()).unwrap();
        let loader = catalogue.find("loaders/x86_64-bios.kpxe").unwrap();
        assert_eq!(loader.memory().unwrap(), &Bytes::from_static(b"loader"));
        assert!(matches!(catalogue.find("kernels/x86_64"), Some(Source::File(_))));
        assert!(catalogue.find("grub/arm64-efi/http.mod").is_some());
        for absent in ["secret", "grub/arm64-efi/README", "ramdisks/x86_64", "ca.pem", "../secret"] {
            assert!(catalogue.find(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn an_image_is_found_by_digest_and_nothing_else_of_its_directory_is() {
        let catalogue = Catalogue::new().images(Path::new("/var/lib/images"));
        let digest = "ab".repeat(32);
        let Some(Source::File(path)) = catalogue.find(&format!("images/{digest}")) else { unreachable!() };
        assert_eq!(*path, Path::new("/var/lib/images").join(&digest));
        assert!(catalogue.find("images/../../etc/passwd").is_none());
    }
}
