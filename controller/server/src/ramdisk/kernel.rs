//! A distribution's kernel, as its package unpacks it.

use super::{elf, unpack};
use anyhow::{Context as _, bail};
use flate2::{Compression, write::GzEncoder};
use hostler_core::hardware::Arch;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// As `uname -r` prints it.
    pub(super) version: String,
    /// The kernel itself.
    pub(super) image: PathBuf,
    /// The directory of its modules.
    pub(super) modules: PathBuf,
}

impl Kernel {
    /// Looks below the root of an unpacked package or an installed system.
    ///
    /// # Errors
    /// If there is none, or several and it was not said which.
    pub(super) fn find(root: &Path, wanted: Option<&str>) -> anyhow::Result<Self> {
        let version = match wanted {
            Some(version) => version.to_owned(),
            None => only_version(root)?,
        };
        let modules = ["usr/lib/modules", "lib/modules"].map(|dir| root.join(dir).join(&version));
        let Some(modules) = modules.into_iter().find(|dir| dir.is_dir()) else {
            bail!("{} has no lib/modules/{version}", root.display());
        };
        let images = [
            root.join(format!("boot/vmlinuz-{version}")),
            root.join(format!("boot/vmlinux-{version}")),
            modules.join("vmlinuz"),
        ];
        let Some(image) = images.into_iter().find(|file| file.is_file()) else {
            bail!("{} has no kernel boot/vmlinuz-{version} or boot/vmlinux-{version}", root.display());
        };
        let kernel = Self { version, image, modules };
        kernel.must_unpack_zstd(root)?;
        Ok(kernel)
    }

    /// Its image as the boot server sends it.
    ///
    /// # Errors
    /// If it is for another architecture, or no kernel that is known here.
    pub(super) fn load(&self, arch: Arch) -> anyhow::Result<Vec<u8>> {
        let bytes =
            std::fs::read(&self.image).with_context(|| format!("cannot read {}", self.image.display()))?;
        let what = self.image.display().to_string();
        let unpacked = if unpack::is_gzip(&bytes) {
            &unpack::unpack(bytes.clone()).with_context(|| format!("cannot unpack {what}"))?
        } else {
            &bytes
        };
        match architecture(unpacked) {
            Some(found) if found == arch => {}
            Some(found) => bail!("{what} is a kernel for {}, not for {}", found.as_str(), arch.as_str()),
            None => bail!("{what} is no kernel for {}", arch.as_str()),
        }
        // GRUB reads it unpacked and packed, over a network whose rate counts.
        if arch == Arch::Ppc64le && !unpack::is_gzip(&bytes) {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            packer.write_all(&bytes)?;
            return Ok(packer.finish()?);
        }
        Ok(bytes)
    }

    /// Checked where the package says it: what the kernel cannot unpack ends in a panic on every machine.
    fn must_unpack_zstd(&self, root: &Path) -> anyhow::Result<()> {
        let config = std::fs::read_to_string(root.join(format!("boot/config-{}", self.version)));
        match config {
            Ok(text) if !text.lines().any(|line| line == "CONFIG_RD_ZSTD=y") => bail!(
                "Linux {} cannot unpack ramdisks that zstd compressed: it was built without CONFIG_RD_ZSTD",
                self.version
            ),
            _ => Ok(()),
        }
    }
}

fn only_version(root: &Path) -> anyhow::Result<String> {
    let mut versions = BTreeSet::new();
    for dir in ["usr/lib/modules", "lib/modules"] {
        let entries = std::fs::read_dir(root.join(dir)).into_iter().flatten().flatten();
        versions
            .extend(entries.filter(|e| e.path().is_dir()).filter_map(|e| e.file_name().into_string().ok()));
    }
    // An update leaves directories behind that have nothing but what depmod wrote.
    versions.retain(|version| {
        ["usr/lib/modules", "lib/modules"].iter().any(|d| root.join(d).join(version).join("kernel").is_dir())
    });
    let mut versions = versions.into_iter();
    match (versions.next(), versions.next()) {
        (Some(version), None) => Ok(version),
        (None, _) => {
            bail!("{} has no lib/modules/VERSION: it is not the root of a kernel package", root.display())
        }
        (Some(first), Some(second)) => {
            let all: Vec<String> = [first, second].into_iter().chain(versions).collect();
            bail!("{} has several kernels: {}; say which with --kernel", root.display(), all.join(", "))
        }
    }
}

/// Tells kernels apart by the heads that their loaders look at: all are in the first KiB.
pub(crate) fn architecture(image: &[u8]) -> Option<Arch> {
    let at = |offset: usize, bytes: &[u8]| image.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    // Documentation/arch/x86/boot.rst: the magic, and bit 0 of xloadflags for a 64-bit kernel.
    if at(0x202, b"HdrS") {
        return (image.get(0x236)? & 1 == 1).then_some(Arch::X86_64);
    }
    // Documentation/arch/arm64/booting.rst.
    if at(56, b"ARM\x64") {
        return Some(Arch::Aarch64);
    }
    // A compressed kernel in an EFI program: its head names the machine as every EFI program's does.
    if at(0, b"MZ") && at(4, b"zimg") {
        let head: [u8; 4] = image.get(0x3c..0x40)?.try_into().ok()?;
        let machine = usize::try_from(u32::from_le_bytes(head)).ok()?.checked_add(4)?;
        return match image.get(machine..machine.checked_add(2)?)? {
            [0x64, 0xaa] => Some(Arch::Aarch64),
            [0x64, 0x86] => Some(Arch::X86_64),
            _ => None,
        };
    }
    // POWER has no other head than that of ELF; a vmlinux of the others cannot be started by a loader.
    elf::architecture(image).filter(|arch| *arch == Arch::Ppc64le)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_apart_by_their_heads() {
        let mut x86 = vec![0; 0x400];
        x86[0x202..0x206].copy_from_slice(b"HdrS");
        assert_eq!(architecture(&x86), None, "a 32-bit kernel");
        x86[0x236] = 1;
        assert_eq!(architecture(&x86), Some(Arch::X86_64));
        let mut arm = vec![0; 64];
        arm[56..60].copy_from_slice(b"ARM\x64");
        assert_eq!(architecture(&arm), Some(Arch::Aarch64));
        let mut zboot = vec![0; 0x100];
        zboot[..2].copy_from_slice(b"MZ");
        zboot[4..8].copy_from_slice(b"zimg");
        zboot[0x3c] = 0x80;
        zboot[0x84..0x86].copy_from_slice(&[0x64, 0xaa]);
        assert_eq!(architecture(&zboot), Some(Arch::Aarch64));
        assert_eq!(architecture(b"MZ\0\0zimg"), None);
        assert_eq!(architecture(b""), None);
    }
}
